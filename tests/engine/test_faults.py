"""A store that is away, slow, or loses its answers; and stopping in the midst of things."""

import asyncio
import contextlib
import math
from dataclasses import replace

import pytest
from engine.virtual import CONFIG, OK, Reply, now, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import Closed, ResourceExhausted, Unavailable
from hookline.model import NO_RETRY, DeliveryState, ErrorClass, Ordering, RetryPolicy, Steps

QUICK = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=10, jitter=0.1)
VERBS = ("append", "settle", "claim", "due", "probe", "beat", "mine", "dead", "catalogue", "revisions", "sweep")


@virtual
async def test_while_the_store_is_away_emits_are_refused_and_afterwards_everything_acknowledged_is_delivered() -> None:
    async with world(lambda _: Reply(after=0.1)) as w:
        await w.subscribe(max_in_flight=5)
        ids = await w.emit(50)
        await w.live(0.25)
        store = w.nodes["a"].store
        store.refuses = lambda _: True
        with pytest.raises(Unavailable, match="the store is away") as refusal:
            await w.emit(1)
        assert refusal.value.retry_after == 1.0
        await w.live(30.0)
        before = len(w.receiver.seen)
        await w.live(30.0)
        assert len(w.receiver.seen) == before
        store.refuses = lambda _: False
        ids += await w.emit(50)
        await w.until_done(within=60.0)
        assert {seen.webhook_id for seen in w.receiver.seen} == set(ids)
        assert await w.states() == {DeliveryState.DELIVERED: 100}


@given(
    spans=st.lists(
        st.tuples(st.sets(st.sampled_from(VERBS), min_size=1), st.booleans(), st.floats(0.05, 15.0), st.floats(0.0, 3.0)),
        min_size=1,
        max_size=5,
    ),
    ordering=st.sampled_from(Ordering),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
@virtual
async def test_whatever_the_store_refuses_or_loses_for_a_while_nothing_acknowledged_is_lost(
    spans: list[tuple[set[str], bool, float, float]], ordering: Ordering, seed: int
) -> None:
    async with world(lambda seen: Reply(status=503 if seen.nth == 1 else 200, after=0.05), seed=seed) as w:
        store = w.nodes["a"].store
        await w.subscribe("/a", retry=QUICK, ordering=ordering, max_in_flight=3)
        await w.subscribe("/b", retry=QUICK)
        acknowledged: set[str] = set()
        for verbs, loses, span, pause in spans:
            acknowledged.update(await w.emit(5, ordering_key="k"))
            await w.live(pause)
            if loses:
                store.loses = verbs.__contains__
            else:
                store.refuses = verbs.__contains__
            end = now() + span
            while now() < end:
                with contextlib.suppress(Unavailable):
                    acknowledged.update(await w.emit(2, ordering_key="l"))
                await w.live(span / 4)
            store.refuses = store.loses = lambda _: False
        await w.until_done(within=600.0, step=0.5)
        for path in ("/a", "/b"):
            assert {seen.webhook_id for seen in w.receiver.at(path)} >= acknowledged
        assert (await w.states()).keys() == {DeliveryState.DELIVERED}


@virtual
async def test_an_emit_whose_answer_was_lost_is_repeated_without_a_second_event() -> None:
    async with world() as w:
        await w.subscribe()
        store = w.nodes["a"].store
        store.loses = lambda verb: verb == "append"
        with pytest.raises(Unavailable):
            await w.client.emit("a.b", 1, idempotency_key="k")
        store.loses = lambda _: False
        again = await w.client.emit("a.b", 1, idempotency_key="k")
        assert again.duplicate
        await w.until_done(within=10.0)
        assert webhook_ids(w.receiver.seen) == {again.event_id: 1}


@pytest.mark.parametrize("ordering", Ordering)
def test_a_cancel_that_fails_changes_nothing(ordering: Ordering) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda _: Reply(after=1.0)) as w:
            await w.subscribe(max_in_flight=1, ordering=ordering)
            await w.emit(5, ordering_key="k")
            await w.live(0.1)
            victim = (await w.deliveries())[2]
            w.nodes["a"].store.refuses = lambda verb: verb == "cancel"
            with pytest.raises(Unavailable):
                await w.client.deliveries.cancel(victim.id)
            await w.until_done(within=30.0)
            assert await w.states() == {DeliveryState.DELIVERED: 5}
            assert set(webhook_ids(w.receiver.seen).values()) == {1}

    run()


@virtual
async def test_more_than_may_wait_for_the_disk_is_refused() -> None:
    async with world(config=replace(CONFIG, max_unacknowledged=10)) as w:
        with pytest.raises(ResourceExhausted) as refusal:
            await w.emit(11)
        assert refusal.value.retry_after
        assert len(await w.emit(10)) == 10


@virtual
async def test_a_stop_finishes_what_is_on_the_wire_and_leaves_the_rest_pending() -> None:
    async with world(lambda _: Reply(after=2.0)) as w:
        await w.subscribe(max_in_flight=4)
        await w.emit(20)
        await w.live(1.0)
        node = w.nodes["a"]
        began = now()
        await node.run(node.client.close())
        assert now() - began == pytest.approx(1.0, abs=0.1)
        assert len(w.receiver.seen) == len(w.receiver.answered) == 4
        with pytest.raises(Closed):
            await node.client.emit("a.b", 1)
        await w.node("a")
        assert await w.states() == {DeliveryState.DELIVERED: 4, DeliveryState.PENDING: 16}
        await w.until_done(within=60.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}


@pytest.mark.parametrize("policy", [QUICK, NO_RETRY], ids=["retried", "never retried"])
def test_a_stop_cuts_off_what_hangs_after_the_grace_and_it_is_tried_again_by_the_next_node(policy: RetryPolicy) -> None:
    """Not the receiver failed but we stopped: that never exhausts a delivery."""

    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(after=math.inf) if seen.nth == 1 else OK, config=replace(CONFIG, grace=3.0)) as w:
            await w.subscribe(retry=policy)
            await w.emit(5)
            await w.live(0.5)
            node = w.nodes["a"]
            began = now()
            await node.run(node.client.close())
            assert now() - began == pytest.approx(3.0, abs=0.1)
            await w.node("a")
            began = now()
            await w.until_done(within=5.0)
            assert await w.states() == {DeliveryState.DELIVERED: 5}
            first, second = await w.client.deliveries.attempts((await w.deliveries())[0].id)
            assert (first.error, first.duration) == (ErrorClass.INTERRUPTED, pytest.approx(3.5, abs=0.1))
            assert second.status == 200

    run()


@virtual
async def test_a_stop_ends_even_when_the_store_is_away() -> None:
    async with world(lambda _: Reply(after=1.0)) as w:
        await w.subscribe()
        await w.emit(5)
        await w.live(0.5)
        node = w.nodes["a"]
        node.store.refuses = lambda _: True
        began = now()
        with contextlib.suppress(Unavailable):
            await node.run(node.client.close())
        assert now() - began <= 2 * CONFIG.grace + 5.0


@virtual
async def test_emits_under_way_when_it_stops_are_answered() -> None:
    async with world() as w:
        await w.subscribe()
        node = w.nodes["a"]
        node.store.before = lambda: 0.5
        emit = w.emit(5)
        answer = node.run(emit)
        stop = node.run(node.client.close())
        ids, _ = await asyncio.gather(answer, stop)
        assert len(ids) == 5
