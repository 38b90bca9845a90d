"""A subscription split into lanes: several nodes serve it, each key in its order, within the limits of the whole."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from engine.test_order import assert_in_order
from engine.virtual import CONFIG, LOOPBACK, OK, Reply, Seen, at, standing, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import InvalidArgument
from hookline.lanes import lane_of, limited, subscription_of
from hookline.model import DeliveryState, HoldKind, Ordering, RateLimit, RetryPolicy, Steps, SubscriptionSpec
from hookline.rate import burst_of
from hookline.store.protocol import DeliveryFilter

QUICK = RetryPolicy(schedule=Steps(delays=(1.0, 4.0)), max_attempts=4, jitter=0.2)


# Which lane, and how much each gets.


@given(key=st.text(max_size=20).filter(lambda text: text.isprintable()), lanes=st.integers(1, 64))
def test_a_key_has_one_lane_of_its_subscriptions(key: str, lanes: int) -> None:
    name = lane_of("sub_1", lanes, key)
    assert name == lane_of("sub_1", lanes, key)
    assert subscription_of(name) == "sub_1"
    assert int(name.partition("/")[2] or 0) < lanes


def test_the_lane_of_a_key_is_the_same_in_every_version() -> None:
    assert [lane_of("s", 8, key) for key in ("", "a", "customer-1", "ключ")] == KNOWN


KNOWN = ["s/4", "s/7", "s/5", "s"]
"""By another implementation of BLAKE2b: `printf %s KEY | b2sum -l 64`, read as a big-endian number, modulo 8."""


def test_keys_spread_evenly() -> None:
    counts = Counter(lane_of("s", 16, f"customer-{number}") for number in range(16_000))
    assert len(counts) == 16
    assert 850 <= min(counts.values()) <= max(counts.values()) <= 1_150


@given(
    lanes=st.integers(1, 64),
    former=st.integers(0, 64),
    spare=st.integers(0, 936),
    rate=st.floats(0.001, 100_000),
    more=st.integers(0, 1_000),
)
def test_the_parts_of_the_limits_are_the_whole(lanes: int, former: int, spare: int, rate: float, more: int) -> None:
    sharing = max(lanes, former)
    limit = RateLimit(requests_per_second=rate, burst=sharing + more)
    whole = replace(standing(max_in_flight=sharing + spare, rate=limit, lanes=lanes), former_lanes=former)
    parts = [limited(whole, f"{whole.id}/{number}" if number else whole.id) for number in range(sharing)]
    assert sum(part.max_in_flight for part in parts) == whole.max_in_flight
    assert sum(part.rate.requests_per_second for part in parts if part.rate) == pytest.approx(rate)
    assert sum(burst_of(part.rate) for part in parts if part.rate) == limit.burst
    assert all(part.max_in_flight >= 1 and part.rate and burst_of(part.rate) >= 1 for part in parts)


# Order, nodes, limits.


@given(
    keys=st.lists(st.sampled_from(("", "k", "l", "m", "n", "o")), min_size=1, max_size=50),
    fails=st.lists(st.sampled_from((0, 0, 0, 1, 2)), min_size=50, max_size=50),
    lanes=st.sampled_from((2, 3, 8)),
    nodes=st.integers(1, 3),
    slow=st.sampled_from((0.0, 0.3)),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
@virtual
async def test_order_within_a_key_holds_with_several_lanes_and_nodes(
    *, keys: list[str], fails: list[int], lanes: int, nodes: int, slow: float, seed: int
) -> None:
    position = {f"e{number}": number for number in range(len(keys))}
    of = dict(zip(position, keys, strict=True))

    def script(seen: Seen) -> Reply:
        return Reply(status=503 if seen.nth <= fails[position[seen.webhook_id]] else 200, after=0.05)

    async with world(script, seed=seed) as w:
        for name in "bc"[: nodes - 1]:
            await w.node(name)
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        await w.subscribe(ordering=Ordering.BY_KEY, retry=QUICK, max_in_flight=16, lanes=lanes)
        for event_id, key in of.items():
            await w.emit(1, ordering_key=key, id=event_id)
        await w.until_done(within=1_000.0, step=0.5)
        assert_in_order(w, of, position)
        assert await w.states() == {DeliveryState.DELIVERED: len(keys)}


@virtual
async def test_the_lanes_of_one_subscription_are_served_by_several_nodes_at_once() -> None:
    async with world(lambda _: Reply(after=0.05)) as w:
        await w.node("b")
        subscription = await w.subscribe(lanes=4)
        ids = await w.emit(400)
        await w.until_done(within=60.0)
        assert set(webhook_ids(w.receiver.seen)) == set(ids)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}
        by_lane = defaultdict(set)
        for seen in w.receiver.seen:
            by_lane[lane_of(subscription.id, 4, seen.webhook_id)].add(seen.node)
        assert sorted(map(len, by_lane.values())) == [1, 1, 1, 1]
        assert Counter(next(iter(nodes)) for nodes in by_lane.values()) == {"a": 2, "b": 2}


@virtual
async def test_a_node_that_comes_later_gets_its_part_of_the_lanes() -> None:
    async with world(lambda _: Reply(after=0.02)) as w:
        for number in range(4):
            await w.subscribe(f"/{number}", event_types=("other.*",))
        await w.subscribe(lanes=4)
        await w.node("b")
        for _ in range(40):
            await w.emit(10)
            await w.live(0.5)
        late = Counter(seen.node for seen in w.receiver.seen if seen.at > 15.0)
        assert min(late["a"], late["b"]) > 30
        await w.until_done(within=60.0)


@virtual
async def test_another_node_takes_the_lanes_of_a_dead_one_and_nothing_is_lost() -> None:
    async with world(lambda seen: Reply(after=30.0 if seen.node == "b" else 0.01)) as w:
        b = await w.node("b")
        await w.subscribe(lanes=5, timeout=60.0)
        ids = await w.emit(200)
        await w.live(0.5)
        await b.kill()
        await w.until_done(within=60.0)
        assert {seen.webhook_id for seen, _ in w.receiver.answered} == set(ids)
        assert await w.states() == {DeliveryState.DELIVERED: 200}


@virtual
async def test_the_limits_hold_over_all_lanes_and_nodes() -> None:
    async with world(lambda _: Reply(after=0.3)) as w:
        await w.node("b")
        await w.subscribe("/narrow", lanes=4, max_in_flight=10)
        await w.subscribe("/rated", lanes=3, rate=RateLimit(requests_per_second=12, burst=6))
        await w.emit(300)
        await w.until_done(within=120.0)
        assert w.receiver.most["/narrow"] == 10
        times = [seen.at for seen in w.receiver.at("/rated")]
        for start, first in enumerate(times):
            for count, last in enumerate(times[start:], 1):
                assert count <= 6 + 12 * (last - first) + 1e-6
        assert {seen.node for seen in w.receiver.at("/rated")} == {"a", "b"}


@virtual
async def test_each_lane_has_a_breaker_of_its_own() -> None:
    def script(seen: Seen) -> Reply:
        return Reply(status=500) if lane_of("s", 2, seen.webhook_id) == "s/1" else OK

    async with world(script) as w:
        await w.subscribe(lanes=2, breaker=SubscriptionSpec(url=LOOPBACK).breaker)
        await w.emit(200)
        await w.live(3.0)
        states = await w.states()
        failing = await w.deliveries(state=DeliveryState.PENDING)
        assert states[DeliveryState.DELIVERED] == sum(lane_of("s", 2, one.event_id) == "s" for one in await w.deliveries())
        held = {one.hold.kind for one in failing if one.hold is not None and one.attempts == 0}
        assert held == {HoldKind.BREAKER}


# Changing the number.


@virtual
async def test_raising_and_lowering_the_number_loses_nothing_and_keeps_the_limits() -> None:
    async with world(lambda _: Reply(after=0.2)) as w:
        await w.node("b")
        subscription = await w.subscribe(max_in_flight=8)
        spec = SubscriptionSpec(url=subscription.url)
        ids: list[str] = []
        most: list[int] = []
        for lanes in (4, 8, 2, 5, 1):
            ids += await w.emit(150)
            changed = await w.client.subscriptions.update(subscription.id, replace(spec, lanes=lanes), fields=["lanes"])
            assert (changed.lanes, changed.former_lanes) == (lanes, 0)
            ids += await w.emit(150)
            await w.live(1.0)  # what was on the wire when the number was changed is over
            w.receiver.most.clear()
            await w.live(1.0)
            most.append(w.receiver.most["/"])
        await w.until_done(within=300.0)
        assert set(webhook_ids(w.receiver.seen)) == set(ids)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}
        assert max(most) <= 8
        assert most[0] == most[1] == 8


@virtual
async def test_the_lanes_that_are_left_get_the_whole_of_the_limits_when_the_others_are_empty() -> None:
    async with world(lambda _: Reply(after=0.2)) as w:
        subscription = await w.subscribe(max_in_flight=8, lanes=8)
        await w.emit(200)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=subscription.url, lanes=1), fields=["lanes"])
        await w.emit(20)
        assert w.receiver.most["/"] <= 8
        await w.until_done(within=60.0)
        await w.live(2 * 10 * CONFIG.floor_poll)
        w.receiver.most.clear()
        await w.emit(100)
        await w.until_done(within=60.0)
        assert w.receiver.most["/"] == 8


@virtual
async def test_what_a_former_lane_has_finished_can_be_tried_again_by_hand() -> None:
    async with world(lambda seen: Reply(status=500 if seen.nth == 1 else 200)) as w:
        subscription = await w.subscribe(lanes=6, retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=1))
        await w.emit(30)
        await w.until_done(within=60.0)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=subscription.url, lanes=2), fields=["lanes"])
        await w.live(60.0)
        for delivery in await w.deliveries():
            assert (await w.client.deliveries.retry(delivery.id)).state is not DeliveryState.EXHAUSTED
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.DELIVERED: 30}


@virtual
async def test_with_ordering_by_key_the_number_is_for_good() -> None:
    async with world() as w:
        subscription = await w.subscribe(lanes=3, ordering=Ordering.BY_KEY)
        spec = SubscriptionSpec(url=subscription.url, lanes=3)
        with pytest.raises(InvalidArgument, match="pending deliveries of a key would stand in another lane") as refused:
            await w.client.subscriptions.update(subscription.id, replace(spec, lanes=4), fields=["lanes"])
        assert [one.field for one in refused.value.violations] == ["subscription.lanes"]
        same = await w.client.subscriptions.update(subscription.id, spec, fields=["lanes"])
        assert same.lanes == 3


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"lanes": 0}, "lanes"),
        ({"lanes": 65}, "lanes"),
        ({"lanes": True}, "lanes"),
        ({"lanes": 5, "max_in_flight": 4}, "max_in_flight"),
        ({"lanes": 5, "rate": RateLimit(requests_per_second=4)}, "rate.burst"),
        ({"lanes": 5, "rate": RateLimit(requests_per_second=100, burst=4)}, "rate.burst"),
    ],
)
@virtual
async def test_a_number_that_is_none_or_limits_that_cannot_be_shared_are_refused(said: dict[str, object], field: str) -> None:
    async with world() as w:
        with pytest.raises(InvalidArgument) as refused:
            await w.subscribe(**said)
        assert [one.field for one in refused.value.violations] == [f"subscription.{field}"]


@virtual
async def test_limits_are_not_narrowed_below_the_lanes_that_are_still_being_emptied() -> None:
    async with world(lambda _: Reply(after=1.0)) as w:
        subscription = await w.subscribe(lanes=8, max_in_flight=8)
        await w.emit(100)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=subscription.url, lanes=2), fields=["lanes"])
        narrow = SubscriptionSpec(url=subscription.url, lanes=2, max_in_flight=2)
        with pytest.raises(InvalidArgument, match="former lanes count until they are empty"):
            await w.client.subscriptions.update(subscription.id, narrow, fields=["max_in_flight"])
        await w.until_done(within=60.0)
        await w.live(2 * 10 * CONFIG.floor_poll)
        assert (await w.client.subscriptions.update(subscription.id, narrow, fields=["max_in_flight"])).max_in_flight == 2


# What is done to the whole.


@virtual
async def test_a_pause_holds_every_lane_and_a_resume_lets_every_lane_go_on() -> None:
    async with world(lambda _: Reply(after=0.01)) as w:
        await w.node("b")
        subscription = await w.subscribe(lanes=4)
        await w.client.subscriptions.pause(subscription.id)
        await w.live(1.0)
        await w.emit(80)
        await w.live(5.0)
        assert w.receiver.seen == []
        assert {one.hold and one.hold.kind for one in await w.deliveries()} == {HoldKind.PAUSED}
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=30.0)
        assert await w.states() == {DeliveryState.DELIVERED: 80}


@virtual
async def test_what_is_held_is_discarded_or_lapses_in_every_lane() -> None:
    async with world() as w:
        discarded = await w.subscribe("/discarded", lanes=4)
        lapsed = await w.subscribe("/lapsed", lanes=4, hold_for=60.0)
        for one in (discarded, lapsed):
            await w.client.subscriptions.pause(one.id)
        await w.emit(40)
        await w.client.subscriptions.resume(discarded.id, discard_held=True)
        await w.live(120.0)
        assert {one.state for one in await w.deliveries()} == {DeliveryState.CANCELLED}
        await w.client.subscriptions.resume(lapsed.id)
        await w.live(5.0)
        assert w.receiver.seen == []


@virtual
async def test_a_deleted_subscription_is_cancelled_in_every_lane() -> None:
    async with world(lambda _: Reply(after=300.0)) as w:
        await w.node("b")
        subscription = await w.subscribe(lanes=4, max_in_flight=4, timeout=60.0)
        await w.emit(80)
        await w.live(1.0)
        await w.client.subscriptions.delete(subscription.id)
        await w.until_done(within=120.0)
        assert set(await w.states()) == {DeliveryState.CANCELLED}
        for node in w.nodes.values():
            assert not (await node.client.engine()).dispatcher.lanes


@virtual
async def test_a_receiver_that_is_gone_disables_all_of_it() -> None:
    async with world(lambda _: Reply(status=410)) as w:
        subscription = await w.subscribe(lanes=4)
        await w.emit(1, id="e1")
        await w.live(1.0)
        assert (await w.client.subscriptions.get(subscription.id)).state.value == "disabled"
        await w.emit(20)
        await w.live(5.0)
        assert len(w.receiver.seen) == 1


@virtual
async def test_a_replay_and_a_huge_fan_out_go_to_the_same_lanes_as_the_events_did() -> None:
    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        first = await w.subscribe("/first", lanes=4, event_types=("thing.*",))
        await w.subscribe("/second", lanes=3, event_types=("thing.*",))
        ids = await w.emit(40)  # each goes to more than one, so it is fanned out behind the acknowledgement
        await w.until_done(within=60.0)
        await w.client.events.replay(first.id, from_time=at(0), to_time=at(3_600))
        await w.until_done(within=60.0)
        for _, delivery, lane in await w.store.deliveries("acme", DeliveryFilter(), before=None, limit=1_000):
            assert lane == lane_of(delivery.subscription_id, 4 if delivery.subscription_id == first.id else 3, delivery.event_id)
        assert webhook_ids(w.receiver.at("/first")) == dict.fromkeys(ids, 2)
        assert webhook_ids(w.receiver.at("/second")) == dict.fromkeys(ids, 1)
