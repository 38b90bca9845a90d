"""A synchronous client behind the asynchronous interface, so that the same tests run on both."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from hookline.sync import SyncClient

_END = object()


class Awaited:
    """Every method of `part`, run in a thread and awaited."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._part, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


class AwaitedClient(Awaited):
    """See `Awaited`; the parts are awaited too, and iterators are asynchronous."""

    def __init__(self, client: SyncClient) -> None:
        super().__init__(client)
        self.events = Awaited(client.events)
        self.subscriptions = Awaited(client.subscriptions)
        self.deliveries = Awaited(client.deliveries)
        self.event_types = Awaited(client.event_types)

    def watch(self, **parameters: Any) -> AsyncIterator[Any]:
        return _read(lambda: self._part.watch(**parameters))  # type: ignore[attr-defined]  # a SyncClient

    def emit_stream(self, events: AsyncIterable[Any], **parameters: Any) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        items = _Items(events, loop)
        return _read(lambda: self._part.emit_stream(items, **parameters))  # type: ignore[attr-defined]  # a SyncClient


class _Items(Iterable[Any]):
    """An asynchronous iterable, read by a thread."""

    def __init__(self, items: AsyncIterable[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._items = items
        self._loop = loop

    def __iter__(self) -> Iterator[Any]:
        source = aiter(self._items)

        async def following() -> Any:
            return await anext(source, _END)

        while (item := asyncio.run_coroutine_threadsafe(following(), self._loop).result()) is not _END:
            yield item


async def _read(make: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
    iterator = make()
    try:
        while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield item
    finally:
        # Closing also wakes the thread that waits for the next item.
        iterator.close()  # type: ignore[attr-defined]  # a generator, or a PortalIterator
