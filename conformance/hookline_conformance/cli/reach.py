"""Whom the suite may call: what is on this machine, and anything else only when told so."""

import socket
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from hookline_conformance.check import NoVerdict
from hookline_conformance.cli.exits import UsageError
from hookline_conformance.receiver.target import is_loopback

DEFAULT_RATE: Final = 5.0
"""Requests a second to a target that is not on this machine."""
_HIGHEST_RATE: Final = 10.0
_CONNECT_SECONDS: Final = 10.0
_PANEL: Final = "Reach"

AllowRemoteOption = Annotated[
    bool, typer.Option("--allow-remote", help="The target may be another machine; it is mine to test.", rich_help_panel=_PANEL)
]
RateOption = Annotated[
    float, typer.Option("--rate", help="Requests a second to another machine, at most 10.", rich_help_panel=_PANEL)
]


def http_host(option: str, url: str) -> str:
    """The host of an http or https URL; raises `UsageError` for any other text."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # the parser looks at the port when it is read
    except ValueError as error:
        raise UsageError(f"{option}: {url!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{option}: {url!r} is not an http or https URL, such as http://127.0.0.1:8000/hooks")
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{option}: leave user and password out of the URL: they would stand in every report")
    if parts.fragment:
        raise UsageError(f"{option}: leave #{parts.fragment} out of the URL: fragments are not sent")
    return parts.hostname


def answering(address: str) -> None:
    """See that something listens on `host:port`, since gRPC tries for long before it says no; raises `NoVerdict`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.removeprefix("[").removesuffix("]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise NoVerdict(f"{address} does not answer: {error.strerror or 'no connection in time'}") from error


def grpc_host(option: str, address: str) -> str:
    """The host of `host:port`; raises `UsageError` for any other text."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise UsageError(f"{option}: {address!r} is not host:port, such as 127.0.0.1:50051")
    return host


def interval(option: str, host: str, *, allow_remote: bool, rate: float) -> float:
    """Seconds between two requests to `host`; 0 where it is this machine.

    Raises:
        UsageError: it is not on this machine, and `allow_remote` is not given; or the rate is out of range.
    """
    if not 0 < rate <= _HIGHEST_RATE:
        raise UsageError(f"--rate: {rate:g} is not more than 0 and at most {_HIGHEST_RATE:g} requests a second")
    if is_loopback(host):
        return 0.0
    if not allow_remote:
        raise UsageError(
            f"{option}: {host} is not this machine. The suite sends thousands of requests, hostile ones among them: "
            "add --allow-remote if the target is yours to test, and --safe if it is not a test system"
        )
    return 1.0 / rate
