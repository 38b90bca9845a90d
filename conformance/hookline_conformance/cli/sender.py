"""`hookline-conformance sender`: receivers of the suite's own, and what a sender delivers to them."""

import shlex
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from hookline_conformance.cli import secrets as secret_sources
from hookline_conformance.cli.common import (
    AreaOption,
    BadgeOption,
    HtmlOption,
    JsonOption,
    JunitOption,
    KnownOption,
    LevelOption,
    MarkdownOption,
    OnlyOption,
    Outputs,
    QuickOption,
    SafeOption,
    SeedOption,
    Selection,
    ThoroughOption,
    judge,
    refuse_safe,
    the_one,
)
from hookline_conformance.cli.exits import UsageError
from hookline_conformance.cli.paced import ADAPTER_CALLS, paced
from hookline_conformance.cli.reach import DEFAULT_RATE, AllowRemoteOption, RateOption, answering, grpc_host, http_host, interval
from hookline_conformance.cli.repeat import repeat_command
from hookline_conformance.receiver.effects import run_command
from hookline_conformance.requirement import Level
from hookline_conformance.sender import SenderAdapter, SenderTarget
from hookline_conformance.sender.adapters.bridge import BridgeAdapter
from hookline_conformance.sender.adapters.convoy import ConvoyAdapter
from hookline_conformance.sender.adapters.hookline_v1 import HooklineAdapter
from hookline_conformance.sender.adapters.outpost import OutpostAdapter
from hookline_conformance.sender.adapters.svix import SvixAdapter

_WHO: Final = "The sender; one of them"
_HOW: Final = "How it is reached"
_RESTART_SECONDS: Final = 60.0

TlsOption = Annotated[
    bool, typer.Option("--tls", help="Speak TLS to a gRPC server, and trust the system's authorities.", rich_help_panel=_HOW)
]
CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Speak TLS, and trust the authorities in this PEM file.", rich_help_panel=_HOW),
]


def sender(
    context: typer.Context,
    *,
    hookline: Annotated[
        str | None, typer.Option("--hookline", metavar="HOST:PORT", help="Speaks hookline.v1 over gRPC.", rich_help_panel=_WHO)
    ] = None,
    bridge: Annotated[
        str | None,
        typer.Option("--bridge", metavar="HOST:PORT", help="Has a bridge: hookline.conformance.v1.", rich_help_panel=_WHO),
    ] = None,
    svix: Annotated[str | None, typer.Option("--svix", metavar="URL", help="Is a Svix server.", rich_help_panel=_WHO)] = None,
    convoy: Annotated[str | None, typer.Option("--convoy", metavar="URL", help="Is a Convoy server.", rich_help_panel=_WHO)] = None,
    outpost: Annotated[
        str | None, typer.Option("--outpost", metavar="URL", help="Is an Outpost server.", rich_help_panel=_WHO)
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="ID", help="The project, of --convoy.", rich_help_panel=_HOW)
    ] = None,
    delay: Annotated[
        list[float] | None,
        typer.Option(
            "--delay",
            metavar="SECONDS",
            min=0,
            help="What --convoy or --outpost is set up to wait between attempts; once for each.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    restart_command: Annotated[
        str | None,
        typer.Option(
            "--restart-command",
            metavar="COMMAND",
            help="Ends the server of --hookline and starts it again on the same store and address; its last argument is `stop` or "
            "`kill`. Run without a shell.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    tls: TlsOption = False,
    ca: CaOption = None,
    allow_remote: AllowRemoteOption = False,
    rate: RateOption = DEFAULT_RATE,
    level: LevelOption = Level.MAY,
    area: AreaOption = None,
    only: OnlyOption = None,
    seed: SeedOption = 0,
    quick: QuickOption = False,
    thorough: ThoroughOption = False,
    safe: SafeOption = False,
    known: KnownOption = None,
    json: JsonOption = None,
    junit: JunitOption = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    badge: BadgeOption = None,
) -> None:
    """Test a sender, in any language, by an adapter.

    A token comes from the environment: HOOKLINE_CONFORMANCE_TOKEN.
    """
    refuse_safe(safe, "a sender")
    option, where = the_one({"--hookline": hookline, "--bridge": bridge, "--svix": svix, "--convoy": convoy, "--outpost": outpost})
    by_grpc = option in {"--hookline", "--bridge"}
    host = grpc_host(option, where) if by_grpc else http_host(option, where)
    pause = interval(option, host, allow_remote=allow_remote, rate=rate)
    _belong({"--hookline"}, option, {"--restart-command": restart_command, "--tls": tls or None, "--ca": ca})
    _belong({"--convoy"}, option, {"--project": project})
    _belong({"--convoy", "--outpost"}, option, {"--delay": delay})
    token = secret_sources.variable(secret_sources.TOKEN)
    delays = tuple(delay or ())
    match option:
        case "--hookline":
            restart = _restart(restart_command)
            adapter: SenderAdapter = HooklineAdapter(where, token=token, roots=roots(ca, tls=tls), restart=restart)
        case "--bridge":
            adapter = BridgeAdapter(where)
        case "--svix":
            adapter = SvixAdapter(where, _needed(option, token))
        case "--convoy":
            if not project:
                raise UsageError("--convoy: name its project by --project")
            adapter = ConvoyAdapter(where, project, _needed(option, token), delays=delays)
        case _:
            adapter = OutpostAdapter(where, _needed(option, token), delays=delays)
    if by_grpc:
        answering(where)
    judge(
        SenderTarget(paced(adapter, ADAPTER_CALLS, pause), name=where, command=repeat_command(context.obj)),
        Selection(level=level, area=area, only=only, seed=seed, quick=quick, thorough=thorough, safe=safe, known=known),
        Outputs(json=json, junit=junit, markdown=markdown, html=html, badge=badge),
        secrets=(token,) if token else (),
    )


def roots(ca: Path | None, *, tls: bool) -> bytes | None:
    """PEM of the authorities to trust: empty for the system's own, None without TLS; raises `UsageError`."""
    if ca is None:
        return b"" if tls else None
    try:
        text = ca.read_bytes()
    except OSError as error:
        raise UsageError(f"--ca: {ca} cannot be read: {error.strerror or error}") from error
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise UsageError(f"--ca: {ca} holds no certificate in PEM")
    return text


def _needed(option: str, token: str) -> str:
    if not token:
        raise UsageError(f"{option}: set the variable {secret_sources.TOKEN} to the token of its API")
    return token


def _belong(owners: set[str], option: str, given: Mapping[str, object]) -> None:
    if option not in owners and (names := [name for name, value in given.items() if value is not None]):
        raise UsageError(f"{names[0]} belongs to {' and '.join(sorted(owners))}, not to {option}")


def _restart(command: str | None) -> Callable[[bool], Awaitable[None]] | None:
    if command is None:
        return None
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--restart-command: {command!r} is not a command: {error}") from error
    if not words:
        raise UsageError("--restart-command: the command is empty")

    async def restart(kill: bool) -> None:
        await run_command([*words, "kill" if kill else "stop"], command, _RESTART_SECONDS, "the restart")

    return restart
