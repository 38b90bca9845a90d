"""The memory for what is read ahead: shared so that nobody is left without, and given back by those that cannot use it."""

import math
from collections import Counter
from dataclasses import replace

from engine.virtual import CONFIG, Reply, World, now, virtual, world
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.lane import LANE_SHARE, LEAST, Memory
from hookline.engine.turns import Tenant
from hookline.model import CircuitBreaker, RetryPolicy, Steps

BUDGET = 2 << 20
SMALL = replace(CONFIG, memory_budget=BUDGET)
HOURLY = RetryPolicy(schedule=Steps(delays=(3_600.0,)), max_attempts=9, jitter=0.0)


async def latencies(w: World, count: int) -> list[float]:
    """How late events come to the receiver that is well, emitted 100 a second; sorted."""
    sent: dict[str, float] = {}
    for _ in range(count):
        (event_id,) = await w.emit(1, type="well.one")
        sent[event_id] = now()
        await w.live(0.01)
    await w.live(2.0)
    return sorted(seen.at - sent[seen.webhook_id] for seen in w.receiver.at("/well"))


async def many_far_behind(w: World, count: int, **fields: object) -> None:
    """So many subscriptions with a backlog that is longer than a window."""
    for number in range(count):
        await w.subscribe(f"/behind{number}", event_types=(f"behind.n{number}",), retry=HOURLY, **fields)
    await w.subscribe("/well", event_types=("well.*",))
    for number in range(count):
        await w.emit(600, type=f"behind.n{number}")
    await w.live(5.0)


@virtual
async def test_receivers_that_are_dead_give_their_memory_back() -> None:
    async with world(lambda seen: Reply(after=0.2) if seen.path == "/well" else Reply(status=500), config=SMALL) as w:
        await many_far_behind(w, 12, breaker=CircuitBreaker())
        lanes = (await w.client.engine()).dispatcher.lanes.values()
        assert all(len(lane.known) <= LEAST for lane in lanes if lane.pace.halted)
        assert sum(lane.pace.halted for lane in lanes) == 12
        late = await latencies(w, 300)
        assert len(late) == 300
        assert late[-1] <= 0.01


@virtual
async def test_a_receiver_that_wants_to_rest_gives_its_memory_back_and_goes_on_after() -> None:
    async with world(lambda seen: Reply(status=429, headers={"retry-after": "30"}) if seen.at < 1 else Reply(after=0.01)) as w:
        await w.subscribe(retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=9))
        await w.emit(2_000)
        await w.live(20.0)
        (lane,) = (await w.client.engine()).dispatcher.lanes.values()
        assert len(lane.known) <= LEAST
        await w.until_done(within=60.0)


@virtual
async def test_receivers_that_hang_with_long_backlogs_leave_memory_to_the_others() -> None:
    async with world(lambda seen: Reply(after=0.2 if seen.path == "/well" else math.inf), config=SMALL) as w:
        await many_far_behind(w, 12, max_in_flight=2, timeout=60.0)
        late = await latencies(w, 300)
        assert len(late) == 300
        assert late[-1] <= 0.01


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), max_size=200))
def test_whoever_takes_all_it_may_leaves_some_to_those_that_come(takes: list[tuple[int, int]]) -> None:
    memory = Memory(BUDGET)
    tenants = [Tenant(f"t{number}", 1) for number in range(4)]
    held: Counter[tuple[int, int]] = Counter()
    for which in takes:
        tenant = tenants[which[0]]
        left = max(0, memory.left(tenant, held[which]))
        held[which] += left
        tenant.held += left
        memory.held += left
        assert held[which] <= BUDGET // LANE_SHARE
    free = BUDGET - memory.held
    assert free > 0
    assert memory.left(Tenant("new", 1), 0) == min(BUDGET // LANE_SHARE, free * 4 // 20), "another tenant gets a fifth of it"


@given(st.lists(st.integers(0, 11), max_size=100))
def test_a_tenant_with_twelve_lanes_far_behind_has_something_left_for_another(takes: list[int]) -> None:
    memory, tenant = Memory(BUDGET), Tenant("acme", 1)
    held: Counter[int] = Counter()
    for which in takes:
        left = max(0, memory.left(tenant, held[which]))
        held[which] += left
        tenant.held += left
        memory.held += left
    assert memory.left(tenant, 0) >= BUDGET // 250
