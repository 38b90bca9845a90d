"""The fields that requests have in common."""

from datetime import datetime
from typing import Final

from google.protobuf.message import Message

from hookline import wire
from hookline.errors import InvalidArgument

DEFAULT_PAGE_SIZE: Final = 100


def read_optional_time(request: Message, field: str) -> datetime | None:
    """The time in a Timestamp field of `request`; None if it is not set."""
    return wire.read_time(getattr(request, field), field) if request.HasField(field) else None


def page_size(asked: int) -> int:
    """How many items a page may have; 0 means the default."""
    return asked or DEFAULT_PAGE_SIZE


def required(field: str) -> InvalidArgument:
    """The error for a message that is not there."""
    return InvalidArgument.of(field, "is not set, and it is required")
