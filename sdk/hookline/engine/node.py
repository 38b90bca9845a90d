"""Membership: this process's heartbeat, the lanes it holds by it, and those of nodes that died.

All of it runs in one task, so that an answer counts only for the incarnation that asked. No wall
clock decides a lease: a node's own ends 0.95 TTL after it *sent* its last successful beat, by its own
monotonic clock, and another is dead when its (id, beat) has stood still for the TTL on ours.
"""

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from hookline.clock import Clock
from hookline.engine.balance import CALM, Load, Meter, choose
from hookline.engine.bell import Bell
from hookline.engine.catalogue import CatalogueCache
from hookline.engine.config import EngineConfig
from hookline.engine.dispatch import Dispatcher
from hookline.engine.keeper import Keeper
from hookline.engine.lane import Lane
from hookline.errors import HooklineError
from hookline.store.protocol import NOBODY, LaneKey, NodeRow, OwnedLane, Store, Wake

LOGGER: Final = logging.getLogger(__name__)
OWN_SHARE: Final = 0.95
"""Of the TTL, for which a beat holds; the rest is for clocks that run apart."""
BEATS_A_TTL: Final = 4
SWEEP_LIMIT: Final = 500
HAND_LIMIT: Final = 32
"""Lanes that are on their way to another node at a time."""


