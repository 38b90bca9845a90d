"""Who is called next: lanes take turns, within the limits of each receiver and of the node.

A worker makes an attempt and then looks for the next work itself, so under load no task is made for
an attempt, and when there is nothing to do there are no workers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from hookline.clock import Clock, micros, now_micros
from hookline.engine.catalogue import View
from hookline.engine.config import EngineConfig
from hookline.engine.lane import Lane, Memory
from hookline.engine.ordered import OrderedLane
from hookline.engine.reader import Reader
from hookline.engine.sender import Sender
from hookline.engine.settle import Settler
from hookline.engine.target import Target
from hookline.store.protocol import LaneKey, OwnedLane, Result, Settlement, Work, WorkQueue

UNSETTLED_A_SLOT: Final = 8
"""Outcomes per slot that may wait for the disk before nothing new is started."""


DOUBT: Final = 10.0
"""Seconds from a hint that was lost to a new reading of the orders; at most one reading in so many."""
LEAST_TO_SETTLE: Final = 5.0
"""Seconds that a stop waits at least for outcomes to reach the disk."""


class Hooks(NamedTuple):
    """What the dispatcher asks of, and tells to, the rest of the engine."""

    node: Callable[[], int]
    may_start: Callable[[], bool]
    """The lease is valid, and the engine is not stopping."""
    disable: Callable[[str, str, str], None]
    """The receiver wants no more: tenant, subscription, reason."""
    attempted: Callable[[Settlement], None]
    flushed: Callable[[], None]
    """Outcomes are on disk."""


def _time_of(work: Work, not_before: datetime) -> int:
    """Before when a work is not to be tried for its event's sake (microseconds); 0 if it was, or by hand is to be, tried."""
    if work.attempts or work.run > 1:
        return 0
    due = micros(not_before)
    return due if work.due is None or work.due >= due else 0


