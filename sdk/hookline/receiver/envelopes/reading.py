"""What every envelope reads alike: names, keys, times, and JSON that cannot hurt."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from hookline.body import json_problem
from hookline.clock import EPOCH
from hookline.errors import quoted
from hookline.receiver.errors import MalformedEvent
from hookline.signing import SignableRequest
from hookline.signing.checks import header_values
from hookline.validation.text import CLEAN

S = TypeVar("S")

LONGEST_NAME: Final = 256
"""Characters of an id, a type, a source or a subject."""
LONGEST_KEY: Final = 256
NULL: Final = b"null"
FORM: Final = "application/x-www-form-urlencoded"

_UNTYPED: Final = re.compile(r"[^A-Za-z0-9_\-.]+")
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""
_MILLISECONDS: Final = 100_000_000_000
"""A number of seconds since 1970 beyond this (the year 5138) is one of milliseconds."""


def decoded(body: bytes, form: type[S]) -> S:
    """`body` as a `form`. Raises MalformedEvent if it is not JSON or not of that form."""
    problem = json_problem(body)
    if problem is not None:
        raise MalformedEvent(f"the body {problem}")
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedEvent(f"the body is not what the platform sends: {error}") from error


def name(value: str, what: str) -> str:
    """`value`, if it can name something: 1 to 256 characters without NUL. Raises MalformedEvent."""
    if not value:
        raise MalformedEvent(f"the request has no {what}")
    return optional(value, what)


def optional(value: str, what: str) -> str:
    """As `name`, but it may be empty."""
    if len(value) > LONGEST_NAME:
        raise MalformedEvent(f"{what} {quoted(value)} has {len(value)} characters; right are at most {LONGEST_NAME}")
    if CLEAN.fullmatch(value) is None:
        raise MalformedEvent(f"{what} {quoted(value)} has a NUL or a lone surrogate")
    return value


def header(request: SignableRequest, wanted: str) -> str:
    """The first value of a header that is not empty, or the empty string."""
    return next(filter(None, header_values(request, wanted)), "")


def key_of(*parts: str) -> str:
    """One key for several parts, different for different parts; what would be too long is hashed."""
    joined = "/".join(quote(part, safe="!$'()*+,;:@=~") for part in parts) if len(parts) > 1 else parts[0]
    return joined if len(joined) <= LONGEST_KEY else "sha256:" + sha256(joined.encode("utf-8")).hexdigest()


def digest(body: bytes) -> str:
    """A key for a request that has no id: the same bytes are the same event."""
    return "sha256:" + sha256(body).hexdigest()


def type_name(*parts: str) -> str:
    """A type from a platform's words: `orders/create` is `orders.create`."""
    words = [_UNTYPED.sub("_", part.replace("/", ".")).strip("._") for part in parts]
    return optional(".".join(filter(None, words)), "type")


def time_of(value: object) -> datetime | None:
    """A time in RFC 3339, or in seconds or milliseconds since 1970; None if it is none: nothing hangs on it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if not 0 <= value <= _LATEST * 1000:
            return None
        seconds = value / 1000 if value > _MILLISECONDS else value
        return EPOCH + timedelta(seconds=seconds)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def text(value: object) -> str:
    """A string or a number as text; anything else is empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def media_type(request: SignableRequest) -> str:
    """The media type in lower case, without parameters; empty if the request names none, or several."""
    found: Sequence[str] = header_values(request, "content-type")
    return found[0].partition(";")[0].strip().lower() if len(found) == 1 else ""


def is_binary_cloudevent(request: SignableRequest) -> bool:
    """Whether a request has the header that every CloudEvent in binary mode has."""
    return bool(header(request, "ce-specversion"))
