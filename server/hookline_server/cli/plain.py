"""Values of the model as JSON has them.

The keys are the fields' names. Times are RFC 3339 in UTC, spans are seconds. A field of bytes stands
under its name if it is UTF-8, else under its name and `_base64`, in base64. What clients are never
shown (`secrets` and `pauses` of a subscription) is left out.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, assert_never

from hookline.errors import HooklineError
from hookline.model import Exponential, RetryPolicy, Steps

HIDDEN: Final = frozenset({"secrets", "pauses", "former_lanes"})

Plain = Any  # a JSON value; nothing narrower describes one


def plain(value: object) -> Plain:
    """`value` made of dictionaries, lists, strings, numbers, booleans and None."""
    match value:
        case None | bool() | int() | float():
            found: Plain = value
        case Enum():
            found = value.value
        case str():
            found = value
        case datetime():
            found = rfc3339(value)
        case HooklineError():
            found = {"reason": value.code, "message": value.message}
        case RetryPolicy():
            found = _policy(value)
        case Mapping():
            found = {str(key): plain(part) for key, part in value.items()}
        case Sequence() if not isinstance(value, bytes):
            found = [plain(part) for part in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            found = dict(_fields(value))
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")
    return found


def rfc3339(moment: datetime) -> str:
    """A time in UTC, to the microsecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _fields(value: object) -> Iterator[tuple[str, Plain]]:
    for field in fields(value):  # type: ignore[arg-type]  # the caller has seen that it is a dataclass
        part = getattr(value, field.name)
        if field.name in HIDDEN:
            continue
        if isinstance(part, bytes):
            try:
                yield field.name, part.decode()
            except UnicodeDecodeError:
                yield f"{field.name}_base64", b64encode(part).decode()
        else:
            yield field.name, plain(part)


def _policy(policy: RetryPolicy) -> dict[str, Plain]:
    schedule: dict[str, Plain]
    match policy.schedule:
        case Steps(delays=delays):
            schedule = {"steps": list(delays)}
        case Exponential(initial=initial, factor=factor, cap=cap):
            schedule = {"exponential": {"initial": initial, "factor": factor, "cap": cap}}
        case _ as never:
            assert_never(never)
    return {
        **schedule,
        "max_attempts": policy.max_attempts,
        "max_elapsed": policy.max_elapsed,
        "jitter": policy.jitter,
        "count_paused": policy.count_paused,
    }
