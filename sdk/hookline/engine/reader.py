"""Reading ahead: fills the windows of lanes from the store, many lanes a read.

A lane asks to be read when something was appended that did not come straight from the commit, and
when one of its waiting works becomes due; the second by one timer over all lanes.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Final

from hookline.clock import Clock, now_micros
from hookline.engine.lane import Lane
from hookline.engine.ordered import OrderedLane
from hookline.errors import HooklineError
from hookline.store.protocol import ClaimRequest, DueRequest, WorkQueue

LOGGER: Final = logging.getLogger(__name__)
LANES_A_READ: Final = 64
WORKS_A_READ: Final = 500
"""Of one lane, so that a long backlog neither holds up the others nor fills the memory at once."""
WORKS_OF_LATE: Final = 100
"""Of one that is far behind while others are in time: they wait for each read that goes before theirs."""
LEFT_OVER: Final = 64
"""Timers that count no more and may stay, beside one for each that counts."""
BACKOFF: Final = 0.2
"""Seconds until a failed read is repeated."""


class Reader:
    """Keeps the windows filled; runs as one task."""

    def __init__(self, queue: WorkQueue, clock: Clock, loaded: Callable[[Lane], None]) -> None:
        """`loaded` is told of a lane that was read."""
        self._queue = queue
        self._clock = clock
        self._loaded = loaded
        self._wanted: dict[Lane, None] = {}
        self._called = asyncio.Event()
        self._timers: list[tuple[int, int, Lane]] = []
        self._timed: dict[Lane, int] = {}
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: int | None = None

    def want(self, lane: Lane) -> None:
        """Read `lane` soon, if it has room; and note when it will next have something due."""
        due = lane.next_due
        if due is not None and due < self._timed.get(lane, due + 1):
            self._timed[lane] = due
            heapq.heappush(self._timers, (due, next(self._order), lane))
            if len(self._timers) > 2 * len(self._timed) + LEFT_OVER:
                self._sweep()
            self._set_alarm()
        if lane not in self._wanted and (lane.wants_reading or (isinstance(lane, OrderedLane) and lane.wants_probe)):
            self._wanted[lane] = None
            self._called.set()

    def drop(self, lane: Lane) -> None:
        """The lane is gone."""
        self._wanted.pop(lane, None)
        self._timed.pop(lane, None)

    def _sweep(self) -> None:
        """Drop timers that count no more: of lanes that are gone, or that were read again since."""
        self._timers = [(due, next(self._order), lane) for lane, due in self._timed.items()]
        heapq.heapify(self._timers)

    def close(self) -> None:
        """No more alarms."""
        if self._alarm is not None:
            self._alarm.cancel()

    async def run(self) -> None:
        """Read whenever a lane wants it, for ever."""
        while True:
            await self._called.wait()
            lanes = list(itertools.islice(self._wanted, LANES_A_READ))
            for lane in lanes:
                del self._wanted[lane]
            if not self._wanted:
                self._called.clear()
            try:
                await self._read([lane for lane in lanes if lane.wants_reading])
                for lane in lanes:
                    if isinstance(lane, OrderedLane) and not lane.closing:
                        await self._probe(lane)
            except HooklineError as error:
                LOGGER.warning("could not read pending deliveries, trying again: %s", error)
                await asyncio.sleep(BACKOFF)
            finally:
                for lane in lanes:
                    self.want(lane)

    def ring(self) -> None:
        """Look at every timer; also called now and then, in case the wall clock was set."""
        now = now_micros(self._clock)
        self._alarm_at = None
        while self._timers and self._timers[0][0] <= now:
            due, _, lane = heapq.heappop(self._timers)
            if self._timed.get(lane) == due:
                del self._timed[lane]
                lane.waits, lane.next_due = True, None
                self.want(lane)
        self._set_alarm()

    def _set_alarm(self) -> None:
        if not self._timers:
            return
        due = self._timers[0][0]
        if self._alarm_at is not None and self._alarm_at <= due:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        wait = max(0.0, (due - now_micros(self._clock)) / 1_000_000)
        self._alarm = asyncio.get_running_loop().call_later(wait + 0.0005, self.ring)

    async def _read(self, lanes: list[Lane]) -> None:
        if not lanes:
            return
        now = now_micros(self._clock)
        # All that is asked, before anything is waited for: later there may be no room, and a request without room brings
        # an answer that cannot be told from all there is.
        claims: dict[Lane, ClaimRequest] = {}
        dues: dict[Lane, DueRequest] = {}
        for lane in lanes:
            fresh, waiting = lane.begin_read()
            if fresh:
                claims[lane] = ClaimRequest(lane.key, lane.cursor, _piece(lane) + _overlap(lane))
            if waiting:
                dues[lane] = _due_request(lane, now)
        try:
            due = await self._queue.due(list(dues.values())) if dues else ()
            claimed = await self._queue.claim(list(claims.values())) if claims else ()
        except BaseException:
            for lane in lanes:
                lane.abandon_read()
            raise
        by_due = dict(zip(dues, due, strict=True))
        by_claim = dict(zip(claims, claimed, strict=True))
        for lane in lanes:
            lane.absorb(by_claim.get(lane), by_due.get(lane))
            self._loaded(lane)

    async def _probe(self, lane: OrderedLane) -> None:
        while (key := lane.next_probe()) is not None:
            try:
                works = await self._queue.probe(lane.key, key, lane.probe_room)
            except BaseException:
                lane.reprobe(key)
                raise
            lane.probed(key, works)
            self._loaded(lane)


def _piece(lane: Lane) -> int:
    """How many new works to read at once."""
    return min(lane.room, WORKS_OF_LATE if lane.gives_way else WORKS_A_READ)


def _due_request(lane: Lane, now: int) -> DueRequest:
    """What waits beyond what was read, and what of it may be in memory already."""
    return DueRequest(lane.key, now, _piece(lane) + sum(work.due is not None for work in lane.known.values()), lane.floor)


def _overlap(lane: Lane) -> int:
    """How many works that are known a claim may come upon again."""
    return len(lane.known) if lane.cursor is None or lane.overlaps else 0
