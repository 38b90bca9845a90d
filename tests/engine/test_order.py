"""Order by key: one at a time, in commit order, whatever fails in between."""

import itertools
import json
import math
from collections import defaultdict
from dataclasses import replace

from engine.virtual import CONFIG, OK, Reply, Seen, World, virtual, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.model import DeliveryState, EventSpec, HoldKind, Ordering, RetryPolicy, Steps

QUICK = RetryPolicy(schedule=Steps(delays=(1.0, 4.0)), max_attempts=4, jitter=0.2)


def assert_in_order(w: World, keys: dict[str, str], position: dict[str, int]) -> None:
    """One at a time; and once an event is tried, every earlier one of its key is over."""
    ended = {(seen.webhook_id, seen.nth): end for seen, end in w.receiver.answered}
    of_key: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in w.receiver.seen:
        of_key[keys[seen.webhook_id]].append(seen)
    for key, requests in of_key.items():
        if not key:
            continue
        order = [position[seen.webhook_id] for seen in requests]
        assert order == sorted(order), f"key {key}: {order}"
        for before, after in itertools.pairwise(requests):
            assert ended[before.webhook_id, before.nth] <= after.at


@given(
    keys=st.lists(st.sampled_from(("", "k", "l", "m")), min_size=1, max_size=50),
    pauses=st.lists(st.sampled_from((0.0, 0.0, 0.01, 0.7)), min_size=50, max_size=50),
    fails=st.lists(st.sampled_from((0, 0, 0, 1, 2, 5)), min_size=50, max_size=50),
    latency=st.sampled_from((0.0, 0.05, 1.5)),
    window=st.sampled_from((1, 3, 10, 1_000)),
    slow=st.sampled_from((0.0, 0.01, 0.3)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
@virtual
async def test_events_of_a_key_are_delivered_one_at_a_time_in_commit_order_under_any_failures(
    *, keys: list[str], pauses: list[float], fails: list[int], latency: float, window: int, slow: float, seed: int
) -> None:
    position: dict[str, int] = {}
    of: dict[str, str] = {}

    def script(seen: Seen) -> Reply:
        bad = seen.nth <= fails[position.get(seen.webhook_id, 0)]
        return Reply(status=503 if bad else 200, after=latency)

    async with world(script, config=replace(CONFIG, lane_window=window), seed=seed) as w:
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        await w.subscribe(ordering=Ordering.BY_KEY, retry=QUICK, max_in_flight=3)
        for number, key in enumerate(keys):
            event_id = f"e{number}"
            position[event_id], of[event_id] = number, key
            await w.emit(1, ordering_key=key, id=event_id)
            await w.live(pauses[number])
        await w.until_done(within=10_000.0, step=0.5)
        assert_in_order(w, of, position)
        for delivery in await w.deliveries():
            failures = fails[position[delivery.webhook_id]]
            assert delivery.state is (DeliveryState.EXHAUSTED if failures >= QUICK.max_attempts else DeliveryState.DELIVERED)


@given(
    fails=st.lists(st.booleans(), min_size=20, max_size=20),
    away=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.1, 3.0)), max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
@virtual
async def test_order_holds_over_a_store_that_is_away_now_and_then(
    fails: list[bool], away: list[tuple[float, float]], seed: int
) -> None:
    position = {f"e{number}": number for number in range(20)}
    keys = {name: "klm"[number % 3] for name, number in position.items()}
    async with world(lambda seen: Reply(status=503) if seen.nth == 1 and fails[position[seen.webhook_id]] else OK, seed=seed) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=QUICK)
        for name, key in keys.items():
            await w.emit(1, ordering_key=key, id=name)
        store = w.nodes["a"].store
        for pause, span in away:
            await w.live(pause / 5)
            store.refuses = lambda verb: verb in {"claim", "due", "probe", "settle"}
            await w.live(span)
            store.refuses = lambda _: False
        await w.until_done(within=1_000.0)
        assert_in_order(w, keys, position)
        assert await w.states() == {DeliveryState.DELIVERED: 20}


@virtual
async def test_a_key_that_fails_holds_back_no_other() -> None:
    async with world(lambda seen: Reply(status=500) if b'"data":"sick"' in seen.body else OK) as w:
        await w.subscribe(ordering=Ordering.BY_KEY)
        await w.client.emit("a.b", "sick", ordering_key="sick")
        for number in range(100):
            await w.client.emit("a.b", "behind", ordering_key="sick")
            await w.client.emit("a.b", "well", ordering_key=f"key-{number % 7}")
        await w.live(2.0)
        bodies = [seen.body for seen in w.receiver.seen]
        assert sum(b'"well"' in body for body in bodies) == 100
        assert sum(b'"behind"' in body for body in bodies) == 0


@virtual
async def test_an_exhausted_head_lets_its_followers_go() -> None:
    async with world(lambda seen: Reply(status=500) if b'"data":"sick"' in seen.body else OK) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=QUICK)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.emit(10, ordering_key="k")
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.EXHAUSTED: 1, DeliveryState.DELIVERED: 10}


@virtual
async def test_a_cancelled_head_lets_its_followers_go() -> None:
    async with world(lambda seen: Reply(status=500) if b'"data":"sick"' in seen.body else OK) as w:
        await w.subscribe(ordering=Ordering.BY_KEY)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.emit(10, ordering_key="k")
        await w.live(2.0)
        head = (await w.deliveries())[0]
        await w.client.deliveries.cancel(head.id)
        await w.until_done(within=5.0)
        assert await w.states() == {DeliveryState.CANCELLED: 1, DeliveryState.DELIVERED: 10}


