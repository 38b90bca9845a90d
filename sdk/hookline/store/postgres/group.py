"""Group commit over several connections: what is submitted while commits are under way goes into the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from hookline.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

LIMIT: Final = 2_000
"""Items in one commit, about."""


class _Entry(NamedTuple, Generic[T, R]):
    node: int
    items: Sequence[T]
    answer: "asyncio.Future[R]"


class Group(Generic[T, R]):
    """Collects the items of many callers into few flushes, of which a few run at a time.

    `flush` gets a node and its items; `split` gives each caller the part of the answer that is its own
    (from, to). A fault of the data harms its own caller only; one of the store all alike.
    """

    def __init__(
        self, flush: Callable[[int, Sequence[T]], Awaitable[R]], split: Callable[[R, Sequence[T], int], R], *, flights: int
    ) -> None:
        """Run at most `flights` flushes at a time."""
        self._flush = flush
        self._split = split
        self._flights = flights
        self._waiting: deque[_Entry[T, R]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, node: int, items: Sequence[T]) -> R:
        """Put `items` into the next flush; the part of its answer that is theirs."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(node, items, answer))
        self._start()
        return await answer

    async def drain(self) -> None:
        """Wait until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self) -> None:
        # One that is done may be there still: whoever it answered last may submit again before its callback is called.
        if sum(not task.done() for task in self._tasks) < self._flights:
            task = asyncio.create_task(self._run(), name="hookline-commit")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        await asyncio.sleep(0)  # whoever is about to submit may come along
        while self._waiting:
            await self._fly(self._next())

    def _next(self) -> list[_Entry[T, R]]:
        first = self._waiting.popleft()
        batch, count = [first], len(first.items)
        while self._waiting and self._waiting[0].node == first.node and count + len(self._waiting[0].items) <= LIMIT:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].items)
        return batch

    async def _fly(self, batch: list[_Entry[T, R]]) -> None:
        items = batch[0].items if len(batch) == 1 else [item for entry in batch for item in entry.items]
        try:
            answer = await self._flush(batch[0].node, items)
        except BaseException as error:  # handed to every caller; cancellation goes on below
            if len(batch) > 1 and isinstance(error, Exception) and not isinstance(error, Unavailable):
                for entry in batch:
                    await self._fly([entry])
                return
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(ConnectionAbortedError() if isinstance(error, asyncio.CancelledError) else error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        start = 0
        for entry in batch:
            if not entry.answer.done():
                entry.answer.set_result(self._split(answer, entry.items, start))
            start += len(entry.items)
