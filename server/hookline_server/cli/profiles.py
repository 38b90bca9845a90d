"""`hookline profiles`: the platforms whose behaviour a subscription can be given by name. Needs no server."""

from collections.abc import Mapping
from typing import Annotated

import typer

from hookline.profiles import PROFILE_NAMES, Profile, profile
from hookline_server.cli.call import Reach
from hookline_server.cli.output import Output, took
from hookline_server.cli.plain import plain
from hookline_server.cli.subscription_view import answer_words, retry_words

app = typer.Typer(no_args_is_help=True, help="What known platforms send, and what known receivers take.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]
VALUES = (
    "signature_scheme",
    "signature_parameters",
    "body_format",
    "body_template",
    "headers",
    "retry_headers",
    "retry",
    "timeout",
    "max_in_flight",
    "answers",
    "disable_after",
    "rate",
)
"""The fields of a subscription that profiles set."""


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the profiles."""
    out = _output(context, as_json=as_json)
    found = [profile(name) for name in PROFILE_NAMES]
    if out.as_json:
        out.json({"items": [_plain(one) for one in found]})
        return
    out.rows(
        ("PROFILE", "IS A", "SCHEME", "BODY", "ATTEMPTS", "TIMEOUT", "WHAT IT IS"),
        (
            (
                one.name,
                one.role.value,
                one.usual.signature_scheme,
                one.usual.body_format.value,
                str(one.usual.retry.max_attempts),
                took(one.usual.timeout),
                one.title,
            )
            for one in found
        ),
    )


@app.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="PROFILE", help="The profile's name, like stripe.")],
    as_json: Json = False,
) -> None:
    """Show a profile: its values, its sources, and where they are silent."""
    out = _output(context, as_json=as_json)
    found = profile(name)
    if out.as_json:
        out.json(_plain(found))
        return
    usual, receiving = found.usual, found.receiving
    out.facts(
        (
            ("profile", found.name),
            ("what it is", f"{found.title} ({found.role.value})"),
            ("in short", found.summary),
            ("scheme", usual.signature_scheme),
            ("parameters", ", ".join(f"{key}={value}" for key, value in usual.signature_parameters.items())),
            ("body format", usual.body_format.value),
            ("body template", usual.body_template),
            ("headers", _headers(usual.headers)),
            ("headers of retries", _headers(usual.retry_headers)),
            ("retry", retry_words(usual.retry)),
            ("attempt timeout", took(usual.timeout)),
            ("answers", answer_words(usual.answers)),
            ("disabled after", took(usual.disable_after)),
            ("rate", "" if usual.rate is None else f"{usual.rate.requests_per_second:g} a second"),
            ("largest body", "" if receiving.max_body is None else f"{receiving.max_body:,} bytes"),
            ("authentication", ", ".join(receiving.authentication)),
        )
    )
    for heading, lines in (
        ("limits", receiving.limits),
        ("not documented", found.silent),
        ("other than the platform", found.differs),
        ("sources", tuple(f"{source.url} ({source.section})" for source in found.sources)),
    ):
        for line in lines:
            out.line(f"{heading}: {line}")


def _headers(headers: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in headers.items())


def _output(context: typer.Context, *, as_json: bool) -> Output:
    reach = context.obj if isinstance(context.obj, Reach) else Reach()
    return Output(as_json=as_json or bool(reach.as_json))


def _plain(found: Profile) -> dict[str, object]:
    known = plain(found)
    usual = known.pop("usual")
    return {**known, "subscription": {name: usual[name] for name in VALUES}}
