"""How commands reach hookline: a server, or a store; and the options that say which.

The options stand on the root (`hookline --server … emit`) and on every command (`hookline emit
--server …`); the command's win.
"""

import asyncio
import inspect
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

import hookline
from hookline.client import DEFAULT_TENANT, Client
from hookline.errors import LONGEST_VALUE, Unavailable
from hookline.store import hidden
from hookline_server.cli.exits import CommandError, ExitCode, UsageError
from hookline_server.cli.output import Output

PANEL: Final = "Connection and output"
DEFAULT_SERVER: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT: Final = 30.0
POSTGRES: Final = ("postgresql:", "postgres:")

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What was said of how to reach hookline; None is not said."""

    server: str | None = None
    token: str | None = None
    tenant: str | None = None
    tls: bool | None = None
    ca: Path | None = None
    timeout: float | None = None
    store: str | None = None
    as_json: bool | None = None

    def over(self, below: "Reach") -> "Reach":
        """What is said here, and else what `below` says."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(below, **{name: value for name, value in said.items() if value is not None})

    def client(self) -> Client:
        """The client for it. Raises UsageError, CommandError."""
        if self.store is not None:
            _check_store(self.store)
            return hookline.open(self.store, deliver=False, tenant=self.tenant or DEFAULT_TENANT)
        return hookline.connect(
            self.server or DEFAULT_SERVER,
            token=self.token or "",
            tenant=self.tenant or "",
            tls=_tls(self),
            timeout=DEFAULT_TIMEOUT if self.timeout is None else self.timeout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One run of a command: a client that is open, and where results go."""

    client: Client
    out: Output


Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="HOST:PORT", help="The server to call [env HOOKLINE_SERVER; 127.0.0.1:50051].", rich_help_panel=PANEL
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="The server's token [env HOOKLINE_TOKEN, where it does not show in the list of processes].",
        rich_help_panel=PANEL,
    ),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Whose events these are [env HOOKLINE_TENANT].", rich_help_panel=PANEL)
]
Tls = Annotated[
    bool | None, typer.Option("--tls/--no-tls", help="Speak TLS, and trust the system's authorities.", rich_help_panel=PANEL)
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="Speak TLS, and trust the authorities in this PEM file [env HOOKLINE_CA].",
        rich_help_panel=PANEL,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="How long a call may take, retries included [env HOOKLINE_TIMEOUT; 30].",
        rich_help_panel=PANEL,
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PATH", help="Work on this SQLite file, without a server (one may run beside).", rich_help_panel=PANEL
    ),
]
AsJson = Annotated[bool | None, typer.Option("--json", help="Print JSON.", rich_help_panel=PANEL, show_default=False)]

OPTIONS: Final = {
    "server": Server,
    "token": Token,
    "tenant": Tenant,
    "tls": Tls,
    "ca": Ca,
    "timeout": Timeout,
    "store": Store,
    "as_json": AsJson,
}


def calls(command: Callable[Concatenate[Call, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a command of a coroutine function whose first parameter is the `Call`: adds the options of `Reach`."""
    own = list(inspect.signature(command).parameters.values())[1:]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

    def run(*, context: typer.Context, **given: Any) -> None:
        said = Reach(**{name: given.pop(name) for name in OPTIONS})
        reach = said.over(context.obj if isinstance(context.obj, Reach) else Reach())
        asyncio.run(_open(reach, command, given))

    parameters = [context, *own, *added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, no type names it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


async def _open(reach: Reach, command: Callable[..., Coroutine[Any, Any, None]], given: dict[str, Any]) -> None:
    try:
        async with reach.client() as client:
            await command(Call(client=client, out=Output(as_json=bool(reach.as_json))), **given)
    except Unavailable as error:
        if reach.store is not None:
            raise
        server = reach.server or DEFAULT_SERVER
        message = f"{error.message} (server {server}; `hookline serve` starts one, --server or HOOKLINE_SERVER names another)"
        raise CommandError(message, ExitCode.UNAVAILABLE) from error


def _tls(reach: Reach) -> bool | bytes:
    if reach.ca is None:
        return bool(reach.tls)
    if reach.tls is False:
        raise UsageError("--ca and --no-tls contradict each other; leave one out")
    try:
        # gRPC would take anything, and then reach no server.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(reach.ca)
        return reach.ca.read_bytes()
    except ssl.SSLError as error:
        raise UsageError(f"--ca: {reach.ca} holds no certificate; right is a PEM file with those of the authorities") from error
    except OSError as error:
        raise UsageError(f"--ca: cannot read {reach.ca} ({error.strerror}); name a PEM file that this user may read") from error


def _check_store(store: str) -> None:
    """A mistyped path must not make a new, empty store."""
    if ("://" in store or store.startswith(POSTGRES)) and not store.startswith("sqlite:///"):
        raise UsageError(
            f"--store: {hidden(store)[:LONGEST_VALUE]} is no file; right is the path of an SQLite file, "
            "or --server for what stands elsewhere"
        )
    path = Path(store.removeprefix("sqlite:///"))
    if not path.exists():
        raise CommandError(
            f"--store: there is no file {path}; name the store of a server (it logs the path when it starts)", ExitCode.NOT_FOUND
        )
