"""The options that say what a receiver is spared, and how limits are shown."""

from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from hookline.errors import quoted
from hookline.model import CircuitBreaker, RateLimit, Subscription
from hookline.model.limits import USUAL_BREAKER
from hookline_server.cli.exits import UsageError
from hookline_server.cli.output import took
from hookline_server.cli.values import span

OFF: Final = "off"
NEVER: Final = "never"
EVER: Final = "ever"
BREAKER_FORM: Final = "off, usual, or FAILURES[:RATE[:OPEN[:LONGEST]]] (20:0.9:5s:1m)"

Rate = Annotated[
    float | None, typer.Option("--rate", help="Requests a second in the long run; 0: no limit.", show_default="no limit")
]
Burst = Annotated[int | None, typer.Option("--burst", help="Requests at once after a quiet time.", show_default="one second's")]
Breaker = Annotated[
    str | None, typer.Option("--breaker", help=f"When the receiver is left alone: {BREAKER_FORM}.", show_default="usual")
]
HoldFor = Annotated[
    str | None,
    typer.Option(
        "--hold-for", metavar="SPAN", help="While paused or disabled, hold events so long (7d), or ever.", show_default=EVER
    ),
]
DisableAfter = Annotated[
    str | None,
    typer.Option(
        "--disable-after", metavar="SPAN", help="Disable after so long of nothing but failures, or never.", show_default="5d"
    ),
]
StepAsideAfter = Annotated[
    int | None,
    typer.Option("--step-aside-after", help="With --ordering by_key: let others of the key go after so many attempts; 0: never."),
]


def limits_said(
    before: RateLimit | None,
    *,
    rate: float | None,
    burst: int | None,
    breaker_text: str | None,
    hold_for: str | None,
    disable_after: str | None,
    step_aside_after: int | None,
) -> dict[str, Any]:
    """The limits that were given on the command line; `before` is the rate that stands. Raises UsageError."""
    given: dict[str, Any] = {}
    if rate is not None:
        if rate == 0 and burst is not None:
            raise UsageError("--burst: there is no burst without a rate; right is --rate above 0 beside it")
        given["rate"] = None if rate == 0 else RateLimit(requests_per_second=rate, burst=burst)
    elif burst is not None:
        if before is None:
            raise UsageError("--burst: there is no rate; right is --rate beside it")
        given["rate"] = replace(before, burst=burst)
    if breaker_text is not None:
        given["breaker"] = breaker(breaker_text, "--breaker")
    if hold_for is not None:
        given["hold_for"] = None if hold_for == EVER else span(hold_for, "--hold-for")
    if disable_after is not None:
        given["disable_after"] = 0.0 if disable_after == NEVER else span(disable_after, "--disable-after")
    if step_aside_after is not None:
        given["step_aside_after"] = step_aside_after
    return given


def breaker(text: str, name: str) -> CircuitBreaker:
    """A circuit breaker by its short form. Raises UsageError."""
    if text == OFF:
        return CircuitBreaker(off=True)
    if text == "usual":
        return USUAL_BREAKER
    failures, *parts = text.split(":")
    try:
        made = replace(USUAL_BREAKER, consecutive_failures=int(failures))
        if parts:
            made = replace(made, failure_rate=float(parts[0]))
    except ValueError:
        raise UsageError(f"{name}: {quoted(text)} is no circuit breaker; right is {BREAKER_FORM}") from None
    if len(parts) > 3:  # the parts that are named in the form
        raise UsageError(f"{name}: {quoted(text)} has too many parts; right is {BREAKER_FORM}")
    if len(parts) > 1:
        first = span(parts[1], name)
        made = replace(made, open_for=first, open_at_most=max(first, made.open_at_most))
    return replace(made, open_at_most=span(parts[2], name)) if len(parts) > 2 else made  # as above


def limit_facts(subscription: Subscription) -> tuple[tuple[str, str], ...]:
    """What `subscriptions show` says of the limits."""
    rate, circuit = subscription.rate, subscription.breaker
    burst = "" if rate is None or rate.burst is None else f", {rate.burst} at once"
    return (
        ("rate", "" if rate is None else f"{rate.requests_per_second:g} requests a second{burst}"),
        ("breaker", breaker_words(circuit)),
        ("steps aside", f"after {subscription.step_aside_after} attempts" if subscription.step_aside_after else ""),
        ("holds for", "" if subscription.hold_for is None else took(subscription.hold_for)),
        ("disabled after", f"{took(subscription.disable_after)} of failures" if subscription.disable_after else NEVER),
    )


def breaker_words(circuit: CircuitBreaker) -> str:
    """A circuit breaker in one line."""
    if circuit.off:
        return OFF
    return (
        f"opens after {circuit.consecutive_failures} failures in a row or {circuit.failure_rate:.0%} of 100, "
        f"for {took(circuit.open_for)} to {took(circuit.open_at_most)}"
    )
