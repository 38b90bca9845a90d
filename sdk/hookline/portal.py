"""From threads into asynchronous code: one event loop in one background thread of this process.

`hookline.sync` stands on it. Calls of many threads meet on that loop, so they share group commits as
tasks would. The loop is made by the first call, and anew in a process that was forked: nothing of the
parent's is touched there, for the parent goes on using it.
"""

import asyncio
import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from hookline.errors import Closed, FailedPrecondition

T = TypeVar("T")

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
        try:
            self._calls.append(call)
            # One wake-up serves all calls that come before the loop looks: that is a write to a pipe less for each.
            if not self._awake:
                self._awake = True
                self.loop.call_soon_threadsafe(self._look)
            call.done.acquire()
        except BaseException:
            self.loop.call_soon_threadsafe(self._abandon, call)
            raise
        if call.error is not None:
            try:
                if isinstance(call.error, asyncio.CancelledError):
                    raise Closed("the interpreter is exiting") from call.error
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
        """Close the clients that are open, end what is left (iterators), then the thread."""
        try:
            self.call(self._wind_up())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    async def _wind_up(self) -> None:
        try:
            async with asyncio.timeout(LAST_CALL):
                outcomes = await asyncio.gather(*(client.close() for client in list(self._clients)), return_exceptions=True)
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self.loop.shutdown_asyncgens()
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

    def _abandon(self, call: _Call) -> None:
        # Its thread may have been interrupted anywhere, also after it said that the loop is awake and before that was so.
        self._look()
        if call.task is not None:
            call.task.cancel()


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
