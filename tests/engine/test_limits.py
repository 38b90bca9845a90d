"""What is never exceeded, whatever receivers do: requests at a time, works in memory, one another's share."""

import math
from dataclasses import replace

import pytest
from engine.virtual import CONFIG, Reply, Seen, now, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.model import DeliveryState, Ordering, RetryPolicy, Steps

QUICK = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=4, jitter=0.1)
STATUSES = (200, 200, 204, 302, 400, 404, 429, 500, 503)


@given(
    limits=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    node=st.integers(1, 8),
    window=st.integers(1, 12),
    replies=st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from((0.0, 0.001, 0.5, 3.0, 60.0))), min_size=1, max_size=20),
    events=st.integers(1, 40),
    ordering=st.sampled_from(Ordering),
    seed=st.integers(0, 99),
)
@settings(max_examples=15)
@virtual
async def test_no_limit_is_exceeded_and_nothing_is_stuck_whatever_receivers_answer(
    *,
    limits: list[int],
    node: int,
    window: int,
    replies: list[tuple[int, float]],
    events: int,
    ordering: Ordering,
    seed: int,
) -> None:
    turn = iter(range(1_000_000))

    def script(_: Seen) -> Reply:
        status, after = replies[next(turn) % len(replies)]
        return Reply(status=status, after=after)

    config = replace(CONFIG, node_concurrency=node, lane_window=window)
    async with world(script, config=config, seed=seed) as w:
        w.nodes["a"].store.after = w.random_delay(0.01)
        for number, limit in enumerate(limits):
            await w.subscribe(f"/{number}", max_in_flight=limit, retry=QUICK, timeout=5.0, ordering=ordering)
        half = events // 2
        await w.emit(events - half, ordering_key="k")
        if half:
            await w.emit(half, ordering_key="l")
        watched = await w.watch_windows()
        await w.until_done(within=100_000.0, step=1.0)
        for number, limit in enumerate(limits):
            assert w.receiver.most[f"/{number}"] <= limit
        assert w.receiver.most[""] <= node
        assert watched.most <= window
        states = await w.states()
        assert states.keys() <= {DeliveryState.DELIVERED, DeliveryState.EXHAUSTED}
        assert states.total() == events * len(limits)
        for count in webhook_ids([seen for seen in w.receiver.seen if seen.path == "/0"]).values():
            assert count <= QUICK.max_attempts


@pytest.mark.parametrize("ordering", Ordering)
def test_a_backlog_larger_than_the_window_is_delivered_through_it(ordering: Ordering) -> None:
    @virtual
    async def run() -> None:
        config = replace(CONFIG, lane_window=10)
        async with world(lambda _: Reply(after=0.2), config=config) as w:
            await w.subscribe(max_in_flight=4, ordering=ordering)
            watched = await w.watch_windows()
            for key in range(20):
                await w.emit(50, ordering_key=f"key-{key}")
            await w.until_done(within=1_000.0)
            assert await w.states() == {DeliveryState.DELIVERED: 1_000}
            assert set(webhook_ids(w.receiver.seen).values()) == {1}
            assert 0 < watched.most <= 10

    run()


@virtual
async def test_a_backlog_with_large_data_keeps_to_the_memory_budget() -> None:
    config = replace(CONFIG, memory_budget=4 * 1024 * 1024)
    async with world(lambda _: Reply(after=1.0), config=config) as w:
        for number in range(3):
            await w.subscribe(f"/{number}")
        watched = await w.watch_windows()
        data = b'"' + b"x" * 200_000 + b'"'
        for _ in range(100):
            await w.client.emit("large.one", data)
        await w.until_done(within=1_000.0)
        assert await w.states() == {DeliveryState.DELIVERED: 300}
        assert watched.most_bytes <= config.memory_budget + 3 * 8 * 202_000


@virtual
async def test_a_lane_goes_on_when_its_window_was_full_of_what_failed() -> None:
    """The retries fall due while the window is full of fresh works, and the other way round."""
    config = replace(CONFIG, lane_window=10)
    async with world(lambda seen: Reply(status=503 if seen.nth <= 2 else 200, after=0.3), config=config) as w:
        await w.subscribe(max_in_flight=3, retry=QUICK)
        await w.emit(200)
        await w.until_done(within=1_000.0)
        assert await w.states() == {DeliveryState.DELIVERED: 200}
        assert set(webhook_ids(w.receiver.seen).values()) == {3}


@virtual
async def test_a_hanging_receiver_takes_nothing_from_healthy_ones() -> None:
    async with world(lambda seen: Reply(after=math.inf) if seen.path == "/hangs" else Reply(after=0.01)) as w:
        await w.subscribe("/hangs", event_types=("sick.*",))
        for number in range(9):
            await w.subscribe(f"/{number}", event_types=("well.*",))
        await w.emit(2_000, type="sick.one")
        sent: dict[str, float] = {}
        for _ in range(200):
            for event_id in await w.emit(1, type="well.one"):
                sent[event_id] = now()
            await w.live(0.05)
        await w.live(1.0)
        healthy = [seen for seen in w.receiver.seen if seen.path != "/hangs"]
        assert len(healthy) == 9 * 200
        assert max(seen.at - sent[seen.webhook_id] for seen in healthy) <= 0.01
        assert w.receiver.most["/hangs"] == 64


@virtual
async def test_a_dead_receivers_million_does_not_grow_the_memory() -> None:
    """A backlog of 600 stands for it: what is in memory does not depend on it."""
    config = replace(CONFIG, lane_window=50)
    async with world(lambda _: Reply(status=500), config=config) as w:
        await w.subscribe(retry=RetryPolicy(schedule=Steps(delays=(600.0,)), max_attempts=3, jitter=0.1))
        watched = await w.watch_windows()
        await w.emit(600)
        await w.until_done(within=10_000.0, step=10.0)
        assert await w.states() == {DeliveryState.EXHAUSTED: 600}
        assert watched.most <= 50
        assert len(w.receiver.seen) == 1_800


@virtual
async def test_lanes_take_turns() -> None:
    """A receiver with a long backlog and one slot for all: the other is served every second time."""
    config = replace(CONFIG, node_concurrency=1)
    async with world(lambda _: Reply(after=0.01), config=config) as w:
        await w.subscribe("/long", event_types=("long.*",))
        await w.subscribe("/short", event_types=("short.*",))
        await w.emit(500, type="long.one")
        await w.live(0.1)
        await w.emit(10, type="short.one")
        began = len(w.receiver.seen)
        await w.until_done(within=60.0)
        assert len([seen for seen in w.receiver.seen[began : began + 22] if seen.path == "/short"]) == 10
