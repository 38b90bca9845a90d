"""Outcomes go to the store in group commits, fenced; what cannot be written yet is kept and tried again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from hookline.engine.lane import Lane
from hookline.engine.strain import Strain
from hookline.errors import Unavailable
from hookline.store.protocol import LaneKey, Result, Settlement, WorkQueue

LOGGER: Final = logging.getLogger(__name__)
SETTLE_LIMIT: Final = 1_000
"""Outcomes in one commit."""
PATIENCE: Final = 0.005
"""Seconds that an outcome waits for others, unless somebody waits for it."""
STRAINED_PATIENCE: Final = 0.02
"""Seconds, the same while the thread is short of time."""
ENOUGH: Final = 100
"""Outcomes that make a good commit."""


class Settler:
    """Writes settlements, and tells the lanes when they are on disk."""

    def __init__(
        self,
        queue: WorkQueue,
        *,
        strain: Strain,
        node: Callable[[], int],
        settled: Callable[[Lane, Settlement], None],
        lost: Callable[[Lane], None],
        flushed: Callable[[], None],
    ) -> None:
        """`settled` and `lost` are told per settlement and lane after the commit, then `flushed` once."""
        self._queue = queue
        self._strain = strain
        self._node = node
        self._settled = settled
        self._lost = lost
        self._flushed = flushed
        self._waiting: list[tuple[Lane, Settlement]] = []
        self._task: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self.load = 0
        """Outcomes that are not on disk."""

    def submit(self, lane: Lane, settlement: Settlement) -> None:
        """Write it with the next commit; at once if the next work of its ordering key waits for that."""
        self._waiting.append((lane, settlement))
        self.load += 1
        if lane.owned.ordered or len(self._waiting) >= ENOUGH:
            self._urgent.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hookline-settle")

    async def drain(self) -> None:
        """Wait until everything submitted is on disk, or its commit was cancelled."""
        while self._task is not None and not self._task.done():
            self._urgent.set()
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Give up what is not on disk: its deliveries are pending still and will be tried again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting:
            if len(self._waiting) < ENOUGH and not self._urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STRAINED_PATIENCE if self._strain.high else PATIENCE):
                        await self._urgent.wait()
            self._urgent.clear()
            batch, self._waiting = self._waiting[:SETTLE_LIMIT], self._waiting[SETTLE_LIMIT:]
            try:
                await self._commit(batch)
            finally:
                self.load -= len(batch)

    async def _commit(self, batch: list[tuple[Lane, Settlement]]) -> None:
        settlements = [settlement for _, settlement in batch]
        lost: frozenset[LaneKey]
        gone: frozenset[int] = frozenset()
        try:
            try:
                lost, gone = await self._queue.settle(self._node(), settlements)
            except Unavailable:  # tenacity from here on only: to set it up costs more than a commit
                retrying = AsyncRetrying(
                    retry=retry_if_exception_type(Unavailable),
                    wait=wait_exponential(multiplier=0.05, max=2.0),
                    before_sleep=_complain,
                    sleep=asyncio.sleep,
                )
                lost, gone = await retrying(self._queue.settle, self._node(), settlements)
        except Exception:
            if len(batch) > 1:  # one that cannot be written is to harm no other
                for one in batch:
                    await self._commit([one])
            else:
                LOGGER.exception("an outcome was refused by the store; what is pending in its lane is read anew")
                batch[0][0].settled(batch[0][1]._replace(result=Result.CANCELLED, due=None))
                self._lost(batch[0][0])
                self._flushed()
            return
        # An outcome of a former epoch says nothing of the lane as it is held now; if that is lost too, its next one will.
        former = {key: min(lane.epoch for lane, _ in batch if lane.key == key) for key in lost}
        for lane, settlement in batch:
            if lane.key in lost and lane.epoch == former[lane.key]:
                lane.settled(settlement._replace(result=Result.CANCELLED, due=None))  # it takes no memory any more
                self._lost(lane)
            elif settlement.work.pos in gone or lane.was_moved(settlement):
                # Cancelled meanwhile, or moved: it waits for nothing, or stands elsewhere.
                self._settled(lane, settlement._replace(result=Result.CANCELLED, due=None))
                lane.look_for_moved()
            else:
                self._settled(lane, settlement)
        self._flushed()


def _complain(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    LOGGER.warning("outcomes cannot be written, trying again: %s", error)
