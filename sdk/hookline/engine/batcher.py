"""Group commit: what is submitted while a commit runs goes into the next one.

A commit costs more than an event does, and where calls arrive one by one on a busy machine each would
soon have a commit of its own. So a flush may wait a little for company, but only as long as that has
paid: whoever emits one event after the other never waits. While the thread is short of time it may wait
longer, for then it is the number of commits that makes everybody late; but not beyond the moment in which
the thread has nothing else to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from hookline.engine.strain import Strain

SHORTEST_WAIT: Final = 0.001
"""Seconds; timers of uvloop are no finer."""
LONGEST_WAIT: Final = 0.004
"""Seconds."""
STRAINED_WAIT: Final = 0.01
"""Seconds, the longest while the thread is short of time."""

T = TypeVar("T")
R = TypeVar("R")


class Patience:
    """How long a flush waits for company: longer while waiting at least doubles it, not at all when it brings none.

    While the thread is short of time, longer if it brings any.
    """

    def __init__(self, strain: Strain) -> None:
        """Do not wait."""
        self._strain = strain
        self._wait = 0.0

    async def wait(self, load: Callable[[], int]) -> None:
        """Wait before a flush; `load` counts what goes into it."""
        if not self._wait:
            return
        strained = self._strain.high
        longest = STRAINED_WAIT if strained else LONGEST_WAIT
        self._wait = min(self._wait, longest)
        before = load()
        if strained:
            await self._while_busy(self._wait)
        else:
            await asyncio.sleep(self._wait)
        gained = load() - before
        if gained >= before or (gained and strained):
            self._wait = min(2 * self._wait, longest)
        elif not gained:
            self._wait = self._wait / 2 if self._wait > SHORTEST_WAIT else 0.0

    async def _while_busy(self, seconds: float) -> None:
        """Wait while there is something else to do, at most so long."""
        began = since = self._strain.mark()
        while began.at + seconds - since.at > SHORTEST_WAIT / 2:
            await asyncio.sleep(SHORTEST_WAIT)
            now = self._strain.mark()
            if now.spared(since):
                return
            since = now

    def flushed(self, waiting: int) -> None:
        """A flush is over, and `waiting` came meanwhile: perhaps more would have come to it."""
        if waiting and not self._wait:
            self._wait = SHORTEST_WAIT


class _Entry(NamedTuple, Generic[T, R]):
    items: Sequence[T]
    answer: "asyncio.Future[Sequence[R]]"


class Batcher(Generic[T, R]):
    """Collects items of many callers into few flushes; each caller gets the results of its own items.

    A flush that raises fails every caller whose items were in it.
    """

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, strain: Strain, limit: int) -> None:
        """Flush at most about `limit` items at once."""
        self._flush = flush
        self._limit = limit
        self._waiting: list[_Entry[T, R]] = []
        self._patience = Patience(strain)
        self._task: asyncio.Task[None] | None = None
        self.load = 0
        """Items that are submitted and not answered."""

    def submit(self, items: Sequence[T]) -> "asyncio.Future[Sequence[R]]":
        """Put `items` into the next flush; the future gives their results, in their order."""
        answer: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(items, answer))
        self.load += len(items)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hookline-batcher")
        return answer

    async def drain(self) -> None:
        """Wait until everything submitted is answered, or its commit was cancelled."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting:
            await self._patience.wait(lambda: self.load)
            await self._flush_once(self._next())
            self._patience.flushed(self.load)

    def _next(self) -> list[_Entry[T, R]]:
        count = 0
        for taken, entry in enumerate(self._waiting, 1):
            count += len(entry.items)
            if count >= self._limit:
                batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
                return batch
        batch, self._waiting = self._waiting, []
        return batch

    async def _flush_once(self, batch: list[_Entry[T, R]]) -> None:
        items = batch[0].items if len(batch) == 1 else [item for entry in batch for item in entry.items]
        try:
            results = await self._flush(items)
        except BaseException as error:  # handed to every caller; cancellation goes on below
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(_own(error))
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        finally:
            self.load -= len(items)
        start = 0
        for entry in batch:
            end = start + len(entry.items)
            if not entry.answer.done():
                entry.answer.set_result(results[start:end])
            start = end


def _own(error: BaseException) -> BaseException:
    """A future cannot carry a cancellation that is not its own."""
    return ConnectionAbortedError("the engine stopped") if isinstance(error, asyncio.CancelledError) else error
