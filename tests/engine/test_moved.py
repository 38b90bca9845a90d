"""What is retried or cancelled by hand just as its outcome is written, or unheard of, or by somebody with another clock."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from engine.virtual import OK, Reply, Seen, at, now, virtual, webhook_ids, world

from hookline.clock import micros
from hookline.model import DeliveryState, EventSpec, Ordering, RetryPolicy, Steps
from hookline.store.protocol import DueAnswer, DueRequest

PATIENT = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=10, jitter=0.0)
HOURLY = RetryPolicy(schedule=Steps(delays=(3_600.0,)), max_attempts=4, jitter=0.0)


def failing_first(*names: str) -> Callable[[Seen], Reply]:
    """The first attempt of each of these fails."""
    return lambda seen: Reply(status=500 if seen.nth == 1 and seen.webhook_id in names else 200)


@virtual
async def test_a_head_made_due_by_somebody_whose_clock_is_behind_stays_before_what_follows_it() -> None:
    async with world(failing_first("early", "head")) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT)
        await w.emit(1, id="early", ordering_key="other")
        await w.live(2.0)
        for name in ("head", "second", "third"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(4.0)  # by now the other key's retry was read, with all that was due before it
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        w.nodes["a"].store.deaf = True
        assert await w.store.requeue("acme", head.id, at=micros(at(4.0)))
        await w.until_done(within=10.0)
    assert [seen.webhook_id for seen in w.receiver.seen] == ["early", "head", "early", "head", "second", "third"]


@virtual
async def test_a_head_moved_while_it_is_under_way_stays_before_what_follows_it() -> None:
    def script(seen: Seen) -> Reply:
        if seen.webhook_id == "head":
            return Reply(status=500 if seen.nth < 3 else 200, after=1.0 if seen.nth == 2 else 0.0)
        return OK

    async with world(script) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT)
        for name in ("head", "second", "third"):
            await w.emit(1, id=name, ordering_key="k")
        await w.until(lambda: len(w.receiver.seen) == 2, within=10.0)
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        store = w.nodes["a"].store
        assert await w.store.requeue("acme", head.id, at=micros(at(now() - 2.0)))  # by a clock that is behind
        await w.live(0.5)
        store.slow["claim"] = (0.0, 1.0)  # a read is under way when the outcome is written
        await w.emit(1, id="x", ordering_key="x")
        await w.until_done(within=20.0)
    of_key = [seen.webhook_id for seen in w.receiver.seen if seen.webhook_id != "x"]
    assert of_key == ["head", "head", "head", "second", "third"]


@virtual
async def test_a_scheduled_head_whose_outcome_is_repeated_and_that_is_retried_unheard_stays_before_what_follows_it() -> None:
    async with world() as w:
        await w.subscribe(ordering=Ordering.BY_KEY)
        store = w.nodes["a"].store
        store.loses = lambda verb: verb == "settle"
        scheduled = EventSpec(type="a.b", data=b"0", id="head", ordering_key="k", not_before_time=at(3_600.0))
        await w.client.emit_many([scheduled, replace(scheduled, id="second", not_before_time=None)])
        await w.live(1.0)
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        store.deaf = True
        assert await w.store.requeue("acme", head.id, at=micros(at(now())))
        await w.live(0.01)
        store.loses = lambda _: False
        await w.until_done(within=20.0)
    assert [seen.webhook_id for seen in w.receiver.seen] == ["head", "second"]


@pytest.mark.parametrize("ordering", Ordering)
def test_a_retry_by_hand_counts_though_the_outcome_before_it_is_answered_later(ordering: Ordering) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(status=500 if seen.nth == 1 else 200)) as w:
            await w.subscribe(retry=HOURLY, ordering=ordering)
            w.nodes["a"].store.slow["settle"] = (0.0, 1.0)  # written at once, answered a second later
            await w.emit(1, ordering_key="k" if ordering is Ordering.BY_KEY else "")
            await w.live(0.5)
            (delivery,) = await w.deliveries()
            await w.client.deliveries.retry(delivery.id)
            await w.until_done(within=10.0)

    run()


@virtual
async def test_a_head_cancelled_before_its_outcome_is_answered_lets_its_key_go_on() -> None:
    async with world(lambda seen: Reply(status=500 if seen.webhook_id == "head" else 200)) as w:
        await w.subscribe(retry=HOURLY, ordering=Ordering.BY_KEY)
        w.nodes["a"].store.slow["settle"] = (0.0, 1.0)
        for name in ("head", "second"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(0.5)
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        await w.client.deliveries.cancel(head.id)
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.DELIVERED: 1, DeliveryState.CANCELLED: 1}


@virtual
async def test_a_cancelled_head_is_missed_though_another_work_is_settled_while_all_is_read() -> None:
    def script(seen: Seen) -> Reply:
        if seen.webhook_id == "other" and seen.nth == 2:
            return Reply(after=0.2)
        return failing_first("early", "other", "head")(seen)

    async with world(script) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT)
        await w.emit(1, id="early", ordering_key="e")
        await w.live(2.0)
        await w.emit(1, id="other", ordering_key="o")
        for name in ("head", "second"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(4.0)  # the retry of "early" was read, and is over
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        store = w.nodes["a"].store
        store.deaf = True
        assert await w.store.cancel("acme", head.id, reason="by hand", at=micros(at(6.0)))
        store.slow["due"] = (0.0, 0.5)
        await w.until_done(within=10.0)


@pytest.mark.parametrize("cut", [3, 500])
def test_all_that_waits_is_read_anew_only_once_for_a_head_that_is_missing_however_small_an_answer_is(cut: int) -> None:
    @virtual
    async def run() -> None:
        def script(seen: Seen) -> Reply:
            if seen.nth == 1 and seen.webhook_id != "second":
                return Reply(status=500)
            return Reply(after=50.0) if seen.webhook_id.startswith("slow") else OK

        async with world(script) as w:
            await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT, timeout=60.0, max_in_flight=20)
            await w.emit(1, id="early", ordering_key="e")
            await w.live(2.0)
            for number in range(5):
                await w.emit(1, id=f"slow-{number}", ordering_key=f"s{number}")
            for name in ("head", "second"):
                await w.emit(1, id=name, ordering_key="k")
            await w.live(4.0)
            head = next(one for one in await w.deliveries() if one.event_id == "head")
            store = w.nodes["a"].store
            store.deaf = True
            assert await w.store.cancel("acme", head.id, reason="by hand", at=micros(at(6.0)))
            reads = 0

            async def due(requests: Sequence[DueRequest]) -> list[DueAnswer]:
                nonlocal reads
                reads += 1
                answers = await store.inner.due(requests)
                return [one if len(one.works) <= cut else DueAnswer(one.works[:cut], one.next_due, True) for one in answers]

            store.due = due  # type: ignore[attr-defined]  # instead of the one behind it
            await w.live(4.0)
            assert reads < 30
            assert "second" in webhook_ids(w.receiver.seen)

    run()


@virtual
async def test_held_deliveries_are_discarded_by_somebody_whose_clock_is_behind() -> None:
    async with world() as w:
        other = await w.node("b", deliver=False)
        subscription = await w.subscribe()
        await w.client.subscriptions.pause(subscription.id)
        await w.live(5.0)
        await w.emit(3)
        other.clock.stopped_at = 1.0
        await other.run(other.client.subscriptions.resume(subscription.id, discard_held=True))
        await w.live(5.0)
        assert await w.states() == {DeliveryState.CANCELLED: 3}
