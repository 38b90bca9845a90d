"""Who is called next: lanes take turns, within the limits of each receiver and of the node.

A worker makes an attempt and then looks for the next work itself, so under load no task is made for
an attempt, and when there is nothing to do there are no workers.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from hookline.clock import Clock, micros, now_micros
from hookline.engine.catalogue import View
from hookline.engine.config import EngineConfig
from hookline.engine.governor import Governor
from hookline.engine.hooks import Hooks
from hookline.engine.lane import Lane, Memory
from hookline.engine.ordered import OrderedLane
from hookline.engine.pace import Event
from hookline.engine.reader import Reader
from hookline.engine.resting import Resting
from hookline.engine.sender import WELL, Judged, LeaseOver, Sender
from hookline.engine.settle import Settler
from hookline.engine.slots import Slots
from hookline.engine.strain import Strain
from hookline.engine.target import Target
from hookline.engine.turns import Turns
from hookline.lanes import limited, subscription_of
from hookline.store.protocol import LaneKey, OwnedLane, Result, Settlement, Work, WorkQueue

UNSETTLED_A_SLOT: Final = 8
"""Outcomes per slot that may wait for the disk before nothing new is started."""
LONG: Final = 1_000_000
"""Microseconds of rest from which on it is kept in the store, so that others can say why nothing moves."""
DOZE: Final = 2_000_000
"""Microseconds of rest from which on a lane gives its memory back: below, reading anew would cost more than it is worth."""
DOUBT: Final = 10.0
"""Seconds from a hint that was lost to a new reading of the orders; at most one reading in so many."""
LEAST_TO_SETTLE: Final = 5.0
"""Seconds that a stop waits at least for outcomes to reach the disk."""


def _time_of(work: Work, not_before: datetime) -> int:
    """Before when a work is not to be tried for its event's sake (microseconds); 0 if it was, or by hand is to be, tried."""
    if work.attempts or work.run > 1:
        return 0
    due = micros(not_before)
    return due if work.due is None or work.due >= due else 0


