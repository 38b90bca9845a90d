"""What the body formats have in common."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hookline.errors import HooklineError

_MILLISECOND: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The content of a request, its media type, and the headers that belong to it (CloudEvents' `ce-…`)."""

    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes


class BodyError(HooklineError):
    """The event cannot be put into the subscription's body format; trying again does not change that."""

    reason = "BODY"


def rfc3339(moment: datetime) -> str:
    """`moment` in UTC as RFC 3339 has it: whole seconds, milliseconds or microseconds, as many as it needs."""
    if moment.tzinfo is UTC and moment.microsecond % _MILLISECOND:  # nearly every event: the time at which it was accepted
        return moment.isoformat()[:-6] + "Z"
    precision = "microseconds" if moment.microsecond % _MILLISECOND else "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