@virtual
async def test_a_failed_head_steps_aside_after_so_many_attempts_and_is_tried_on() -> None:
    async with world(lambda seen: Reply(status=500) if b'"sick"' in seen.body and seen.at < 300 else OK) as w:
        policy = RetryPolicy(schedule=Steps(delays=(10.0,) * 50), max_attempts=51, jitter=0.0)
        await w.subscribe(ordering=Ordering.BY_KEY, step_aside_after=3, retry=policy)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.emit(10, ordering_key="k")
        await w.live(15.0)
        assert len(w.receiver.seen) == 2, "it holds its key back"
        await w.live(10.0)
        assert len(w.receiver.seen) == 13, "at its third failure the others go, in their order"
        bodies = [seen.body for seen in w.receiver.seen[3:]]
        assert [json.loads(body)["data"] for body in bodies] == list(range(10))
        await w.emit(1, ordering_key="k")
        await w.live(1.0)
        assert len(w.receiver.seen) == 14, "nor does it hold back what comes later"
        await w.until_done(within=400.0)
        assert await w.states() == {DeliveryState.DELIVERED: 12}


@virtual
async def test_one_that_stepped_aside_holds_nothing_back_after_a_restart() -> None:
    async with world(lambda seen: Reply(status=500) if b'"sick"' in seen.body else OK) as w:
        policy = RetryPolicy(schedule=Steps(delays=(1.0, 500.0)), max_attempts=3, jitter=0.0)
        await w.subscribe(ordering=Ordering.BY_KEY, step_aside_after=1, retry=policy)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.live(3.0)
        await w.nodes["a"].client.close()
        await w.node("a")
        await w.emit(5, ordering_key="k")
        await w.live(2.0)
        assert sum(b'"sick"' not in seen.body for seen in w.receiver.seen) == 5
        assert not [one.hold for one in await w.deliveries() if one.hold is not None and one.hold.kind is HoldKind.ORDERING]


@virtual
async def test_one_that_stepped_aside_and_is_retried_by_hand_stays_aside() -> None:
    async with world(lambda seen: Reply(status=500) if b'"sick"' in seen.body else OK) as w:
        policy = RetryPolicy(schedule=Steps(delays=(1_000.0,) * 9), max_attempts=10, jitter=0.0)
        await w.subscribe(ordering=Ordering.BY_KEY, step_aside_after=1, retry=policy)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.live(3.0)
        (sick,) = await w.deliveries()
        await w.client.deliveries.retry(sick.id)
        await w.emit(5, ordering_key="k")
        await w.live(2.0)
        assert sum(b'"sick"' in seen.body for seen in w.receiver.seen) == 2
        assert sum(b'"sick"' not in seen.body for seen in w.receiver.seen) == 5


@virtual
async def test_followers_are_not_overtaken_when_a_cancelled_heads_wake_is_lost() -> None:
    async with world(lambda seen: Reply(status=500) if b'"sick"' in seen.body else OK) as w:
        policy = RetryPolicy(schedule=Steps(delays=(3_000.0,)), max_attempts=2, jitter=0.0)
        await w.subscribe(ordering=Ordering.BY_KEY, retry=policy)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.live(1.0)
        await w.client.emit("a.b", "first", ordering_key="k")
        await w.nodes["a"].client.close()
        node = await w.node("a")  # it knows of no key that waits
        far = await w.node("far", deliver=False)
        await w.live(5.0)
        node.store.deaf = True
        sick = (await w.deliveries())[0]
        await far.run(far.client.deliveries.cancel(sick.id))
        node.store.deaf = False
        await w.client.emit("a.b", "second", ordering_key="k")
        await w.until_done(within=60.0)
        bodies = [json.loads(seen.body)["data"] for seen in w.receiver.seen]
        assert bodies[-2:] == ["first", "second"]


@virtual
async def test_a_slow_key_with_a_long_backlog_leaves_room_for_the_other_keys() -> None:
    async with world(lambda seen: Reply(after=1.0) if b'"slow"' in seen.body else OK, config=replace(CONFIG, lane_window=64)) as w:
        await w.subscribe(ordering=Ordering.BY_KEY)
        specs = [EventSpec(type="a.b", data=b'"slow"', ordering_key="slow", id=f"s{number}") for number in range(500)]
        await w.client.emit_many(specs)
        await w.live(3.0)
        for number in range(50):
            await w.client.emit("a.b", number, ordering_key=f"k{number % 5}")
        await w.until(lambda: sum(b'"slow"' not in seen.body for seen in w.receiver.seen) == 50, within=3.0)
        await w.until_done(within=600.0)
        slow = [seen.webhook_id for seen in w.receiver.seen if b'"slow"' in seen.body]
        assert slow == [f"s{number}" for number in range(500)]


@virtual
async def test_what_has_stepped_aside_holds_nothing_back_after_a_stop_cut_it_off() -> None:
    def first_hangs(seen: Seen) -> Reply:
        if json.loads(seen.body)["data"]:
            return OK
        return Reply(status=500, after=0.0 if seen.nth == 1 else math.inf)

    async with world(first_hangs) as w:
        twice = RetryPolicy(schedule=Steps(delays=(2.0,)), max_attempts=2, jitter=0.0)
        await w.subscribe(ordering=Ordering.BY_KEY, step_aside_after=1, timeout=60.0, retry=twice)
        await w.emit(3, ordering_key="k")
        await w.live(6.0)
        await w.nodes["a"].client.close()
        b = await w.node("b")
        await w.live(1.0)
        await b.client.emit_many([EventSpec(type="thing.happened", data=b"7", ordering_key="k")])
        await w.live(5.0)
        assert [json.loads(seen.body)["data"] for seen in w.receiver.seen] == [0, 1, 2, 0, 0, 7]
        await b.client.close()
