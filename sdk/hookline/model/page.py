"""One page of a list."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Items, and the opaque token of the page after; empty on the last page."""

    items: tuple[T, ...]
    next_page_token: str = ""
