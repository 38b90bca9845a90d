"""The node's slots: how many requests run at once, and how they are shared so that nobody is left without.

The threshold moves with what is free (A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds",
1998): a tenant may hold four times as many as are free for each unit of its weight, and a lane as many as
its tenant could still take. However many receivers hang, some slots stay free: for the other tenants a
ninth at least while two tenants of equal weight hang, and for the other lanes of a tenant as many as each
of its hanging lanes holds.

Lanes whose receivers are proven, having answered the last requests at once, need not wait for those that hang: beside
what their tenant may hold in all, as many of their requests may be under way as slots are free. So a receiver that is
well does not wait for the others of its tenant, although these hold more than their tenant may, as other
tenants' took what was free. One that was proven and begins to hang is so until the first of its requests is over.
"""

import heapq
import itertools
from collections.abc import Iterator
from typing import Final

from hookline.engine.lane import Lane
from hookline.engine.turns import Share, Tenant

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
        self._shares: list[tuple[int, int, Share]] = []
        """Shares with lanes that wait, by how many slots must be free; only an entry with the share's own `need` counts."""
        self._order = itertools.count()

    def fits(self, lane: Lane) -> bool:
        """Whether one more request of `lane` may start."""
        return lane.in_flight * LANE_COST < self._headroom(lane.share)

    def wait(self, lane: Lane) -> None:
        """`lane` does not fit: it is answered by `freed` when it does."""
        lane.crowded = True
        share = lane.share
        heapq.heappush(share.crowded, (lane.in_flight, next(self._order), lane))
        self._sweep(share)
        self._note(share)

    def freed(self, tenant: Tenant) -> list[Lane]:
        """A request of `tenant` is over: the lanes that fit now."""
        looked = dict.fromkeys(share for share in (tenant.proven, tenant.unproven) if share.crowded)
        free = self.total - self.busy
        while self._shares and self._shares[0][0] <= free:
            need, _, other = heapq.heappop(self._shares)
            if need == other.need:
                other.need = 0
                looked[other] = None
        found = [lane for one in looked for lane in self._fitting(one)]
        for one in looked:
            self._note(one)
        return found

    @staticmethod
    def _sweep(share: Share) -> None:
        """Drop entries that count no more, when there are as many as there were lanes after the last time."""
        if len(share.crowded) > share.sweep_at:
            share.crowded = [entry for entry in share.crowded if _waits(share, entry)]
            heapq.heapify(share.crowded)
            share.sweep_at = 2 * len(share.crowded) + LEFT_OVER

    def _fitting(self, share: Share) -> Iterator[Lane]:
        """The lanes of `share` that fit together."""
        more = 0
        while share.crowded:
            in_flight, _, lane = share.crowded[0]
            if not _waits(share, share.crowded[0]):
                heapq.heappop(share.crowded)
                continue
            if in_flight * LANE_COST >= self._headroom(share, more):
                break
            heapq.heappop(share.crowded)
            lane.crowded = False
            if lane.runnable:
                more += 1
                yield lane

    def _note(self, share: Share) -> None:
        """Remember how many slots must be free for the first lane of `share` that waits."""
        if not share.crowded:
            share.need = 0
            return
        tenant, first = share.tenant, share.crowded[0][0] * LANE_COST
        need = (first + tenant.in_flight) // (TENANT_SHARE * tenant.weight) + 1
        if share is tenant.proven:
            need = min(need, (first + share.in_flight) // tenant.weight + 1)
        if need == share.need:
            return
        share.need = need
        heapq.heappush(self._shares, (need, next(self._order), share))
        if len(self._shares) > LEFT_OVER and len(self._shares) > 2 * self.total:
            seen = {other: need for need, _, other in self._shares if need == other.need}
            self._shares = [(need, next(self._order), other) for other, need in seen.items()]
            heapq.heapify(self._shares)

    def _headroom(self, share: Share, more: int = 0) -> int:
        """What is left to `share`, if so many more of its requests were under way."""
        tenant, free = share.tenant, self.total - self.busy - more
        left = TENANT_SHARE * tenant.weight * free - tenant.in_flight - more
        return max(left, tenant.weight * free - share.in_flight - more) if share is tenant.proven else left


def _waits(share: Share, entry: tuple[int, int, Lane]) -> bool:
    in_flight, _, lane = entry
    return lane.crowded and lane.share is share and lane.in_flight == in_flight
