"""A real server and a real receiver on loopback, and the real commands run against them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from hookline.signing import generate_secret
from hookline_server.cli import run
from hookline_server.demo.processes import Child, receiving_url, serving_address

SECRET = generate_secret("standard")
COMMAND = (sys.executable, "-m", "hookline_server.cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    address: str
    url: str
    store: Path
    received: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of an error."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        assert "Traceback" not in line
        return line


@pytest.fixture(scope="session", autouse=True)
def no_settings() -> None:
    """What the shell sets for hookline is not meant for these tests."""
    for name in [name for name in os.environ if name.startswith("HOOKLINE_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def site(no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    receiver = Child(folder, "receiver", "receive", "--json", "--port", "0", "--secret", SECRET)
    server = Child(
        folder, "server", "serve", "--dev", "--port", "0", "--data-dir", str(folder), "--log-format", "json", "--no-hints"
    )
    try:
        url = asyncio.run(receiver.ready(receiving_url))
        address = asyncio.run(server.ready(serving_address))
        yield Site(address=address, url=url, store=folder / "hookline.db", received=receiver.out)
    finally:
        codes = [server.stop(), receiver.stop()]
    assert codes == [0, 0]
    assert "Traceback" not in server.err.read_text() + receiver.err.read_text()


@pytest.fixture
def hookline(site: Site, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run one command line in this process, against the server."""
    monkeypatch.setenv("HOOKLINE_SERVER", site.address)

    def execute(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ran(code=code, out=out, err=err)

    return execute


@pytest.fixture
def subscribed(hookline: Callable[..., Ran], site: Site) -> Iterator[dict[str, Any]]:
    """A subscription for a type of its own, with the receiver's secret."""
    number = next(_numbers)
    made = hookline(
        "subscriptions",
        "create",
        f"{site.url}hook",
        "--type",
        f"test{number}.*",
        "--secret",
        SECRET,
        "--retry",
        "100ms,200ms",
        "--json",
    )
    assert made.code == 0, made.err
    yield made.json
    hookline("subscriptions", "delete", made.json["id"], "--yes")


@pytest.fixture
def of_type(subscribed: dict[str, Any]) -> str:
    """An event type that the subscription takes."""
    return str(subscribed["event_types"][0]).replace("*", "happened")


def process(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer."""
    end = monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert monotonic() < end, "it never happened"
        sleep(0.05)


def _count() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


_numbers = _count()
