"""What is late gives way to what is in time, and comes to its end all the same."""

import asyncio
from dataclasses import replace

from engine.virtual import CONFIG, VirtualClock, World, now, virtual, world
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.engine.backlogs import LOOK, Backlog, adjust, watch_backlogs
from hookline.engine.governor import FEWEST, FURTHEST, HELD_UP, LARGEST, MOST, QUIET, TICK, Governor
from hookline.model import Stats
from hookline.store.protocol import LaneKey

LANES = [LaneKey("acme", f"s{number}") for number in range(200)]
TICKS_A_LOOK = int(LOOK / TICK)


def admitted(governor: Governor, now: float, asked: int = 3 * LARGEST) -> int:
    """How many of so many late events may be sent now."""
    return sum(governor.wait(now, LANES[number % len(LANES)]) == 0 for number in range(asked))


@given(st.lists(st.floats(0.0, 0.1), min_size=1, max_size=100))
def test_beside_what_is_in_time_late_ones_get_at_least_the_fewest_and_at_most_the_most_a_tick(delays: list[float]) -> None:
    governor, at = Governor(), 0.0
    for late in delays:
        governor.in_time(at)
        assert FEWEST <= admitted(governor, at) <= MOST
        assert admitted(governor, at) == 0, "that was all of this tick"
        at += TICK + late


@given(st.integers(0, 50))
def test_a_loop_that_is_held_up_leaves_late_ones_the_fewest_and_one_that_is_not_ever_more(free: int) -> None:
    governor, at = Governor(), 0.0
    found = []
    for late in [0.0] * free + [HELD_UP * 2] * 10:
        governor.in_time(at)
        found.append(admitted(governor, at))
        at += TICK + late
    assert found[:free] == [min(MOST, FEWEST + number) for number in range(free)]
    assert found[-1] == FEWEST


@given(st.floats(0.0, 1e6), st.integers(1, 500))
def test_where_nothing_is_in_time_nothing_waits(at: float, asked: int) -> None:
    governor = Governor()
    assert admitted(governor, at, asked) == asked
    governor.in_time(at)
    assert admitted(governor, at, 500) == FEWEST
    assert admitted(governor, at + QUIET + 0.001, asked) == asked


def test_lanes_that_are_put_off_come_back_a_few_at_a_time_and_before_long() -> None:
    governor = Governor()
    governor.in_time(0.0)
    waits = [governor.wait(0.0, lane) for lane in LANES]
    put_off = [wait for wait in waits if wait]
    assert len(put_off) == len(LANES) - FEWEST
    assert max(put_off.count(wait) for wait in put_off) <= FEWEST
    assert max(put_off) <= (FURTHEST + 1) * TICK + 1e-9
    assert governor.gave_way == set(LANES[FEWEST:])


@example(pending=994_599, inflow=5_994, unfinished=False)
@given(
    pending=st.integers(1_000, 1_000_000),
    inflow=st.integers(0, LARGEST * TICKS_A_LOOK * 9 // 10),
    unfinished=st.booleans(),
)
def test_a_backlog_to_which_more_comes_than_it_is_left_drains_all_the_same(pending: int, inflow: int, unfinished: bool) -> None:
    """As bad as it can be: the loop is held up all the time."""
    governor, delivered = Governor(), 0
    before: dict[tuple[str, str], Backlog] = {}
    looks = 0
    held = {("acme", "dead"): Backlog(500, 7)} if unfinished else {}
    while pending:
        served = min(pending + inflow, governor.fewest * TICKS_A_LOOK)
        pending, delivered = pending + inflow - served, delivered + served
        backlogs = {("acme", "deep"): Backlog(pending, delivered)} | held
        adjust(governor, before, backlogs)
        before = backlogs
        looks += 1
        assert looks < 5_000
        assert FEWEST <= governor.fewest <= LARGEST
    adjust(governor, before, {})
    for _ in range(10):
        adjust(governor, {}, {})
    assert governor.fewest == FEWEST, "when it is over"


def test_a_backlog_that_grows_though_nothing_of_it_is_delivered_gets_no_more() -> None:
    governor = Governor()
    adjust(governor, {("acme", "dead"): Backlog(1_000, 7)}, {("acme", "dead"): Backlog(9_000, 7)})
    assert governor.fewest == FEWEST


async def live_beside(w: World, seconds: float) -> None:
    """Emit something that is in time ten times a second."""
    end = now() + seconds
    while now() < end:
        await w.emit(1, type="live.one")
        await w.live(0.1)


async def with_backlog(w: World, count: int) -> None:
    """A subscription that is behind by so much and goes on now, and one that is in time."""
    deep = await w.subscribe("/deep", event_types=("deep.*",))
    await w.subscribe("/live", event_types=("live.*",))
    await w.client.subscriptions.pause(deep.id)
    await w.emit(count, type="deep.one")
    await w.live(5.0)
    await w.emit(1, type="live.one")
    await w.live(0.1)
    await w.client.subscriptions.resume(deep.id)


@virtual
async def test_a_drain_gives_way_to_what_is_in_time_and_goes_at_once_where_there_is_nothing() -> None:
    async with world(config=replace(CONFIG, floor_poll=60.0)) as w:
        await with_backlog(w, 5_000)
        began = now()
        await live_beside(w, 1.0)
        part = len(w.receiver.at("/deep"))
        assert FEWEST / TICK <= part <= MOST / TICK * (now() - began) + 500
        await w.until(lambda: len(w.receiver.at("/deep")) == 5_000, within=QUIET + 1.0, step=0.1)


class Counted:
    """What a store would count: of the second subscription ever more, of the first less."""

    def __init__(self) -> None:
        self.looks = 0

    async def stats(self, _: str, *, now: int) -> Stats:
        del now
        self.looks += 1
        deep = counts(pending=90_000 - 1_000 * self.looks, delivered=1_000 * self.looks)
        paused = counts(pending=50_000 * self.looks, delivered=0)
        return replace(counts(pending=deep.pending + paused.pending, delivered=0), by_subscription={"deep": deep, "paused": paused})


def counts(*, pending: int, delivered: int) -> Stats:
    return Stats(pending=pending, delivered=delivered, exhausted=0, cancelled=0, oldest_pending_age=0.0, by_subscription={})


@virtual
async def test_a_drain_beside_a_paused_subscription_that_fills_is_left_no_more_for_that() -> None:
    governor, history = Governor(), Counted()
    watch = asyncio.create_task(watch_backlogs(history, governor, VirtualClock()))  # type: ignore[arg-type]  # all that is asked
    await asyncio.sleep(1.0)
    for _ in range(5):
        governor.gave_way = {LaneKey("acme", "deep/3")}
        await asyncio.sleep(LOOK)
    assert history.looks == 5
    assert governor.fewest == FEWEST
    watch.cancel()
