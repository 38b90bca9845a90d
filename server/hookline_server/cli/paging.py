"""Lists longer than one page."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer

from hookline.model import Page

LARGEST_PAGE: Final = 1_000
T = TypeVar("T")

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
PageToken = Annotated[str, typer.Option("--page-token", help="Go on where a list ended (next_page_token).")]


async def collect(fetch: Callable[[int, str], Awaitable[Page[T]]], limit: int, page_token: str = "") -> Page[T]:
    """Up to `limit` items over as many pages as it takes; `fetch(page_size, page_token)` gets one page."""
    items: list[T] = []
    while True:
        page = await fetch(min(LARGEST_PAGE, limit - len(items)), page_token)
        items += page.items
        page_token = page.next_page_token
        if not page_token or len(items) >= limit:
            return Page(items=tuple(items), next_page_token=page_token)
