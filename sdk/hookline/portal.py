"""From threads into asynchronous code: one event loop in one background thread of this process.

`hookline.sync` stands on it. Calls of many threads meet on that loop, so they share group commits as
tasks would. The loop is made by the first call, and anew in a process that was forked: nothing of the
parent's is touched there, for the parent goes on using it.
"""

import asyncio
import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from hookline.errors import Closed, FailedPrecondition

T = TypeVar("T")
A = TypeVar("A")

AHEAD: Final = 1_000
"""Items of a stream that are under way, or wait for the caller, before no more are taken."""
LAST_CALL: Final = 30.0
"""Seconds that closing may take when the interpreter exits."""


class Closeable(Protocol):
    """What is closed when the interpreter exits."""

    async def close(self) -> None:
        """Finish what is under way, then close."""


class _Call:
    """A coroutine of another thread, and a lock that opens when it is done."""

    __slots__ = ("answer", "coroutine", "done", "error", "task")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.done = threading.Lock()
        self.done.acquire()
        self.answer: Any = None
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Await it; whatever becomes of it belongs to the caller."""
        try:
            self.answer = await self.coroutine
        except BaseException as error:
            self.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self.done.release()


class Portal:
    """An event loop in a daemon thread, and the way into it."""

    def __init__(self) -> None:
        """Start the thread."""
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._calls: deque[_Call] = deque()
        self._awake = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[Closeable] = set()
        self._thread = threading.Thread(target=self._serve, name="hookline-sync", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for it; an interrupt of the waiting thread cancels it."""
        if threading.get_ident() == self._thread.ident:
            coroutine.close()
            raise FailedPrecondition("called on the event loop of hookline.sync itself, which would wait for ever")
        call = _Call(coroutine)
        self._calls.append(call)
        # One wake-up serves all calls that come before the loop looks: that is a write to a pipe less for each.
        if not self._awake:
            self._awake = True
            self.loop.call_soon_threadsafe(self._look)
        try:
            call.done.acquire()
        except BaseException:
            self.loop.call_soon_threadsafe(_cancel, call)
            raise
        if call.error is not None:
            try:
                raise call.error
            finally:
                del call  # its error's traceback knows this frame: a cycle
        answer: T = call.answer
        return answer

    def post(self, action: Callable[[], None]) -> None:
        """Have `action` run on the loop, and do not wait for it."""
        self.loop.call_soon_threadsafe(action)

    def keep(self, client: Closeable) -> None:
        """Close `client` when the interpreter exits, unless somebody did so before."""
        self._clients.add(client)

    def forget(self, client: Closeable) -> None:
        """It was closed."""
        self._clients.discard(client)

    def close(self) -> None:
        """Close the clients that are open, then end the thread."""
        try:
            self.call(asyncio.wait_for(self._close_clients(), LAST_CALL))
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    async def _close_clients(self) -> None:
        outcomes = await asyncio.gather(*(client.close() for client in list(self._clients)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _look(self) -> None:
        # Before the look: a call that comes during it wakes the loop once more, and none is overlooked.
        self._awake = False
        while self._calls:
            call = self._calls.popleft()
            call.task = self.loop.create_task(call.run())
            self._tasks.add(call.task)
            call.task.add_done_callback(self._tasks.discard)


def _cancel(call: _Call) -> None:
    if call.task is not None:
        call.task.cancel()


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
        while not self._items:
            if self._over:
                raise StopAsyncIteration
            await self._news.wait()
            self._news.clear()
        return self._items.popleft()

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


_lock = threading.Lock()
_current: Portal | None = None
_abandoned: Final[list[Portal]] = []
"""Those of the processes before a fork: never used here, and never finalised, for that would touch what the parent uses."""


def portal() -> Portal:
    """The portal of this process; the first call makes it."""
    global _current  # noqa: PLW0603  # one a process is the point
    found = _current
    if found is None:
        with _lock:
            if _current is None:
                _current = Portal()
            found = _current
    return found


def _forked() -> None:
    global _current, _lock  # noqa: PLW0603  # one a process is the point
    # The lock may have been held by a thread that does not exist here.
    _lock = threading.Lock()
    if _current is not None:
        _abandoned.append(_current)
        _current = None


def _close() -> None:
    global _current  # one a process is the point
    found, _current = _current, None
    if found is not None:
        found.close()


os.register_at_fork(after_in_child=_forked)
atexit.register(_close)
