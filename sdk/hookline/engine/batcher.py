"""Group commit: what is submitted while a commit runs goes into the next one.

No timer and no added wait: an idle batcher flushes at the end of the loop's present turn, a busy one
as soon as the running flush is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Entry(NamedTuple, Generic[T, R]):
    items: Sequence[T]
    answer: "asyncio.Future[Sequence[R]]"


class Batcher(Generic[T, R]):
    """Collects items of many callers into few flushes; each caller gets the results of its own items.

    A flush that raises fails every caller whose items were in it.
    """

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, limit: int) -> None:
        """Flush at most about `limit` items at once."""
        self._flush = flush
        self._limit = limit
        self._waiting: list[_Entry[T, R]] = []
        self._task: asyncio.Task[None] | None = None
        self.load = 0
        """Items that are submitted and not answered."""

    def submit(self, items: Sequence[T]) -> "asyncio.Future[Sequence[R]]":
        """Put `items` into the next flush; the future gives their results, in their order."""
        answer: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(items, answer))
        self.load += len(items)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hookline-batcher")
        return answer

    async def drain(self) -> None:
        """Wait until everything submitted is answered."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._flush_once(self._next())
        finally:
            self._task = None

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
