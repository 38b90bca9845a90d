"""`hookline verify`: whether the signature of a request is right, and why not."""

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from hookline.errors import InvalidArgument
from hookline.signing import PARAMETRISED, SCHEME_NAMES, Custom, HttpMessage, HubSpot, Scheme, SignableRequest, scheme
from hookline_server.cli.exits import CommandError, ExitCode, UsageError
from hookline_server.cli.output import Output
from hookline_server.cli.signature_diagnosis import Check
from hookline_server.cli.values import moment, span

SECRET: Final = "HOOKLINE_SECRET"
API_KEY: Final = "HOOKLINE_API_KEY"
NAMES: Final = (*SCHEME_NAMES, *PARAMETRISED)

_REQUEST_LINE: Final = re.compile(r"[A-Z]+ \S+ HTTP/[0-9](?:\.[0-9])?\s*")


def verify(
    *,
    name: Annotated[str, typer.Option("--scheme", metavar="NAME", help=f"How it is signed: {', '.join(NAMES)}.")],
    secrets: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", help=f"The secret (repeatable: one of them is enough); out of sight of other processes as {SECRET}."
        ),
    ] = None,
    headers: Annotated[
        list[str] | None,
        typer.Option(
            "--header", "-H", metavar="'NAME: VALUE'", help="A header of the request (repeatable); @FILE has them as they came."
        ),
    ] = None,
    url: Annotated[str, typer.Option("--url", help="The whole URL that the sender called, where the scheme signs it.")] = "",
    method: Annotated[str, typer.Option("--method", help="The method, where the scheme signs it.")] = "POST",
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="When it came: RFC 3339, (milli)seconds since 1970, or 2h for two hours ago.",
            show_default="now",
        ),
    ] = "",
    tolerance: Annotated[str, typer.Option("--tolerance", metavar="SPAN", help="How far its time may be away.")] = "300s",
    body: Annotated[Path | None, typer.Option("--body", help="The file with the body.", show_default="standard input")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help=f"A parameter of {' or '.join(PARAMETRISED)}, as in a subscription's signature_parameters (repeatable); "
            f"the API key of custom is better left to {API_KEY}.",
        ),
    ] = None,
    old_versions: Annotated[
        list[str] | None, typer.Option("--old-version", help="hubspot: take v1 or v2 where there is no v3 (repeatable).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.", show_default=False)] = False,
) -> None:
    """Verify the signature of a request whose body comes on standard input, and say in one line why it is refused.

    hookline verify --scheme stripe --header "Stripe-Signature: t=…,v1=…" < body
    """
    made = _scheme(name, _named(parameters or ()), old_versions or ())
    if not url and _signs_url(made):
        raise UsageError(f"--url is missing: {name} signs the URL, so it must be the one that the sender called")
    known = _secrets(made, secrets or ())
    tolerated, now = int(span(tolerance, "--tolerance")), _time(at)
    given = _headers(headers or ())
    request = SignableRequest(method=method, url=url, headers=given, body=_body(body))
    check = Check(scheme=made, request=request, secrets=known, now=now, tolerance=tolerated)
    error = check.refusal()
    line = "" if error is None else check.explained(error)
    if as_json:
        fault = None if error is None else error.fault.value
        Output(as_json=True).json({"verified": error is None, "scheme": name, "fault": fault, "message": line}, line=True)
        raise typer.Exit(ExitCode.OK if error is None else ExitCode.FAILED)
    if error is not None:
        raise CommandError(line)
    Output(as_json=False).line(f"verified: the signature is right ({name}, {len(request.body):,} bytes)")


def _named(said: Sequence[str]) -> dict[str, str]:
    """Parameters by name, each value as it is: spaces count. Raises UsageError."""
    found = {}
    for text in said:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError("--parameter: there is no '=' between the name and the value; right is NAME=VALUE")
        found[name.strip()] = value
    if "api_key_header" in found and "api_key" not in found and API_KEY in os.environ:
        found["api_key"] = os.environ[API_KEY]
    return found


def _scheme(name: str, parameters: Mapping[str, str], old_versions: Sequence[str]) -> Scheme:
    """The scheme called `name`. Raises UsageError if it is none, or has not such parameters."""
    if old_versions and name != "hubspot":
        raise UsageError(f"--old-version: the scheme {name} has no versions that hookline does not take anyway")
    try:
        return HubSpot(old_versions=frozenset(old_versions)) if old_versions else scheme(name, parameters)
    except InvalidArgument as error:
        # Each field by the name that it has on the command line.
        told = (f"{_option(each.field)}: {each.description}" for each in error.violations)
        raise UsageError("; ".join(told)) from error


def _option(field: str) -> str:
    head, _, parameter = field.partition(".")
    return {"signature_scheme": "--scheme", "old_versions": "--old-version"}.get(head, f"--parameter {parameter}".rstrip())


def _signs_url(made: Scheme) -> bool:
    match made:
        case Custom():
            return "{url}" in made.template
        case HttpMessage():
            return any(each.startswith("@") and each != "@method" for each in made.components)
        case _:
            return made.name in {"twilio", "hubspot"}


def _secrets(made: Scheme, said: Sequence[str]) -> list[str]:
    """The secrets of the command line, and else of the environment."""
    if said:
        return list(said)
    whole = os.environ.get(SECRET, "")
    if not whole.strip():
        raise UsageError(f"--secret is missing: give it, or set {SECRET}, which leaves it out of the shell's history")
    try:
        # A secret of some platforms may hold a space; those of the others are separated by it.
        made.check_secret(whole)
    except InvalidArgument:
        return whole.split()
    return [whole]


def _time(at: str) -> int:
    """Seconds since 1970, of a number as the platforms' headers have it (in seconds or milliseconds) or of what `moment` takes."""
    if at.isascii() and at.isdecimal() and 9 <= len(at) <= 13:
        return int(at) // (1000 if len(at) > 11 else 1)
    return int(moment(at, "--at").timestamp()) if at else int(time.time())


def _headers(said: Sequence[str]) -> tuple[tuple[str, str], ...]:
    lines: list[str] = []
    for text in said:
        lines += _lines(Path(text[1:]).read_text(encoding="latin-1")) if text.startswith("@") else [text]
    pairs = []
    for line in filter(str.strip, lines):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            # The value may be a credential, so what was typed is not shown.
            raise UsageError("--header: there is no ':' between the name and the value; right is 'Name: value'")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _lines(text: str) -> list[str]:
    """The headers in a file, up to an empty line: without the request line, and with folded ones joined."""
    found: list[str] = []
    for line in text.lstrip("\r\n").splitlines():
        if not line.strip():
            break
        if line[0] in " \t" and found:
            found[-1] += " " + line.strip()
        elif found or _REQUEST_LINE.fullmatch(line) is None:
            found.append(line)
    return found


def _body(path: Path | None) -> bytes:
    if path is not None:
        return path.read_bytes()
    if sys.stdin.isatty():
        Output(as_json=False).note("the body is read from standard input, to its end (Ctrl-D)")
    return sys.stdin.buffer.read()
