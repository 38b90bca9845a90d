"""A thread that owns a connection and does calls one after the other, or many at once."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hookline.errors import Closed

Verb = Callable[[Any], Any]


class Call(NamedTuple):
    """A verb that waits for its turn, and who waits for its answer."""

    verb: Verb
    future: "asyncio.Future[Any]"


class Outcome(NamedTuple):
    """A call's answer, or its error."""

    future: "asyncio.Future[Any]"
    answer: Any
    error: BaseException | None


def resolve(outcomes: Sequence[Outcome]) -> None:
    """Tell everybody what came of it; on the event loop."""
    for future, answer, error in outcomes:
        if future.done():  # whoever asked was cancelled meanwhile
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


class Worker:
    """A thread with a queue. `guard` is held while it works: who holds it finds the thread at rest."""

    MOST: int = 1
    """Calls taken at once."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, connect: Callable[[], sqlite3.Connection]) -> None:
        """Make a worker; `connect` is called in its thread, when a connection is needed."""
        self.guard: Final = threading.Lock()
        self.loop: Final = loop
        self._connect: Final = connect
        self._connection: sqlite3.Connection | None = None
        self._queue: Final[queue.SimpleQueue[Call | None]] = queue.SimpleQueue()
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._stopping = False
        self._thread: Final = threading.Thread(target=self._run, name=name, daemon=True)
        self._idle: Callable[[], None] | None = None
        self._every: float | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def when_idle(self, every: float, idle: Callable[[], None]) -> None:
        """From the next call on, also call `idle` about every so many seconds, in this thread, with the guard held."""
        self._every, self._idle = every, idle
        self.submit(lambda _: None)

    def submit(self, verb: Verb) -> "asyncio.Future[Any]":
        """Do `verb` in its turn."""
        if self._stopping:
            raise Closed("the store is closed")
        future: asyncio.Future[Any] = self.loop.create_future()
        self._queue.put(Call(verb, future))
        return future

    async def stop(self) -> None:
        """Finish what was submitted, close the connection, end the thread. Safe to repeat."""
        if not self._stopping:
            self._stopping = True
            self._queue.put(None)
        await asyncio.shield(self._stopped)

    def connection(self) -> sqlite3.Connection:
        """The connection; in this thread, or with the guard held."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def disconnect(self) -> None:
        """Close the connection; the next call opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self) -> None:
        try:
            looked = time.monotonic()
            while True:
                calls, last = self._take()
                with self.guard:
                    if calls:
                        self.tell(resolve, self.do(calls))
                    if self._idle is not None and self._every is not None and time.monotonic() - looked >= self._every:
                        looked = time.monotonic()
                        self._idle()
                del calls  # with them the answers, which may be large: a thread at rest keeps nothing
                if last:
                    return
        finally:
            with self.guard:
                self.disconnect()
            self.tell(self._stopped.set_result, None)

    def _take(self) -> tuple[list[Call], bool]:
        """What waits in the queue, and whether that was the last."""
        calls: list[Call] = []
        try:
            call = self._queue.get(timeout=self._every)
            while call is not None:
                calls.append(call)
                if len(calls) >= self.MOST:
                    return calls, False
                call = self._queue.get_nowait()
        except queue.Empty:
            return calls, False
        return calls, True

    def do(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """Do the calls; never raises."""
        raise NotImplementedError

    def tell(self, what: Callable[[Any], None], argument: Any) -> None:
        """Call back on the event loop. A loop that is closed has nobody left who waits."""
        if not self.loop.is_closed():
            try:
                self.loop.call_soon_threadsafe(what, argument)
            except RuntimeError:
                if not self.loop.is_closed():
                    raise
