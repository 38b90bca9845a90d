"""Asynchronous iterators on the loop of a portal, read and fed by threads."""

import asyncio
import os
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from hookline.errors import Closed
from hookline.portal import Portal

T = TypeVar("T")
A = TypeVar("A")

AHEAD: Final = 1_000
"""Items of a stream that are under way, or wait for the caller, before no more are taken."""


class PortalIterator(Iterator[T], Generic[T]):
    """An asynchronous iterator, read by threads. Close it, or use it in a `with`, to end it early.

    Up to `AHEAD` items are read before they are asked for.
    """

    def __init__(self, portal: Portal, source: Callable[[], AsyncIterator[T]]) -> None:
        """Read what `source` answers with, on the loop of `portal`, from now on."""
        self._portal = portal
        self._items: deque[T] = deque()
        # Reentrant: dropping an iterator may close it in whatever the thread is doing.
        self._change = threading.Condition(threading.RLock())
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._room = asyncio.Event()
        self._full = False
        self._task: asyncio.Task[None] | None = None
        portal.post(lambda: self._begin(source))

    def __next__(self) -> T:
        """The next item; waits for it."""
        if self._portal.pid != os.getpid():
            raise Closed("this iterator belongs to the process from which this one was forked; begin another")
        with self._change:
            while not self._items and not self._over:
                self._change.wait()
            item = self._take()
        if item is None:
            raise StopIteration
        return item[0]

    def ready(self) -> Iterator[T]:
        """What is there without waiting."""
        while self._items:
            with self._change:
                item = self._take()
            if item is not None:
                yield item[0]

    def close(self) -> None:
        """End it, also for a thread that waits for the next item. Safe to repeat."""
        if self._portal.pid != os.getpid():
            return  # the lock may have been held by a thread that does not exist here
        with self._change:
            self._closed = self._over = True
            self._items.clear()
            self._change.notify_all()
        if self._portal.loop.is_running():
            self._portal.post(self._stop)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def __del__(self) -> None:
        if not self._over:
            self.close()

    def _take(self) -> tuple[T] | None:
        """The next item, None at the end. Raises what ended it. Under the lock."""
        if self._items:
            item = self._items.popleft()
            if self._full and len(self._items) <= AHEAD // 2:
                self._full = False
                self._portal.post(self._room.set)
            return (item,)
        if self._error is not None and not self._closed:
            raise self._error
        return None

    def _begin(self, source: Callable[[], AsyncIterator[T]]) -> None:
        if not self._closed:
            # The task must not keep the iterator alive, or one that is dropped would never end.
            self._task = self._portal.loop.create_task(_pump(weakref.ref(self), source, self._room))

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def put(self, item: T) -> bool:
        """Add an item, on the loop; whether there is room for another."""
        with self._change:
            self._items.append(item)
            self._full = len(self._items) >= AHEAD
            self._change.notify()
            return not self._full

    def end(self, error: BaseException | None) -> None:
        """Nothing more comes, because of `error` if there is one; on the loop."""
        with self._change:
            self._error, self._over = error, True
            self._change.notify_all()


async def _pump(reader: "weakref.ref[PortalIterator[T]]", source: Callable[[], AsyncIterator[T]], room: asyncio.Event) -> None:
    failure: BaseException | None = None
    items: AsyncIterator[T] | None = None
    try:
        items = source()
        async for item in items:
            target = reader()
            if target is None:
                return
            room.clear()
            has_room = target.put(item)
            del target
            if not has_room:
                await room.wait()
    except BaseException as error:
        failure = error
        if not isinstance(error, Exception):
            raise
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
        target = reader()
        if target is not None:
            target.end(failure)


class _Inbox(AsyncIterator[T], Generic[T]):
    """What a thread puts in, as an asynchronous iterator."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._items: deque[T] = deque()
        self._over = False
        self._awake = False
        self._news = asyncio.Event()

    def put(self, item: T) -> None:
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        self._over = True
        self._wake()

    async def __anext__(self) -> T:
        while True:
            over = self._over  # before the items: what was put in before the end is found then
            if self._items:
                return self._items.popleft()
            if over:
                raise StopAsyncIteration
            await self._news.wait()
            self._news.clear()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._portal.post(self._ring)

    def _ring(self) -> None:
        self._awake = False
        self._news.set()


def exchange(portal: Portal, call: Callable[[AsyncIterator[A]], AsyncIterator[T]], items: Iterable[A]) -> Iterator[T]:
    """Give `items` to `call` and yield what comes back, one for each. `items` is read by the calling thread."""
    inbox: _Inbox[A] = _Inbox(portal)
    under_way = 0
    with PortalIterator(portal, lambda: call(inbox)) as outcomes:
        for item in items:
            inbox.put(item)
            under_way += 1
            for outcome in outcomes.ready():
                under_way -= 1
                yield outcome
            while under_way >= AHEAD:
                outcome = next(outcomes)
                under_way -= 1
                yield outcome
        inbox.end()
        yield from outcomes
