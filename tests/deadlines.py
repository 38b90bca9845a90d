"""Calls whose last try may be slower than the time that was left, on a machine that stands still."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from hookline.errors import DeadlineExceeded


async def at_last(call: Callable[[], Awaitable[object]]) -> None:
    """Make a call, and again where it was a deadline that ended it. Raises what else it raises."""
    async with asyncio.timeout(100):
        while True:
            with contextlib.suppress(DeadlineExceeded):
                await call()
                return