class Node:
    """One incarnation after the other of this process."""

    def __init__(
        self,
        store: Store,
        catalogue: CatalogueCache,
        dispatcher: Dispatcher,
        keeper: Keeper,
        *,
        config: EngineConfig,
        clock: Clock,
        heard: Callable[[Wake], None],
    ) -> None:
        """Not a member yet; `join` makes it one. `heard` is told of every wake."""
        self.id = NOBODY
        self._store = store
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._keeper = keeper
        self._config = config
        self._clock = clock
        self._heard = heard
        self._lease_end = -math.inf
        self._seen: dict[int, tuple[int, float]] = {}
        self._leaving: dict[Lane, int] = {}
        self._meter = Meter()
        self._calm_from = 0.0
        """When what was handed over shows in what others say they have to do."""
        self._doubtful: dict[LaneKey, OwnedLane] = {}
        """Lanes whose handover was refused or not answered: it may be under way, so reading that they are ours says nothing."""
        self.handovers = 0
        """How often a lane was handed over, or that was tried."""
        self._bell = Bell()
        self._look = False
        self._next_beat = 0.0

    @property
    def holds_lease(self) -> bool:
        """Attempts may start."""
        return self._clock.monotonic() < self._lease_end

    def nudge(self) -> None:
        """A node came or went, or a lane changed hands: look now."""
        self._look = True
        self._bell.ring()

    def go_on(self) -> None:
        """A lane that is to be handed over may have nothing under way any more."""
        if self._leaving:
            self._bell.ring()

    async def join(self) -> None:
        """Become a member under a new id, and take what nobody holds. Raises Unavailable."""
        sent = self._clock.monotonic()
        self.id = await self._store.join()
        self._store.listen(self.id, self._heard)
        self._lease_end = sent + OWN_SHARE * self._config.lease_ttl
        self._next_beat = sent + self._config.lease_ttl / BEATS_A_TTL
        self._seen.clear()
        await self._look_around()

    async def leave(self) -> None:
        """Give the lanes back; the others are told."""
        gone, self.id = self.id, NOBODY
        self._lease_end = -math.inf
        if gone != NOBODY:
            await self._store.leave(gone)

    async def run(self) -> None:
        """Beat and look, for ever."""
        rung = self._bell.rung
        while True:
            if not self._look:
                wait = min(self._config.floor_poll, self._config.lease_ttl / BEATS_A_TTL)
                await self._bell.wait(wait, since=rung)
            rung = self._bell.rung
            try:
                await self._tick()
            except HooklineError as error:
                LOGGER.warning("the store does not answer; trying again: %s", error)
                await self._bell.wait(self._config.floor_poll)
            self._dispatcher.reader.ring()
            self._dispatcher.pump()

    async def _tick(self) -> None:
        if self.id == NOBODY:
            await self.join()
        if self._clock.monotonic() >= self._next_beat:
            await self._beat()
        await self._catalogue.refresh()  # a wake may have been lost
        looked, self._look = self._look, False
        try:
            for row in await self._store.dead():
                if row.id != self.id and await self._store.bury(row.id, row.beat):
                    LOGGER.warning("node %d is dead; its lanes are taken over", row.id)
                    looked = True
            if looked:
                await self._look_around()
        except HooklineError:
            self._look = self._look or looked
            raise
        await self._hand_over()

    async def _beat(self) -> None:
        sent = self._clock.monotonic()
        rates = self._meter.measure(self._dispatcher.lanes.values(), sent)
        rows = await self._store.beat(self.id, Load(round(sum(rates.values())), len(rates)).number)
        if all(row.id != self.id for row in rows):
            LOGGER.warning("node %d was buried by another; it joins anew", self.id)
            # Nobody until it has joined: a subscription that is being made under the former id is not to bring its lane here.
            self.id, self._lease_end = NOBODY, -math.inf
            for lane in list(self._dispatcher.lanes.values()):
                self._dispatcher.remove(lane)
            self._leaving.clear()
            self._doubtful.clear()  # what was sent under the former id does nothing to a lane that another node has
            await self.join()
            return
        self._lease_end = sent + OWN_SHARE * self._config.lease_ttl
        self._next_beat = sent + self._config.lease_ttl / BEATS_A_TTL
        seen_at = self._clock.monotonic()
        former, self._seen = self._seen, {}
        for row in rows:
            beat, since = former.get(row.id, (row.beat, seen_at))
            if beat != row.beat:
                beat, since = row.beat, seen_at
            self._seen[row.id] = beat, since
            if row.id != self.id and seen_at - since >= self._config.lease_ttl and await self._store.bury(row.id, beat):
                LOGGER.warning("node %d has not beaten for %g s; its lanes are taken over", row.id, self._config.lease_ttl)
        self._choose_surplus(rows, rates)
        self._look = True

    async def _look_around(self) -> None:
        """Sweep what nobody holds, and agree with the store on what is ours."""
        while len(await self._store.sweep(self.id, SWEEP_LIMIT)) == SWEEP_LIMIT:
            pass
        await self._resolve_doubts()
        held = list(self._dispatcher.lanes.values())  # before asking: a lane that is born meanwhile is not in the answer
        mine = await self._store.mine(self.id)
        keys = {owned.key for owned in mine}
        for lane in held:
            if lane.key not in keys:
                self._dispatcher.remove(lane)
        await self._adopt(mine)

    async def _adopt(self, lanes: Sequence[OwnedLane]) -> None:
        held = self._dispatcher.lanes
        new = [owned for owned in lanes if (lane := held.get(owned.key)) is None or lane.epoch != owned.epoch]
        tenants = {owned.key.tenant for owned in new}
        await self._catalogue.refresh(tenants)
        for owned in new:
            target = (await self._catalogue.get(owned.key.tenant)).target(owned.key.lane)
            if target is not None:
                self._dispatcher.add(owned, target)

    def _choose_surplus(self, rows: Sequence[NodeRow], rates: Mapping[Lane, float]) -> None:
        """Choose lanes for a node that has less to do, or fewer."""
        now = self._clock.monotonic()
        held = {lane: rate for lane, rate in rates.items() if self._dispatcher.lanes.get(lane.key) is lane and not lane.closing}
        gift = choose(
            self.id,
            held,
            rows,
            order=_reluctance(held, len(rows)),
            limit=HAND_LIMIT - len(self._leaving),
            calm=now >= self._calm_from,
        )
        if gift is None:
            return
        if gift.busy:
            self._calm_from = now + CALM * self._config.lease_ttl / BEATS_A_TTL
        for lane in gift.lanes:
            self._dispatcher.shed(lane)
            self._leaving[lane] = gift.to

    async def _hand_over(self) -> None:
        """Hand over the chosen lanes that have nothing under way any more, until the next beat is due."""
        for lane, to in list(self._leaving.items()):
            if self._clock.monotonic() >= self._next_beat:
                break
            if self._dispatcher.lanes.get(lane.key) is not lane:
                del self._leaving[lane]
            elif lane.drained:
                del self._leaving[lane]
                with contextlib.suppress(HooklineError):  # the next owner begins with what was kept before
                    await self._keeper.keep([lane])
                self._doubtful[lane.key] = lane.owned
                self._dispatcher.remove(lane)
                self.handovers += 1
                if await self._store.hand(self.id, lane.owned, to):
                    del self._doubtful[lane.key]
        await self._resolve_doubts()

    async def _resolve_doubts(self) -> None:
        """Raise the epoch of lanes that may be ours: a handover that is under way still does nothing after that.

        A lane that is ours at a higher epoch than we know (the answer to a raising was lost) is adopted by what the store says:
        everything that may still be under way names a lower one.
        """
        for owned in list(self._doubtful.values()):
            taken = await self._store.retake(self.id, owned)
            del self._doubtful[owned.key]
            if taken is None:
                self._look = True
            else:
                await self._adopt([taken])


def _reluctance(held: Iterable[Lane], nodes: int) -> Callable[[Lane], int]:
    """Which lanes to hand over first: those of a subscription of whose lanes more are here than on the average node.

    Then those of subscriptions that have one; last the others, which are spread as they should be.
    """
    ranks: dict[Lane, int] = {}
    here: Counter[LaneKey] = Counter()
    for lane in held:
        subscription = lane.target.subscription
        if subscription.lanes > 1:
            key = LaneKey(lane.key.tenant, subscription.id)
            here[key] += 1
            ranks[lane] = 0 if here[key] > math.ceil(subscription.lanes / nodes) else 2
    return lambda lane: ranks.get(lane, 1)
