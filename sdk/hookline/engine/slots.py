"""The node's slots: how many requests run at once, and how they are shared so that nobody is left without.

The threshold moves with what is free (A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds",
1998): a tenant may hold four times as many as are free for each unit of its weight, and a lane as many as
its tenant could still take. However many receivers hang, some slots stay free: for the other tenants a
ninth at least while two tenants of equal weight hang, and for the other lanes of a tenant as many as each
of its hanging lanes holds.
"""

import heapq
import itertools
from collections.abc import Iterator
from typing import Final

from hookline.engine.lane import Lane
from hookline.engine.turns import Tenant

TENANT_SHARE: Final = 4
"""So many times the free slots a tenant may hold, for each unit of its weight."""
LANE_COST: Final = TENANT_SHARE + 1
"""What one more request takes of the headroom of a tenant of weight 1."""
LEFT_OVER: Final = 64
"""Entries that count no more and may stay, beside two for each that counts."""


class Slots:
    """Counts them, and keeps those lanes that wait for some."""

    def __init__(self, total: int) -> None:
        """All are free."""
        self.total = total
        self.busy = 0
        self._tenants: list[tuple[int, int, Tenant]] = []
        """Tenants with lanes that wait, by how many slots must be free; only an entry with the tenant's own `need` counts."""
        self._order = itertools.count()

    def fits(self, lane: Lane) -> bool:
        """Whether one more request of `lane` may start."""
        return lane.in_flight * LANE_COST < self._headroom(lane.tenant)

    def wait(self, lane: Lane) -> None:
        """`lane` does not fit: it is answered by `freed` when it does."""
        lane.crowded = True
        heapq.heappush(lane.tenant.crowded, (lane.in_flight, next(self._order), lane))
        self._sweep(lane.tenant)
        self._note(lane.tenant)

    def freed(self, tenant: Tenant) -> list[Lane]:
        """A request of `tenant` is over: the lanes that fit now."""
        looked = {tenant} if tenant.crowded else set()
        free = self.total - self.busy
        while self._tenants and self._tenants[0][0] <= free:
            need, _, other = heapq.heappop(self._tenants)
            if need == other.need:
                other.need = 0
                looked.add(other)
        found = [lane for one in looked for lane in self._fitting(one)]
        for one in looked:
            self._note(one)
        return found

    @staticmethod
    def _sweep(tenant: Tenant) -> None:
        """Drop entries that count no more, when there are as many as there were lanes after the last time."""
        if len(tenant.crowded) > tenant.sweep_at:
            tenant.crowded = list(filter(_waits, tenant.crowded))
            heapq.heapify(tenant.crowded)
            tenant.sweep_at = 2 * len(tenant.crowded) + LEFT_OVER

    def _fitting(self, tenant: Tenant) -> Iterator[Lane]:
        """The lanes of `tenant` that fit together."""
        room, cost = self._headroom(tenant), _share(tenant) + 1
        while tenant.crowded:
            in_flight, _, lane = tenant.crowded[0]
            if not _waits(tenant.crowded[0]):
                heapq.heappop(tenant.crowded)
                continue
            if in_flight * LANE_COST >= room:
                break
            heapq.heappop(tenant.crowded)
            lane.crowded = False
            if lane.runnable:
                room -= cost
                yield lane

    def _note(self, tenant: Tenant) -> None:
        """Remember how many slots must be free for the first lane of `tenant` that waits."""
        if not tenant.crowded:
            tenant.need = 0
            return
        share = _share(tenant)
        need = (tenant.crowded[0][0] * LANE_COST + tenant.in_flight) // share + 1
        if need == tenant.need:
            return
        tenant.need = need
        heapq.heappush(self._tenants, (need, next(self._order), tenant))
        if len(self._tenants) > LEFT_OVER and len(self._tenants) > 2 * self.total:
            seen = {other: need for need, _, other in self._tenants if need == other.need}
            self._tenants = [(need, next(self._order), other) for other, need in seen.items()]
            heapq.heapify(self._tenants)

    def _headroom(self, tenant: Tenant) -> int:
        """What is left to `tenant`: each request that it starts takes one more than its share of it."""
        return _share(tenant) * (self.total - self.busy) - tenant.in_flight


def _share(tenant: Tenant) -> int:
    return TENANT_SHARE * tenant.weight


def _waits(entry: tuple[int, int, Lane]) -> bool:
    return entry[2].crowded and entry[2].in_flight == entry[0]
