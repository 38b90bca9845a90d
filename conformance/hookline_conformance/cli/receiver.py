"""`hookline-conformance receiver`: deliveries of every kind to a URL, and what the receiver made of them."""

import shlex
import ssl
from pathlib import Path
from typing import Annotated, Any, Final

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
)
from hookline_conformance.cli.exits import UsageError
from hookline_conformance.cli.reach import DEFAULT_RATE, AllowRemoteOption, RateOption, http_host, interval
from hookline_conformance.cli.repeat import repeat_command
from hookline_conformance.receiver.effects import CommandProbe, EffectsProbe, UrlProbe
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.requirement import Level
from hookline_conformance.schemes import SCHEME_NAMES, ParameterError, Scheme, SecretError, scheme_named

_EFFECTS: Final = "Effects"
_SIGNATURE: Final = "Signature"
_NUMBERS: Final = frozenset({"tolerance", "expires_after"})


def receiver(
    context: typer.Context,
    *,
    url: Annotated[str, typer.Option("--url", help="Where deliveries go, such as http://127.0.0.1:8000/hooks.")],
    scheme: Annotated[str, typer.Option("--scheme", help=", ".join(SCHEME_NAMES), rich_help_panel=_SIGNATURE)],
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="SECRET",
            help=f"The receiver's secret, by default ${secret_sources.SECRET}; a second one that it accepts too lets rotation "
            f"be checked, by default ${secret_sources.NEXT_SECRET}.",
            rich_help_panel=_SIGNATURE,
        ),
    ] = None,
    retired_secret: Annotated[
        list[str] | None,
        typer.Option(
            "--retired-secret",
            metavar="SECRET",
            help=f"One that it accepted before, by default ${secret_sources.RETIRED_SECRET}.",
            rich_help_panel=_SIGNATURE,
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", metavar="NAME=VALUE", help="Of the schemes custom and http-message.", rich_help_panel=_SIGNATURE
        ),
    ] = None,
    effects_url: Annotated[
        str | None,
        typer.Option(
            "--effects-url",
            metavar="URL",
            help='GET gives {"effects": {"<event id>": count}, "total": n}.',
            rich_help_panel=_EFFECTS,
        ),
    ] = None,
    effects_command: Annotated[
        str | None,
        typer.Option(
            "--effects-command", metavar="COMMAND", help="Prints the same; run without a shell.", rich_help_panel=_EFFECTS
        ),
    ] = None,
    restart_command: Annotated[
        str | None,
        typer.Option(
            "--restart-command",
            metavar="COMMAND",
            help="Ends the receiver and starts it again; run without a shell.",
            rich_help_panel=_EFFECTS,
        ),
    ] = None,
    event_type: Annotated[
        str, typer.Option("--event-type", help="The type of the events that are sent.", rich_help_panel=_EFFECTS)
    ] = "conformance.check",
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", metavar="SECONDS", min=0.1, max=300, help="For an answer.", show_default="the platform's own"),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="PEM of the authorities to trust, for an https URL.")
    ] = None,
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
    """Test a receiver, in any language, at its URL."""
    pause = interval("--url", http_host("--url", url), allow_remote=allow_remote, rate=rate)
    signing, api_key = _scheme(scheme, parameter or [])
    accepted = secret_sources.given_or_named("--secret", secret)
    retired = secret_sources.given_or_named("--retired-secret", retired_secret)
    if not accepted:
        raise UsageError(f"--secret: there is none; set the variable {secret_sources.SECRET}, or give the option")
    for option, texts in (("--secret", accepted), ("--retired-secret", retired)):
        for text in texts:
            _check_secret(option, text, signing)
    target = ReceiverTarget(
        url=url,
        scheme=signing,
        secrets=accepted,
        retired=retired,
        effects=_probe(effects_url, effects_command, allow_remote=allow_remote, rate=rate),
        restart=_command("--restart-command", restart_command),
        deadline=deadline,
        event_type=event_type,
        tls=_trust(ca, url),
        allow_remote=allow_remote,
        interval=pause,
        said=repeat_command(context.obj),
    )
    judge(
        target,
        Selection(level=level, area=area, only=only, seed=seed, quick=quick, thorough=thorough, safe=safe, known=known),
        Outputs(json=json, junit=junit, markdown=markdown, html=html, badge=badge),
        secrets=(*accepted, *retired, *filter(None, [api_key])),
    )


def _scheme(name: str, parameters: list[str]) -> tuple[Scheme, str]:
    """The scheme, and the API key that goes with its deliveries; empty where there is none."""
    given: dict[str, Any] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--parameter: {text!r} is not NAME=VALUE")
        if key == "api_key":
            raise UsageError(f"--parameter: the API key is a secret: set the variable {secret_sources.API_KEY}")
        given[key] = _value(key, value)
    api_key = secret_sources.variable(secret_sources.API_KEY) if "api_key_header" in given else ""
    if api_key:
        given["api_key"] = api_key
    try:
        return scheme_named(name, **given), api_key
    except ParameterError as error:
        raise UsageError(f"--scheme {name}: {error}") from error


def _value(key: str, value: str) -> Any:
    """A parameter as its scheme takes it."""
    if key == "components":
        return tuple(part.strip() for part in value.split(","))
    if key == "milliseconds":
        if value not in {"true", "false"}:
            raise UsageError(f"--parameter: milliseconds is {value!r}, and can be true or false")
        return value == "true"
    if key in _NUMBERS:
        if not (value.isascii() and value.isdecimal()):
            raise UsageError(f"--parameter: {key} is {value!r}, and has to be a whole number of seconds")
        return int(value)
    return value


def _check_secret(option: str, text: str, signing: Scheme) -> None:
    try:
        signing.check_secret(text)
    except SecretError as error:
        raise UsageError(f"{option}: {error}") from error


def _probe(url: str | None, command: str | None, *, allow_remote: bool, rate: float) -> EffectsProbe | None:
    if url is not None and command is not None:
        raise UsageError("--effects-url and --effects-command: give one of them")
    if url is not None:
        pause = interval("--effects-url", http_host("--effects-url", url), allow_remote=allow_remote, rate=rate)
        return UrlProbe(url, interval=pause)
    words = _command("--effects-command", command)
    return None if words is None else CommandProbe(words)


def _command(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a command: {error}") from error
    if not words:
        raise UsageError(f"{option}: the command is empty")
    return text


def _trust(ca: Path | None, url: str) -> ssl.SSLContext | None:
    if ca is None:
        return None
    if not url.startswith("https:"):
        raise UsageError(f"--ca: {url} is not an https URL")
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one too
        raise UsageError(f"--ca: {ca} cannot be used: {error.strerror or error}") from error
