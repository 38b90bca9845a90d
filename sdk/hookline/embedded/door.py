"""What the parts of the embedded client need of it."""

from datetime import datetime
from typing import Final, Protocol

from hookline.clock import micros
from hookline.engine import Engine
from hookline.errors import InvalidArgument, quoted
from hookline.validation import check_id, check_page_size, check_string

AFTER: Final = "after:"
"""Begins the tokens of lists by name, so that another list's are noticed."""
LONGEST_TOKEN: Final = 256


class Door(Protocol):
    """The client that a part belongs to."""

    def tenant(self, tenant: str) -> str:
        """The tenant that a call is for. Raises InvalidArgument."""

    async def engine(self) -> Engine:
        """The running engine. Raises Closed, StoreError, Unavailable."""


def known_id(value: str, field: str) -> str:
    """The id `value` of a request's `field`. Raises InvalidArgument."""
    check_id(value, field)
    return value


def page(page_size: int, page_token: str) -> tuple[int, int | None]:
    """The limit and the position of a page by position. Raises InvalidArgument."""
    check_page_size(page_size)
    if not page_token:
        return page_size, None
    if not page_token.isascii() or not page_token.isdigit() or len(page_token) > 19:
        raise InvalidArgument.of("page_token", f"{quoted(page_token)} is not a token of this list; take next_page_token")
    return page_size, int(page_token)


def page_after(page_size: int, page_token: str) -> tuple[int, str]:
    """The limit and the name after which a page by name begins. Raises InvalidArgument."""
    check_page_size(page_size)
    if page_token and not page_token.startswith(AFTER):
        raise InvalidArgument.of("page_token", f"{quoted(page_token)} is not a token of this list; take next_page_token")
    check_string(page_token, "page_token", LONGEST_TOKEN)
    return page_size, page_token.removeprefix(AFTER)


def token_after(name: str) -> str:
    """The token of the page that begins after `name`."""
    return AFTER + name


def span(from_time: datetime | None, to_time: datetime | None) -> tuple[int | None, int | None]:
    """A span in microseconds. Raises InvalidArgument (a naive time, an end before its beginning)."""
    for field, value in (("from_time", from_time), ("to_time", to_time)):
        if value is not None and value.tzinfo is None:
            raise InvalidArgument.of(field, f"{quoted(value.isoformat())} has no time zone; pass an aware datetime")
    if from_time is not None and to_time is not None and to_time < from_time:
        raise InvalidArgument.of("to_time", f"{to_time.isoformat()} is before from_time")
    return (None if from_time is None else micros(from_time)), (None if to_time is None else micros(to_time))
