"""A method cannot exist on one door alone."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hookline
import hookline.sync
from hookline.client import Client, Deliveries, Events, EventTypes, Subscriptions
from hookline.embedded import EmbeddedClient
from hookline.remote import RemoteClient
from hookline.sync import SyncClient

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"events": Events, "subscriptions": Subscriptions, "deliveries": Deliveries, "event_types": EventTypes}

# What a door has beside the interface, for those who stand inside it.
OWN = {EmbeddedClient: {"config", "engine", "tenant"}, RemoteClient: set(), SyncClient: set()}


def made() -> list[Any]:
    return [hookline.open("memory:"), hookline.connect("127.0.0.1:1"), hookline.sync.open("memory:")]


@pytest.mark.parametrize("client", made(), ids=lambda client: type(client).__name__)
def test_every_door_has_the_methods_of_the_interface_and_no_other(client: Any) -> None:
    assert _public(client) - set(PARTS) - OWN[type(client)] == _public(Client) - set(PARTS)
    for name, part in PARTS.items():
        assert _public(getattr(client, name)) == _public(part)


@pytest.mark.parametrize("client", made(), ids=lambda client: type(client).__name__)
def test_every_method_has_the_parameters_of_the_interface(client: Any) -> None:
    for owner, interface in [(client, Client), *((getattr(client, name), part) for name, part in PARTS.items())]:
        for name in _public(interface) - set(PARTS):
            assert _parameters(getattr(owner, name)) == _parameters(getattr(interface, name)), name


def test_the_synchronous_methods_carry_the_docstrings_of_the_interface() -> None:
    for facade, interface in (
        (SyncClient, Client),
        *((getattr(hookline.sync, f"Sync{part.__name__}"), part) for part in PARTS.values()),
    ):
        for name in _public(interface) - set(PARTS):
            assert inspect.getdoc(getattr(facade, name)) == inspect.getdoc(getattr(interface, name))


def test_the_doors_take_the_same_parameters_with_and_without_an_event_loop() -> None:
    assert _parameters(hookline.sync.open) == _parameters(hookline.open)
    assert _parameters(hookline.sync.connect) == _parameters(hookline.connect)


def test_the_synchronous_client_is_what_the_interface_generates() -> None:
    script = ROOT / "scripts" / "generate_sync.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_embedded_use_imports_neither_grpc_nor_protobuf() -> None:
    program = (
        "import sys, hookline, hookline.sync\n"
        "hookline.open('memory:')\n"
        "print([name for name in ('grpc', 'google.protobuf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _public(owner: object) -> set[str]:
    names = set(dir(owner)) | set(getattr(owner, "__annotations__", {}))
    return {name for name in names if not name.startswith("_")}


def _parameters(method: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(method).parameters.values()
    return [(each.name, each.kind, each.default) for each in found if each.name != "self"]
