"""The options that say what a subscription is, and what they make of a spec."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Final

import typer

from hookline.errors import quoted
from hookline.model import BodyFormat, Ordering, RetryPolicy, Subscription, SubscriptionSpec
from hookline.profiles import profile
from hookline_server.cli.exits import UsageError
from hookline_server.cli.values import POLICY_FORM, pairs, policy, span

SECRET_FORM: Final = "as the scheme wants it (standard: whsec_…)"

EventTypes = Annotated[
    list[str] | None,
    typer.Option(
        "--type", "-t", metavar="PATTERN", help="Which events: invoice.paid, invoice.* or * (repeatable).", show_default="*"
    ),
]
Description = Annotated[str | None, typer.Option("--description", help="For people.")]
Format = Annotated[BodyFormat | None, typer.Option("--body-format", help="How the body is made.", show_default="standard")]
Template = Annotated[
    str | None, typer.Option("--body-template", metavar="JSON", help="The body for --body-format template: JSON with placeholders.")
]
Scheme = Annotated[str | None, typer.Option("--scheme", help="How requests are signed.", show_default="standard")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--signature-parameter",
        metavar="NAME=VALUE",
        help="What the scheme is told: signature_header=X-Sig, key_id=k1 (custom, http-message; repeatable).",
    ),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help="Behave as a known platform does: stripe, slack, … (`hookline profiles list`).")
]
Headers = Annotated[
    list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Sent with every request (repeatable).")
]
Retry = Annotated[str | None, typer.Option("--retry", help=f"When to try again: {POLICY_FORM}.", show_default="standard")]
MaxAttempts = Annotated[int | None, typer.Option("--max-attempts", help="Attempts in all.")]
MaxElapsed = Annotated[str | None, typer.Option("--max-elapsed", metavar="SPAN", help="No attempt is planned after this (75h).")]
Jitter = Annotated[float | None, typer.Option("--jitter", help="Spreads each delay: 0.1 is ±10 %.")]
Timeout = Annotated[
    str | None,
    typer.Option("--attempt-timeout", metavar="SPAN", help="How long the receiver may take to answer.", show_default="15s"),
]
MaxInFlight = Annotated[int | None, typer.Option("--max-in-flight", help="Requests at once.", show_default="64")]
Lanes = Annotated[
    int | None,
    typer.Option("--lanes", help="Into how many lanes, each served by one node at a time, it is split.", show_default="1"),
]
Labels = Annotated[list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label (repeatable).")]
Order = Annotated[Ordering | None, typer.Option("--ordering", help="What order the receiver may rely on.", show_default="none")]
Name = Annotated[str | None, typer.Option("--name", help="The label `name`, by which `apply` and `tail` know it.")]

FIELDS: Final = tuple(field.name for field in fields(SubscriptionSpec))


def spec_of(subscription: Subscription) -> SubscriptionSpec:
    """What stands, as a caller would say it."""
    return SubscriptionSpec(**{name: getattr(subscription, name) for name in FIELDS if name != "secret"})


def said(
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
    body_format: BodyFormat | None = None,
    body_template: str | None = None,
    signature_scheme: str | None = None,
    signature_parameters: Sequence[str] | None = None,
    headers: Sequence[str] | None = None,
    timeout: str | None = None,
    max_in_flight: int | None = None,
    lanes: int | None = None,
    ordering: Ordering | None = None,
    labels: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The fields that were given on the command line. Raises UsageError."""
    given: dict[str, Any] = {
        "url": url,
        "event_types": tuple(event_types) if event_types else None,
        "description": description,
        "body_format": body_format,
        "body_template": body_template,
        "signature_scheme": signature_scheme,
        "signature_parameters": pairs(signature_parameters, "--signature-parameter") if signature_parameters else None,
        "headers": pairs(headers, "--header", ":") if headers else None,
        "timeout": None if timeout is None else span(timeout, "--attempt-timeout"),
        "max_in_flight": max_in_flight,
        "lanes": lanes,
        "ordering": ordering,
        "labels": pairs(labels, "--label") if labels else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def made(profile_name: str | None, **given: Any) -> SubscriptionSpec:
    """The spec with what was given, and else as the profile has it. Raises InvalidArgument."""
    return profile(profile_name).spec(**given) if profile_name else SubscriptionSpec(**given)


def retry_of(
    before: RetryPolicy, retry: str | None, max_attempts: int | None, max_elapsed: str | None, jitter: float | None
) -> RetryPolicy:
    """`before` with what was given of a policy. Raises UsageError."""
    base = before if retry is None else policy(retry, "--retry")
    if max_attempts is not None:
        base = replace(base, max_attempts=max_attempts)
    if max_elapsed is not None:
        base = replace(base, max_elapsed=span(max_elapsed, "--max-elapsed"))
    return base if jitter is None else replace(base, jitter=jitter)


def with_name(given: Mapping[str, Any], name: str | None, before: Mapping[str, str]) -> dict[str, Any]:
    """`given` with the label `name` set, beside those labels that were given, or else those of before."""
    return dict(given) if name is None else {**given, "labels": {**given.get("labels", before), "name": name}}


def defaults(names: Sequence[str]) -> dict[str, Any]:
    """Fields set back to what they are when nobody says anything. Raises UsageError."""
    clearable = [name for name in FIELDS if name not in {"url", "secret", "ordering", "profile"}]
    for name in names:
        if name not in clearable:
            raise UsageError(f"--clear: {quoted(name)} cannot be cleared; right is one of {', '.join(clearable)}")
    empty = SubscriptionSpec(url="")
    return {name: getattr(empty, name) for name in names}
