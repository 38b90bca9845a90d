"""The laws by which slots are shared."""

from collections import deque
from types import SimpleNamespace
from typing import Any

from engine.virtual import standing
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.lane import Lane, Memory
from hookline.engine.pace import Outcome
from hookline.engine.slots import Slots
from hookline.engine.turns import Tenant
from hookline.store.protocol import LaneKey, OwnedLane

ANYTHING: Any = None
"""A work of which all that is asked is whether there is one."""


class Crowd:
    """Lanes that always have something to do, and what is under way of each."""

    def __init__(self, total: int, lanes: list[int], weights: dict[int, int]) -> None:
        self.slots = Slots(total)
        tenants = {name: Tenant(f"t{name}", weights.get(name, 1)) for name in lanes}
        target: Any = SimpleNamespace(active=True, subscription=standing(max_in_flight=1_000))
        self.lanes = [
            Lane(
                OwnedLane(LaneKey(f"t{name}", f"l{number}"), 1, ordered=False),
                target,
                tenants[name],
                now=0,
                monotonic=0.0,
                window=9,
                memory=Memory(9),
            )
            for number, name in enumerate(lanes)
        ]
        for lane in self.lanes:
            lane.ready.append(ANYTHING)

    def start(self, lane: Lane) -> bool:
        """Start a request of `lane` if it fits; else it waits."""
        if lane.crowded or self.slots.busy == self.slots.total:
            return False
        if not self.slots.fits(lane):
            self.slots.wait(lane)
            return False
        lane.take()
        lane.ready.append(ANYTHING)
        self.slots.busy += 1
        return True

    def fill(self, lanes: list[Lane]) -> list[Lane]:
        """Start what fits, in turns; each lane as often as it started."""
        found: list[Lane] = []
        while started := [lane for lane in lanes if self.start(lane)]:
            found += started
        return found

    def end(self, lane: Lane, seconds: float = 15.0) -> list[Lane]:
        """A request of `lane` is over, which took so long; who may go on."""
        lane.release(ANYTHING)
        self.slots.busy -= 1
        attempt: Any = SimpleNamespace(error=None, duration=seconds, url=lane.target.subscription.url)
        settlement: Any = SimpleNamespace(attempt=attempt, work=SimpleNamespace(pos=1), at=0)
        lane.pace.finished(settlement, Outcome(), lane.in_flight, 0.0)
        lane.sort()
        lane.crowded = False
        return self.slots.freed(lane.tenant)


@given(
    st.integers(1, 600),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.dictionaries(st.integers(0, 5), st.integers(1, 9)),
    st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.sampled_from([0.1, 0.1, 0.1, 9.0])), max_size=400),
)
def test_no_lane_waits_that_would_fit_and_no_slot_is_taken_twice(
    total: int, lanes: list[int], weights: dict[int, int], steps: list[tuple[bool, int, float]]
) -> None:
    crowd = Crowd(total, lanes, weights)
    for begins, number, seconds in steps:
        lane = crowd.lanes[number % len(crowd.lanes)]
        if begins:
            crowd.start(lane)
        elif lane.in_flight:
            going = [lane, *crowd.end(lane, seconds)]
            while going:  # as the dispatcher does: whoever may go on is asked until nobody fits
                going = [one for one in going if crowd.start(one)]
            assert not [one for one in crowd.lanes if one.crowded and crowd.slots.fits(one)]
        assert 0 <= crowd.slots.busy == sum(one.in_flight for one in crowd.lanes) <= total
        for tenant in {one.tenant for one in crowd.lanes}:
            for share in (tenant.proven, tenant.unproven):
                assert share.in_flight == sum(one.in_flight for one in crowd.lanes if one.share is share)


@given(st.integers(1, 2_000), st.integers(1, 50), st.integers(1, 9))
def test_a_tenant_whose_receivers_all_hang_leaves_slots_for_another(total: int, lanes: int, weight: int) -> None:
    crowd = Crowd(total, [0] * lanes + [1], {0: weight})
    crowd.fill(crowd.lanes[:-1])
    held = crowd.slots.busy
    assert held <= 4 * weight * (total - held) + 4 * weight + 1
    assert crowd.start(crowd.lanes[-1]) or total <= 4 * weight


@given(st.integers(64, 2_000), st.integers(1, 20))
def test_hanging_lanes_leave_the_other_lanes_of_their_tenant_as_many_slots_as_each_of_them_holds(total: int, hanging: int) -> None:
    crowd = Crowd(total, [0] * (hanging + 100), {})
    crowd.fill(crowd.lanes[:hanging])
    most = max(lane.in_flight for lane in crowd.lanes[:hanging])
    others = sum(crowd.start(lane) for lane in crowd.lanes[hanging:])
    assert others >= min(100, most - 2)


def proven(crowd: Crowd, lane: Lane) -> None:
    """Its receiver has answered three requests at once."""
    for _ in range(3):
        assert crowd.start(lane)
        crowd.end(lane, 0.01)


@given(st.integers(64, 2_000), st.integers(1, 50), st.integers(1, 50))
def test_a_receiver_that_is_proven_has_slots_beside_the_hanging_ones_of_its_tenant_and_of_another(
    total: int, own: int, others: int
) -> None:
    crowd = Crowd(total, [0] * (own + 1) + [1] * others, {})
    well, hanging, foreign = crowd.lanes[0], crowd.lanes[1 : own + 1], crowd.lanes[own + 1 :]
    proven(crowd, well)
    crowd.fill(hanging)
    crowd.fill(foreign)
    assert crowd.start(well)


@given(st.integers(64, 2_000), st.integers(1, 50), st.integers(1, 50))
def test_receivers_that_were_proven_and_hang_leave_slots_for_those_that_are_well(total: int, hang: int, well: int) -> None:
    crowd = Crowd(total, [0] * (hang + well) + [1], {})
    hanging, others = crowd.lanes[:hang], crowd.lanes[hang:]
    for lane in (*hanging, *others):
        proven(crowd, lane)
    under_way = crowd.fill(hanging)
    assert crowd.start(others[-1])
    crowd.end(others[-1], 0.01)
    for lane in under_way[: len(under_way) // 2]:
        crowd.end(lane)
    crowd.fill(hanging)
    assert crowd.start(others[0])
    assert crowd.start(others[-1])


def test_two_tenants_that_take_all_they_get_hold_slots_by_their_weights() -> None:
    crowd = Crowd(512, [0] * 50 + [1] * 50, {0: 3})
    under_way = deque(crowd.fill(crowd.lanes))
    for _ in range(5_000):  # the oldest request ends, and whoever may go on does so
        lane = under_way.popleft()
        going = [lane, *crowd.end(lane)]
        while going:
            going = [one for one in going if crowd.start(one)]
            under_way += going
    heavy, light = crowd.lanes[0].tenant.in_flight, crowd.lanes[-1].tenant.in_flight
    assert 2.5 <= heavy / light <= 3.5
