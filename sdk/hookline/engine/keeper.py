"""Keeps the state of lanes in the store when it changes, many lanes a commit."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from hookline.engine.bell import Bell
from hookline.engine.lane import Lane
from hookline.errors import HooklineError
from hookline.store.protocol import WorkQueue

LOGGER: Final = logging.getLogger(__name__)
RETRY: Final = 1.0
"""Seconds until what could not be kept is tried again."""
IDLE: Final = 3_600.0
MOST: Final = 500
"""Lanes in one commit."""


class Keeper:
    """Runs as one task; losing what it has not written yet costs a breaker's memory, and nothing else."""

    def __init__(self, queue: WorkQueue, node: Callable[[], int]) -> None:
        """Nothing is to be kept."""
        self._queue = queue
        self._node = node
        self._wanted: dict[Lane, None] = {}
        self._bell = Bell()

    def want(self, lane: Lane) -> None:
        """Keep the state of `lane` soon."""
        self._wanted[lane] = None
        self._bell.ring()

    async def run(self) -> None:
        """Keep what is wanted, for ever."""
        while True:
            if not self._wanted:
                await self._bell.wait(IDLE)
                continue
            try:
                await self.keep(list(self._wanted)[:MOST])
            except HooklineError as error:
                LOGGER.warning("the state of lanes could not be kept, trying again: %s", error)
                await self._bell.wait(RETRY)

    async def keep(self, lanes: Sequence[Lane]) -> None:
        """Keep the state of `lanes` now, as far as the store has another. Raises Unavailable."""
        states = [(lane, lane.pace.text()) for lane in lanes if lane.pace.unkept]
        for lane in lanes:
            self._wanted.pop(lane, None)  # what changes from here on is wanted anew
        if not states:
            return
        try:
            await self._queue.keep(self._node(), [(lane.owned, text) for lane, text in states])
        except BaseException:
            self._wanted.update(dict.fromkeys(lane for lane, _ in states))
            raise
        for lane, text in states:
            lane.pace.kept(text)
