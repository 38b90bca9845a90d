"""Waiting for what happens to deliveries, instead of asking again and again."""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from hookline import Change, Checkpoint, Client, DeliveryState

PATIENCE = 60.0


class Changes:
    """A watch that stands from `async with` on and remembers what it has seen."""

    def __init__(self, client: Client, **parameters: Any) -> None:
        self._watch = client.watch(**parameters)
        self.seen: list[Change] = []
        self.cursor = ""

    async def __aenter__(self) -> Self:
        first = await self.following()
        assert isinstance(first, Checkpoint)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert isinstance(self._watch, AsyncGenerator)
        await self._watch.aclose()

    async def following(self) -> Change | Checkpoint:
        async with asyncio.timeout(PATIENCE):
            item = await anext(self._watch)
        self.cursor = item.cursor
        if isinstance(item, Change):
            self.seen.append(item)
        return item

    async def until(self, state: DeliveryState, count: int = 1, **delivery: str) -> list[Change]:
        """The changes after which a delivery stood in `state`, as soon as there are `count`, of deliveries with these fields."""
        while len(found := [each for each in self.seen if each.delivery.state is state and _fits(each, delivery)]) < count:
            try:
                await self.following()
            except TimeoutError:
                raise AssertionError(f"{len(found)} of {count} became {state} {delivery}; seen: {self.seen}") from None
        return found

    async def attempts(self, count: int, **delivery: str) -> list[Change]:
        """The changes that are attempts, as soon as there are `count`."""
        while len(found := [each for each in self.seen if each.attempt is not None and _fits(each, delivery)]) < count:
            await self.following()
        return found


def _fits(change: Change, fields: dict[str, str]) -> bool:
    return all(getattr(change.delivery, name) == value for name, value in fields.items())