class Dispatcher:
    """Holds the lanes of this node and runs their attempts."""

    def __init__(
        self, queue: WorkQueue, sender: Sender, config: EngineConfig, clock: Clock, hooks: Hooks, *, strain: Strain
    ) -> None:
        """An idle dispatcher; `add` gives it lanes."""
        self.lanes: dict[LaneKey, Lane] = {}
        self._sender = sender
        self._config = config
        self._clock = clock
        self._hooks = hooks
        self._turns = Turns(config.tenant_weights)
        self._slots = Slots(config.node_concurrency)
        self.governor = Governor()
        self._resting = Resting(clock, self.lanes, rested=self._enter, looked=self._pump_soon)
        self._workers: set[asyncio.Task[None]] = set()
        self._touched: dict[Lane, None] = {}
        """Lanes of which outcomes were written in the commit that is being told."""
        self.memory = Memory(config.memory_budget)
        self._pumping = False
        self._doubt: asyncio.TimerHandle | None = None
        self.reader = Reader(queue, clock, self._loaded)
        self.settler = Settler(queue, strain=strain, node=hooks.node, settled=self._settled, lost=self._lost, flushed=self._flushed)

    def add(self, owned: OwnedLane, target: Target) -> None:
        """Take a lane into hand; one that is held at a lower epoch is dropped first."""
        held = self.lanes.get(owned.key)
        if held is not None:
            if held.epoch == owned.epoch:
                return
            self.remove(held)
        kind = OrderedLane if owned.ordered else Lane
        lane = self.lanes[owned.key] = kind(
            owned,
            target,
            self._turns.tenant(owned.key.tenant),
            now=now_micros(self._clock),
            monotonic=self._clock.monotonic(),
            window=self._config.lane_window,
            memory=self.memory,
        )
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
            target = view.target(key.lane)
            if target is None:
                self.remove(lane)
            elif target is not lane.target:
                lane.target = target
                lane.pace.configure(limited(target.subscription, key.lane), now_micros(self._clock))
                lane.sort()
                lane.resting, lane.crowded = 0.0, False
                if lane.pace.unkept:
                    self._hooks.keep(lane)
                if not target.active:
                    lane.empty()
                self._enter(lane)
                self.reader.want(lane)
        self._pump_soon()

    def offer(self, key: LaneKey, work: Work) -> None:
        """Deliver what was just committed, at the next `pump`; what has no room is read later."""
        lane = self.lanes.get(key)
        if lane is None:
            return
        if lane.offer(work):
            self._enter(lane)
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
        for lane in self.lanes.values():
            lane.doubt_floor()
        self.look(list(self.lanes))
        if self._doubt is None:
            self._doubt = asyncio.get_running_loop().call_later(DOUBT, self._recheck_orders)

    def forget(self, key: LaneKey, delivery_id: str) -> Work | None:
        """Take a work out of memory if it has not started; None if it is not there, or its place in an order is to be kept."""
        lane = self.lanes.get(key)
        return None if lane is None or isinstance(lane, OrderedLane) else lane.forget(delivery_id)

    def ended(self, key: LaneKey, delivery_ids: Iterable[str]) -> None:
        """Works of this lane were cancelled or moved: what has not started goes out of memory."""
        lane, ids = self.lanes.get(key), frozenset(delivery_ids)
        if lane is None:
            return
        if isinstance(lane, OrderedLane):
            self.reread(key)
        else:
            for delivery_id in ids:
                lane.forget(delivery_id)
        lane.note_moved(ids)

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
        self._resting.close()
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
        if not self._hooks.may_start():  # the process may have stood still between its turn and this step
            self._give_back(lane, work)
            return
        found: tuple[Lane, Work] | None = lane, work
        while found is not None:
            await self._attempt(*found)
            found = self._next()

    async def _attempt(self, lane: Lane, work: Work) -> None:
        started = now_micros(self._clock)
        try:
            judged = await self._sender.attempt(lane, work, lambda: self._holds(lane))
        except LeaseOver:
            self._give_back(lane, work)
            return
        except asyncio.CancelledError:
            self._finish(lane, work, Judged(self._sender.interrupted(lane, work, started), False, WELL))
            raise
        self._finish(lane, work, judged)
        attempt = judged.settlement.attempt
        if judged.disable and attempt is not None:
            self._hooks.disable(work.tenant, subscription_of(work.lane), attempt.url, attempt.detail)

    def _holds(self, lane: Lane) -> bool:
        """Whether the lane is ours as it was: the node may have been buried meanwhile, and have joined anew."""
        return self._hooks.may_start() and self.lanes.get(lane.key) is lane

    def _give_back(self, lane: Lane, work: Work) -> None:
        """It had its turn and may not start: nothing is written, for the store has it as it was, and it is read anew."""
        lane.release(work)
        self._slots.busy -= 1
        lane.pace.unsent(work.pos)
        lane.ready.appendleft(work)
        lane.empty()
        lane.resting, lane.crowded = 0.0, False
        self.reader.want(lane)
        for fitting in self._slots.freed(lane.tenant):
            self._enter(fitting)
        if lane.closing and lane.drained:
            self._hooks.drained()

    def _finish(self, lane: Lane, work: Work, judged: Judged) -> None:
        settlement = judged.settlement
        lane.release(work)
        self._slots.busy -= 1
        limit = lane.pace.limit
        event = lane.pace.finished(settlement, judged.outcome, lane.in_flight, self._clock.monotonic())
        lane.sort()
        if event.eased:
            lane.resting = 0.0
        if lane.pace.limit < limit:
            lane.give_back()
        lane.crowded = False
        self._enter(lane)
        for fitting in self._slots.freed(lane.tenant):
            self._enter(fitting)
        self._hooks.attempted(settlement)
        self.settler.submit(lane, settlement)
        if event.keep:
            self._tell(lane, settlement, event)

    def _tell(self, lane: Lane, settlement: Settlement, event: Event) -> None:
        if self.lanes.get(lane.key) is not lane:
            return
        self._hooks.keep(lane)
        if lane.pace.halted:
            self._doze(lane)
        if event.failing:
            self._hooks.failing(lane, settlement)
        if event.give_up:
            self._hooks.give_up(lane, event.give_up)

    def _doze(self, lane: Lane) -> None:
        """The lane's pace has changed, and lets nothing start: if that is for long, others get its memory."""
        now = now_micros(self._clock)
        until = lane.pace.wait(now)
        if until is None or until - now >= DOZE:
            lane.give_back()
            self.reader.want(lane)

    def _next(self) -> tuple[Lane, Work] | None:
        if not self._hooks.may_start() or self.settler.load > UNSETTLED_A_SLOT * self._config.node_concurrency:
            return None
        while (lane := self._turns.next()) is not None:
            lane.in_round = False
            if lane.ready and lane.ready[0].event.not_before_time is not None:
                self._put_off(lane)
            if not lane.runnable or not (lane.pace.free or self._may_go(lane)):
                continue
            if not self._slots.fits(lane):
                self._slots.wait(lane)
                continue
            if self._gives_way(lane):
                continue
            work = lane.take()
            self._turns.took(lane.tenant)
            self._slots.busy += 1
            if not lane.pace.free:
                lane.pace.started(work.pos, now_micros(self._clock))
            self._enter(lane)
            if lane.behind or lane.waits:
                self.reader.want(lane)
            return lane, work
        return None

    def _put_off(self, lane: Lane) -> None:
        """What is next is scheduled: let it wait in the store, before it takes a slot or a part of the lane's rate."""
        now = now_micros(self._clock)
        while lane.ready and (not_before := lane.ready[0].event.not_before_time) is not None:
            due = _time_of(lane.ready[0], not_before)
            if due <= now:
                return
            work = lane.take()
            lane.release(work)
            settlement = Settlement(work, lane.epoch, Result.WAIT, None, "scheduled", now, due, 0, work.aside)
            self._hooks.attempted(settlement)
            self.settler.submit(lane, settlement)

    def _gives_way(self, lane: Lane) -> bool:
        """Whether the lane, being far behind, has to leave the node to those in time for a moment."""
        monotonic = self._clock.monotonic()
        if not lane.is_late(now_micros(self._clock)):
            self.governor.in_time(monotonic)
            lane.gives_way = False
            return False
        wait = self.governor.wait(monotonic, lane.key)
        lane.gives_way = self.governor.holds_back(monotonic)
        if wait:
            self._resting.rest(lane, monotonic + wait)
        return wait > 0

    def _may_go(self, lane: Lane) -> bool:
        """Whether the lane's pace lets an attempt start now; if not, it is looked at again when that may have changed."""
        now = now_micros(self._clock)
        until = lane.pace.wait(now)
        if until:
            # By the monotonic clock: one that is set back for hours must not stop the lane for hours.
            self._resting.rest(lane, self._clock.monotonic() + (until - now) / 1_000_000)
            if until - now >= LONG and lane.pace.unkept:
                self._hooks.keep(lane)
        return until == 0

    def _recheck_orders(self) -> None:
        """The head of a key may have been cancelled unheard of, behind which nothing would go on."""
        self._doubt = None
        for lane in list(self.lanes.values()):
            if isinstance(lane, OrderedLane) and lane.passed_over:
                self.reread(lane.key)

    def _enter(self, lane: Lane) -> None:
        if not lane.in_round and not lane.resting and not lane.crowded and lane.runnable:
            lane.in_round = True
            self._turns.add(lane)

    def _pump_soon(self) -> None:
        if not self._pumping and self._turns:
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
        if lane.closing and lane.drained:
            self._hooks.drained()
        if settlement.result is Result.EXHAUSTED:
            self._hooks.ended(settlement)

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
