"""What people type: spans, times, pairs and retry policies, as the model has them. Each raises UsageError that names the option."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from hookline.errors import quoted
from hookline.model import PRESETS, Exponential, RetryPolicy, Steps
from hookline_server.cli.exits import UsageError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|m|h|d|)")
_SPAN_FORM: Final = "a number and a unit (ms, s, m, h, d), like 90s or 1.5h"
LONGEST: Final = 315_576_000_000.0
"""Seconds that google.protobuf.Duration has room for."""
POLICY_FORM: Final = (
    "a preset (standard, exponential, none), steps (5s,5m,30m), or exponential:INITIAL:FACTOR:CAP (exponential:1s:2:1h)"
)


def span(text: str, name: str) -> float:
    """Seconds: `90s`, `1.5h`, `250ms`; a number alone is seconds."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{name}: {quoted(text)} is no span of time; right is {_SPAN_FORM}")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST:
        raise UsageError(f"{name}: {quoted(text)} is too long; right is at most {LONGEST:.0f} s, which are 10,000 years")
    return seconds


def moment(text: str, name: str, *, ahead: bool = False) -> datetime:
    """A time: RFC 3339 with its zone, or a span before now (after now with `ahead`)."""
    if _SPAN.fullmatch(text.strip()):
        away = timedelta(seconds=span(text, name))
        try:
            return datetime.now(UTC) + away if ahead else datetime.now(UTC) - away
        except OverflowError:
            raise UsageError(f"{name}: {quoted(text)} away is no year from 1 to 9999; right is a shorter span") from None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            found.astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC the year may be none from 1 to 9999
        found = None
    if found is None or found.tzinfo is None:
        since = "from now" if ahead else "ago"
        raise UsageError(
            f"{name}: {quoted(text)} is no time; right is RFC 3339 with its zone (2030-01-31T12:00Z), or 2h for two hours {since}"
        )
    return found


def optional_moment(text: str, name: str, *, ahead: bool = False) -> datetime | None:
    """A time, or None for nothing."""
    return moment(text, name, ahead=ahead) if text else None


def pairs(texts: Iterable[str], name: str, separator: str = "=") -> dict[str, str]:
    """`key=value` pairs (headers: `Name: value`)."""
    found = {}
    for text in texts:
        key, sign, value = text.partition(separator)
        if not sign or not key.strip():
            # The value may be a credential, so what was typed is not shown.
            raise UsageError(f"{name}: there is no {separator!r} between the name and the value; right is name{separator}value")
        found[key.strip()] = value.strip()
    return found


def policy(text: str, name: str) -> RetryPolicy:
    """A retry policy by its short form."""
    if text in PRESETS:
        return PRESETS[text]
    kind, *parts = text.split(":")
    if kind == "exponential" and 1 <= len(parts) <= 3:
        initial = span(parts[0], name)
        factor = _number(parts[1], name) if len(parts) > 1 else 2.0
        cap = span(parts[2], name) if len(parts) > 2 else Exponential(initial=initial).cap
        return RetryPolicy(
            schedule=Exponential(initial=initial, factor=factor, cap=cap), max_attempts=PRESETS["exponential"].max_attempts
        )
    if not parts and text[:1].isdigit():
        delays = tuple(span(part, name) for part in text.split(","))
        return RetryPolicy(schedule=Steps(delays=delays), max_attempts=len(delays) + 1)
    raise UsageError(f"{name}: {quoted(text)} is no retry policy; right is {POLICY_FORM}")


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name}: {quoted(text)} is no number") from None