class Dispatcher:
    """Holds the lanes of this node and runs their attempts."""

    def __init__(self, queue: WorkQueue, sender: Sender, config: EngineConfig, clock: Clock, hooks: Hooks) -> None:
        """An idle dispatcher; `add` gives it lanes."""
        self.lanes: dict[LaneKey, Lane] = {}
        self._sender = sender
        self._config = config
        self._clock = clock
        self._hooks = hooks
        self._round: deque[Lane] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._touched: dict[Lane, None] = {}
        """Lanes of which outcomes were written in the commit that is being told."""
        self._memory = Memory(config.memory_budget)
        self._pumping = False
        self._doubt: asyncio.TimerHandle | None = None
        self.reader = Reader(queue, clock, self._loaded)
        self.settler = Settler(queue, node=hooks.node, settled=self._settled, lost=self._lost, flushed=self._flushed)

    def add(self, owned: OwnedLane, target: Target) -> None:
        """Take a lane into hand; one that is held at a lower epoch is dropped first."""
        held = self.lanes.get(owned.key)
        if held is not None:
            if held.epoch == owned.epoch:
                return
            self.remove(held)
        kind = OrderedLane if owned.ordered else Lane
        lane = self.lanes[owned.key] = kind(owned, target, window=self._config.lane_window, memory=self._memory)
        self.reader.want(lane)

    def remove(self, lane: Lane) -> None:
        """Let a lane go; what it has on the wire is settled and fenced as it may."""
        if self.lanes.get(lane.key) is lane:
            del self.lanes[lane.key]
        lane.closing = True
        lane.empty()
        self.reader.drop(lane)

    def shed(self, lane: Lane) -> None:
        """Start nothing more of a lane: it is to be handed over when it is drained."""
        lane.closing = True
        lane.empty()

    def retarget(self, tenant: str, view: View) -> None:
        """The catalogue has changed: the next attempts take the new values."""
        for key, lane in list(self.lanes.items()):
            if key.tenant != tenant:
                continue
            target = view.targets.get(key.lane)
            if target is None:
                self.remove(lane)
            elif target is not lane.target:
                lane.target = target
                if not target.active:
                    lane.empty()
                self._enter(lane)
                self.reader.want(lane)
        self._pump_soon()

    def offer(self, key: LaneKey, work: Work) -> None:
        """Deliver what was just committed; what has no room is read later."""
        lane = self.lanes.get(key)
        if lane is None:
            return
        if lane.offer(work):
            self._enter(lane)
            self._pump_soon()
        else:
            self.reader.want(lane)

    def look(self, keys: Iterable[LaneKey]) -> None:
        """Something was appended to these lanes, or became due."""
        for key in keys:
            lane = self.lanes.get(key)
            if lane is not None:
                lane.behind = lane.waits = True
                self.reader.want(lane)

    def look_at_all(self) -> None:
        """Hints were lost: look at every lane; before long, also at what an order was holding back."""
        self.look(list(self.lanes))
        if self._doubt is None:
            self._doubt = asyncio.get_running_loop().call_later(DOUBT, self._recheck_orders)

    def forget(self, key: LaneKey, delivery_id: str) -> Work | None:
        """Take a work out of memory if it has not started; None if it is not there, or its place in an order is to be kept."""
        lane = self.lanes.get(key)
        return None if lane is None or isinstance(lane, OrderedLane) else lane.forget(delivery_id)

    def ended(self, key: LaneKey, delivery_ids: Iterable[str]) -> None:
        """Works of this lane were cancelled or moved: what has not started goes out of memory."""
        if isinstance(self.lanes.get(key), OrderedLane):
            self.reread(key)
        else:
            for delivery_id in delivery_ids:
                self.forget(key, delivery_id)

    def restore(self, work: Work) -> None:
        """Undo a `forget`. The work is read anew: it may have been read, and even be over, since it was forgotten."""
        lane = self.lanes.get(LaneKey(work.tenant, work.lane))
        if lane is not None:
            lane.look_again()
            self.reader.want(lane)

    def reread(self, key: LaneKey) -> None:
        """Works of this lane were moved or ended elsewhere: drop what has not started, and read anew."""
        lane = self.lanes.get(key)
        if lane is not None:
            lane.empty()
            self.reader.want(lane)

    def pump(self) -> None:
        """Start workers while there are slots and something to do."""
        self._pumping = False
        while len(self._workers) < self._config.node_concurrency and (found := self._next()) is not None:
            worker = asyncio.create_task(self._work(*found), name="hookline-worker")
            self._workers.add(worker)
            worker.add_done_callback(self._rested)

    async def drain(self, grace: float) -> None:
        """Wait for what is on the wire, at most `grace` seconds; then cut it off. Nothing new may start meanwhile."""
        if self._doubt is not None:
            self._doubt.cancel()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace)
            for worker in late:
                worker.cancel()
            if late:
                await asyncio.wait(late)
        try:
            async with asyncio.timeout(max(grace, LEAST_TO_SETTLE)):
                await self.settler.drain()
        except TimeoutError:  # the store is away: what was delivered will be delivered again, with the same ids
            await self.settler.close()

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._workers)

    async def _work(self, lane: Lane, work: Work) -> None:
        found: tuple[Lane, Work] | None = lane, work
        while found is not None:
            await self._attempt(*found)
            found = self._next()

    async def _attempt(self, lane: Lane, work: Work) -> None:
        started = now_micros(self._clock)
        not_before = work.event.not_before_time
        if not_before is not None and (due := _time_of(work, not_before)) > started:
            settlement = Settlement(work, lane.epoch, Result.WAIT, None, "scheduled", started, due, 0)
            gone = False
        else:
            try:
                settlement, gone = await self._sender.attempt(lane, work)
            except asyncio.CancelledError:
                self._finish(lane, work, self._sender.interrupted(lane, work, started))
                raise
        self._finish(lane, work, settlement)
        if gone:
            self._hooks.disable(work.tenant, work.lane, settlement.reason)

    def _finish(self, lane: Lane, work: Work, settlement: Settlement) -> None:
        lane.release(work)
        self._enter(lane)
        self._hooks.attempted(settlement)
        self.settler.submit(lane, settlement)

    def _next(self) -> tuple[Lane, Work] | None:
        if not self._hooks.may_start() or self.settler.load > UNSETTLED_A_SLOT * self._config.node_concurrency:
            return None
        while self._round:
            lane = self._round.popleft()
            lane.in_round = False
            if lane.runnable:
                work = lane.take()
                self._enter(lane)
                if lane.behind or lane.waits:
                    self.reader.want(lane)
                return lane, work
        return None

    def _recheck_orders(self) -> None:
        """The head of a key may have been cancelled unheard of, behind which nothing would go on."""
        self._doubt = None
        for lane in list(self.lanes.values()):
            if isinstance(lane, OrderedLane) and lane.passed_over:
                self.reread(lane.key)

    def _enter(self, lane: Lane) -> None:
        if not lane.in_round and lane.runnable:
            lane.in_round = True
            self._round.append(lane)

    def _pump_soon(self) -> None:
        if not self._pumping and self._round:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self.pump)

    def _rested(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._pump_soon()

    def _loaded(self, lane: Lane) -> None:
        self._enter(lane)
        self._pump_soon()

    def _settled(self, lane: Lane, settlement: Settlement) -> None:
        lane.settled(settlement)
        self._touched[lane] = None

    def _lost(self, lane: Lane) -> None:
        if self.lanes.get(lane.key) is lane:
            self.remove(lane)

    def _flushed(self) -> None:
        touched, self._touched = self._touched, {}
        for lane in touched:
            self._enter(lane)
            self.reader.want(lane)
        self._pump_soon()
        self._hooks.flushed()
