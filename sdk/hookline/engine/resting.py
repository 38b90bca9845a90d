"""Lanes that wait for a time, be it their rate's, their breaker's or their turn's, behind one timer."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sized
from typing import Final

from hookline.clock import Clock
from hookline.engine.lane import Lane

LEFT_OVER: Final = 64
"""Lanes in the heap that rest no more and may stay, beside two for each that is held."""
SHORTEST_LOOK: Final = 0.05
"""Seconds to the next look, when a look has found that no time has passed."""


class Resting:
    """Who rests until when; only an entry with the lane's own time (`Lane.resting`) counts."""

    def __init__(self, clock: Clock, held: Sized, rested: Callable[[Lane], None], looked: Callable[[], None]) -> None:
        """`held` are the lanes that are held; `rested` is told of each whose time has come, `looked` after all of a moment."""
        self._clock = clock
        self._held = held
        self._rested = rested
        self._looked = looked
        self._heap: list[tuple[float, int, Lane]] = []
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    def rest(self, lane: Lane, until: float) -> None:
        """Look at the lane again then (seconds by the monotonic clock)."""
        lane.resting = until
        heapq.heappush(self._heap, (until, next(self._order), lane))
        if len(self._heap) > 2 * len(self._held) + LEFT_OVER:
            self._heap = [entry for entry in self._heap if entry[2].resting == entry[0]]
            heapq.heapify(self._heap)
        if self._heap[0][2] is lane:
            self._set_alarm(0.0)

    def close(self) -> None:
        """No more alarms."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _look(self) -> None:
        now = self._clock.monotonic()
        self._alarm = None
        woken = False
        while self._heap and self._heap[0][0] <= now:
            until, _, lane = heapq.heappop(self._heap)
            woken = True
            if lane.resting == until:
                lane.resting = 0.0
                self._rested(lane)
        self._set_alarm(0.0 if woken else SHORTEST_LOOK)
        self._looked()

    def _set_alarm(self, least: float) -> None:
        """One timer for the first of those that rest, in `least` seconds at the earliest: a process may have been stopped."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap:
            wait = max(least, self._heap[0][0] - self._clock.monotonic() + 0.0005)
            self._alarm = asyncio.get_running_loop().call_later(wait, self._look)
