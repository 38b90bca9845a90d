"""The small things of the contract: times, durations, enums, and messages made of a caller's values.

Everything here is total: what cannot be carried is refused with `InvalidArgument` and the field's path.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hookline.clock import EPOCH, micros
from hookline.errors import InvalidArgument, quoted

FIRST_SECOND: Final = -62_135_596_800
"""0001-01-01T00:00:00Z, where Timestamp begins."""
LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, where Timestamp ends."""
LONGEST_DURATION: Final = 315_576_000_000
"""Seconds; about 10,000 years (google.protobuf.Duration)."""
NANOS: Final = 1_000_000_000

M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=StrEnum)


def read_time(message: Timestamp, field: str) -> datetime:
    """The UTC time of a Timestamp, cut to the microsecond."""
    seconds, nanos = message.seconds, message.nanos
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        raise InvalidArgument.of(f"{field}.seconds", f"is {seconds}, must be a second of the years 1 to 9999")
    if not 0 <= nanos < NANOS:
        raise InvalidArgument.of(f"{field}.nanos", f"is {nanos}, must be from 0 to 999999999")
    return EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def write_time(time: datetime, field: str) -> Timestamp:
    """The Timestamp of a time that has a time zone."""
    try:
        seconds, rest = divmod(micros(time), 1_000_000)
    except TypeError as error:
        raise InvalidArgument.of(field, f"is {quoted(time)}, must be a datetime with a time zone") from error
    if not FIRST_SECOND <= seconds <= LAST_SECOND:
        raise InvalidArgument.of(field, f"is {quoted(time)}, must be within the years 1 to 9999 in UTC")
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def write_optional_time(time: datetime | None, field: str) -> Timestamp | None:
    """The Timestamp of a time, if there is one."""
    return None if time is None else write_time(time, field)


def read_duration(message: Duration, field: str) -> float:
    """Seconds of a Duration that must not be negative."""
    seconds, nanos = message.seconds, message.nanos
    if not 0 <= seconds <= LONGEST_DURATION:
        raise InvalidArgument.of(f"{field}.seconds", f"is {seconds}, must be from 0 to {LONGEST_DURATION}")
    if not 0 <= nanos < NANOS:
        raise InvalidArgument.of(f"{field}.nanos", f"is {nanos}, must be from 0 to 999999999")
    # One division of whole numbers is rounded once, so that what was written as 1.999197 is read as that.
    return (seconds * NANOS + nanos) / NANOS


def write_duration(seconds: float, field: str) -> Duration:
    """The Duration of seconds, to the nanosecond."""
    try:
        usable = math.isfinite(seconds) and 0 <= seconds <= LONGEST_DURATION
    except (TypeError, OverflowError):
        usable = False
    if not usable:
        raise InvalidArgument.of(field, f"is {quoted(seconds)}, must be seconds from 0 to {LONGEST_DURATION}")
    whole = math.floor(seconds)
    more, nanos = divmod(round((seconds - whole) * NANOS), NANOS)
    return Duration(seconds=whole + more, nanos=nanos)


def read_number(value: float, field: str) -> float:
    """A finite number."""
    if not math.isfinite(value):
        raise InvalidArgument.of(field, f"is {value}, must be a finite number")
    return value


def write_page_size(page_size: int) -> int:
    """How many items a page may have; 0 means the default in the contract, but nothing at a client."""
    if page_size == 0:
        raise InvalidArgument.of("page_size", "is 0, must be 1 to 1000")
    return page_size


def read_enum(value: int, members: Mapping[int, E], field: str) -> E:
    """The member of ours for a number of theirs."""
    member = members.get(value)
    if member is None:
        raise InvalidArgument.of(field, f"is {value}, must be one of {', '.join(sorted(members.values()))}")
    return member


def write_enum(member: E, numbers: Mapping[E, int], field: str) -> int:
    """The number of theirs for a member of ours."""
    number = numbers.get(member)
    if number is None:
        raise InvalidArgument.of(field, f"is {quoted(member)}, must be one of {', '.join(sorted(numbers))}")
    return number


def build(kind: type[M], path: str = "", /, **fields: object) -> M:
    """A message with these fields; a value that it cannot hold is refused by its name after `path`."""
    make: Callable[..., M] = kind
    try:
        return make(**fields)
    except (AttributeError, TypeError, ValueError) as error:
        raise _culprit(make, path, fields) or InvalidArgument.of(path.rstrip("."), str(error)) from error


def _culprit(make: Callable[..., M], path: str, fields: Mapping[str, object]) -> InvalidArgument | None:
    """Which field it was: the message is made again, a field at a time."""
    for field, value in fields.items():
        try:
            make(**{field: value})
        except UnicodeEncodeError:
            return InvalidArgument.of(path + field, f"is {quoted(value)}, must be Unicode without lone surrogates")
        except (AttributeError, TypeError, ValueError) as error:
            return InvalidArgument.of(path + field, f"is {quoted(value)}, which cannot be sent: {error}")
    return None
