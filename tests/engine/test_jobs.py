"""What goes on behind the acknowledgement: huge fan-outs, replays, deletions, retention."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from engine.virtual import CONFIG, LOOPBACK, SLOW_HEART, Reply, Seen, World, at, now, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine import router
from hookline.engine.retention import purge
from hookline.errors import NotFound
from hookline.model import DeliveryState, Ordering, ReplayState, RetryPolicy, Steps, SubscriptionSpec

DAY = 86_400.0


async def replay_beside_a_fan_out(w: World, **replay: str) -> None:
    """While a replay of another tenant goes on as it can, an event for a few is on its way to each of them soon."""
    replayed = await w.subscribe("/replayed", event_types=("a.*",))
    await w.emit(200, type="a.b")
    await w.until_done(within=10.0)
    for number in range(3):
        await w.client.subscriptions.create(SubscriptionSpec(url=f"{LOOPBACK}/{number}"), tenant="zzz")
    await w.client.events.replay(replayed.id, **replay)
    await w.live(0.5)
    seen = len(w.receiver.seen)
    await w.client.emit("wide.a", b"{}", tenant="zzz")
    await w.until(lambda: len([one for one in w.receiver.seen[seen:] if one.path != "/replayed"]) == 3, within=5.0)


@virtual
async def test_a_replay_that_cannot_be_moved_holds_up_no_fan_out_of_another_tenant() -> None:
    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        w.nodes["a"].store.refuses = lambda verb: verb == "scan"
        await replay_beside_a_fan_out(w)


@virtual
async def test_a_replay_whose_filter_takes_long_holds_up_no_fan_out_of_another_tenant() -> None:
    async def slow(*_: object) -> bool:
        await asyncio.sleep(1.9)  # as long as an evaluator may take
        return False

    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        (await w.client.engine()).router._admits = slow
        await replay_beside_a_fan_out(w, filter="true")


@virtual
async def test_a_fan_out_that_could_not_be_read_is_tried_again_after_a_second() -> None:
    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        for number in range(3):
            await w.subscribe(f"/{number}")
        faults = [True]
        w.nodes["a"].store.refuses = lambda verb: verb == "jobs" and bool(faults) and faults.pop()
        await w.emit(1)
        await w.until(lambda: len(w.receiver.seen) == 3, within=2.0)
        assert not faults


@virtual
async def test_an_event_for_very_many_subscriptions_reaches_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "STEP", 50)
    async with world(config=replace(CONFIG, fanout_limit=10)) as w:
        for number in range(130):
            await w.subscribe(f"/{number}")
        ids = await w.emit(3)
        await w.until_done(within=30.0)
        for number in range(130):
            assert webhook_ids(w.receiver.at(f"/{number}")) == Counter(ids)


@given(
    order=st.permutations(["m", "a", "z", "k", "b", "y"]),
    wide=st.lists(st.booleans(), min_size=6, max_size=6),
    nodes=st.integers(1, 3),
    slow=st.sampled_from((0.0, 0.2)),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
@virtual
async def test_fan_outs_of_one_ordering_key_do_not_overtake_each_other_whatever_their_ids_and_sizes(
    *, order: list[str], wide: list[bool], nodes: int, slow: float, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(router, "STEP", 3)
        async with world(config=replace(CONFIG, fanout_limit=1), seed=seed) as w:
            for name in "bc"[: nodes - 1]:
                await w.node(name)
            for node in w.nodes.values():
                node.store.before = node.store.after = w.random_delay(slow)
            for number in range(8):
                types = ("wide.*",) if number < 6 else ("wide.*", "narrow.*")  # the narrow ones are in the last step of the wide
                await w.subscribe(f"/{number}", event_types=types, ordering=Ordering.BY_KEY)
            for event_id, goes_far in zip(order, wide, strict=True):
                await w.emit(1, type="wide.a" if goes_far else "narrow.a", id=event_id, ordering_key="k")
            expected = sum(8 if goes_far else 2 for goes_far in wide)
            await w.until(lambda: len(w.receiver.seen) == expected, within=120.0)
            for number in (6, 7):
                assert [seen.webhook_id for seen in w.receiver.at(f"/{number}")] == order


@virtual
async def test_a_fan_out_goes_on_where_it_stood_when_its_node_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "STEP", 50)
    async with world(config=replace(CONFIG, fanout_limit=10)) as w:
        for number in range(130):
            await w.subscribe(f"/{number}", event_types=("a.*",))
        a = w.nodes["a"]
        steps = iter(range(10))
        a.store.refuses = lambda verb: verb == "step" and next(steps, 10) >= 1
        ids = await w.emit(1, type="a.b")
        await w.live(0.5)
        assert len(w.receiver.seen) == 50
        b = await w.node("b")
        await a.kill()
        w.nodes["a"] = b
        await w.until_done(within=60.0)
        assert webhook_ids(w.receiver.seen) == {ids[0]: 130}


@pytest.mark.parametrize("new_ids", [False, True])
def test_a_replay_delivers_past_events_again(new_ids: bool) -> None:
    @virtual
    async def run() -> None:
        async with world() as w:
            subscription = await w.subscribe("/s", event_types=("a.*",))
            before = await w.emit(5, type="a.b")
            await w.live(100.0)
            wanted = await w.emit(600, type="a.b")
            await w.emit(50, type="b.c")
            await w.until_done(within=10.0)
            first = len(w.receiver.seen)
            replay = await w.client.events.replay(subscription.id, from_time=at(50.0), new_webhook_ids=new_ids, request_id="once")
            again = await w.client.events.replay(subscription.id, from_time=at(50.0), new_webhook_ids=new_ids, request_id="once")
            assert again.id == replay.id
            await w.until_done(within=60.0)
            replay = await w.client.events.get_replay(replay.id)
            assert (replay.state, replay.scanned, replay.replayed) == (ReplayState.DONE, 650, 600)
            sent = [seen.webhook_id for seen in w.receiver.seen[first:]]
            assert len(sent) == len(set(sent)) == 600
            assert set(sent).isdisjoint([*wanted, *before]) if new_ids else set(sent) == set(wanted)

    run()


@virtual
async def test_a_replay_that_is_cancelled_queues_nothing_more() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        await w.emit(2_000)
        await w.until_done(within=10.0)
        first = len(w.receiver.seen)
        w.nodes["a"].store.after = lambda: 0.05
        replay = await w.client.events.replay(subscription.id)
        stopped = await w.client.events.cancel_replay(replay.id)
        assert stopped.state is ReplayState.CANCELLED
        await w.until_done(within=60.0)
        assert len(w.receiver.seen) - first == (await w.client.events.get_replay(replay.id)).replayed < 2_000


@virtual
async def test_deleting_a_subscription_cancels_what_is_pending_and_calls_it_no_more() -> None:
    async with world(lambda _: Reply(after=0.5)) as w:
        subscription = await w.subscribe(max_in_flight=2)
        await w.emit(1_500)
        await w.live(1.2)
        await w.client.subscriptions.delete(subscription.id)
        deleted = now()
        await w.until(lambda: w.receiver.in_flight[""] == 0, within=1.0)
        await w.live(10.0)
        assert [seen for seen in w.receiver.seen if seen.at > deleted] == []
        assert not await w.store.jobs()
        states = await w.states()
        assert states.keys() == {DeliveryState.DELIVERED, DeliveryState.CANCELLED}
        assert states.total() == 1_500
        with pytest.raises(NotFound):
            await w.client.subscriptions.get(subscription.id)


@virtual
async def test_retention_removes_what_is_finished_and_old_and_nothing_that_is_pending() -> None:
    policy = RetryPolicy(schedule=Steps(delays=(7 * DAY,)), max_attempts=6, jitter=0.0)
    slow = replace(SLOW_HEART, floor_poll=DAY, lease_ttl=4 * DAY)

    def script(seen: Seen) -> Reply:
        return Reply(status=503 if seen.path == "/ill" and seen.nth <= 5 else 200)

    async with world(script, config=slow) as w:
        await w.subscribe("/well", event_types=("a.*", "b.*"))
        await w.subscribe("/ill", event_types=("b.*",), retry=policy)
        old = await w.emit(700, type="a.b")
        waiting = await w.emit(10, type="b.c")
        await w.live(10 * DAY)
        young = [(await w.client.emit("a.b", number, id=f"young-{number}")).event_id for number in range(5)]
        await w.live(5 * DAY)
        await purge(w.store, slow, w.nodes["a"].clock)
        with pytest.raises(NotFound):
            await w.client.events.get(old[0])
        kept = {(one.event_id, one.state) for one in await w.deliveries()}
        assert kept == {(one, DeliveryState.PENDING) for one in waiting} | {(one, DeliveryState.DELIVERED) for one in young}
        repeated = await w.client.emit("a.b", 0, id=young[0])
        assert repeated.duplicate
        await w.live(21 * DAY)
        assert {one.state for one in await w.deliveries() if one.event_id in waiting} == {DeliveryState.DELIVERED}
        assert set(webhook_ids(w.receiver.at("/ill")).values()) == {6}


@virtual
async def test_an_id_is_remembered_for_its_window_even_when_its_event_is_gone() -> None:
    slow = replace(SLOW_HEART, floor_poll=DAY, lease_ttl=4 * DAY)
    async with world(config=slow) as w:
        await w.subscribe()
        await w.client.emit("a.b", 1, idempotency_key="k")
        await w.live(20 * DAY)
        assert (await w.client.emit("a.b", 1, idempotency_key="k")).duplicate
        await w.live(11 * DAY)
        assert not (await w.client.emit("a.b", 1, idempotency_key="k")).duplicate
