"""Delivering: retries, what ends them, and what people do by hand."""

import asyncio

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.policies import LATER, ONCE, TWICE
from client.receiver import CLOSE, HANG, Answer, Receiver
from ports import lasting_port

from hookline import Client, DeliveryState, ErrorClass, HoldKind, Ordering, SubscriptionSpec, SubscriptionState
from hookline.errors import FailedPrecondition, HooklineError, NotFound


async def test_a_delivery_is_tried_again_until_it_succeeds(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe()
    receiver.script(500, 503, CLOSE, 404, 200)
    result = await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.DELIVERED)
    attempts = await client.deliveries.attempts(change.delivery.id)
    assert [attempt.status for attempt in attempts] == [500, 503, 0, 404, 200]
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4, 5]
    assert [attempt.error for attempt in attempts] == [
        ErrorClass.STATUS,
        ErrorClass.STATUS,
        ErrorClass.CONNECTION,
        ErrorClass.STATUS,
        None,
    ]
    assert {attempt.run for attempt in attempts} == {1}
    assert {request.webhook_id for request in receiver.received} == {result.event_id}
    assert (change.delivery.attempts, change.delivery.run) == (5, 1)
    assert change.delivery.finish_time is not None


async def test_every_attempt_is_signed_anew_with_the_same_id(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    receiver.script(500)
    await client.emit("a", {})
    await changes.until(DeliveryState.DELIVERED)
    (secret,) = await client.subscriptions.get_secret(subscription.id)
    first, second = receiver.received
    assert first.verified(secret.value) == second.verified(secret.value)
    assert first.webhook_id == second.webhook_id
    assert first.body == second.body


async def test_an_exhausted_delivery_starts_a_second_run_when_it_is_retried_by_hand(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(retry=TWICE)
    receiver.script(500, 500)
    await client.emit("a", {})
    (exhausted,) = await changes.until(DeliveryState.EXHAUSTED)
    again = await client.deliveries.retry(exhausted.delivery.id)
    assert (again.id, again.run) == (exhausted.delivery.id, 2)
    (delivered,) = await changes.until(DeliveryState.DELIVERED)
    assert delivered.delivery.run == 2
    attempts = await client.deliveries.attempts(exhausted.delivery.id)
    assert [(attempt.run, attempt.number) for attempt in attempts] == [(1, 1), (1, 2), (2, 1)]
    assert len({request.webhook_id for request in receiver.received}) == 1


async def test_a_delivery_that_waits_is_retried_at_once_by_hand(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(retry=LATER)
    receiver.script(500)
    await client.emit("a", {})
    (waiting,) = await changes.attempts(1)
    delivery = await client.deliveries.get(waiting.delivery.id)
    assert delivery.state is DeliveryState.PENDING
    assert delivery.hold is not None
    assert delivery.hold.kind is HoldKind.RETRY
    assert delivery.hold.until == delivery.next_attempt_time
    await client.deliveries.retry(delivery.id)
    (delivered,) = await changes.until(DeliveryState.DELIVERED)
    assert delivered.delivery.run == 1


async def test_a_delivery_that_waits_for_the_end_of_another_request_says_so(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(max_in_flight=1)
    receiver.script(HANG)
    await client.emit("a", {})
    (request,) = await receiver.wait()
    second = await client.emit("a", {})
    (waiting,) = (await client.deliveries.list(event_id=second.event_id)).items
    assert waiting.hold is not None
    assert waiting.hold.kind is HoldKind.CONCURRENCY
    assert "max_in_flight" in waiting.hold.reason
    (first,) = (await client.deliveries.list(event_id=request.webhook_id)).items
    assert first.hold is None
    receiver.release()
    await changes.until(DeliveryState.DELIVERED, count=2)


async def test_many_are_retried_in_one_call_each_with_its_own_outcome(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(retry=ONCE)
    receiver.script(500, 500)
    for _ in range(2):
        await client.emit("a", {})
    exhausted = await changes.until(DeliveryState.EXHAUSTED, count=2)
    ids = [change.delivery.id for change in exhausted]
    first, missing, second = await client.deliveries.retry_many([ids[0], "dlv_none", ids[1]])
    assert isinstance(missing, NotFound)
    assert not isinstance(first, HooklineError)
    assert not isinstance(second, HooklineError)
    assert [first.id, second.id] == ids
    await changes.until(DeliveryState.DELIVERED, count=2)


async def test_a_cancelled_delivery_is_not_tried_again(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(retry=LATER)
    receiver.script(500)
    await client.emit("a", {})
    (waiting,) = await changes.attempts(1)
    cancelled = await client.deliveries.cancel(waiting.delivery.id, reason="not wanted")
    assert (cancelled.state, cancelled.reason) == (DeliveryState.CANCELLED, "not wanted")
    await changes.until(DeliveryState.CANCELLED)
    assert (await client.deliveries.cancel(waiting.delivery.id)).state is DeliveryState.CANCELLED
    assert len(receiver.received) == 1


async def test_what_is_delivered_cannot_be_cancelled(client: Client, changes: Changes, subscribe: Subscribe) -> None:
    await subscribe()
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.DELIVERED)
    with pytest.raises(FailedPrecondition) as caught:
        await client.deliveries.cancel(change.delivery.id)
    assert "delivered" in caught.value.message


async def test_the_receiver_s_wish_to_be_called_later_is_granted(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe()
    receiver.script(Answer(status=503, headers={"Retry-After": "1"}))
    await client.emit("a", {})
    await changes.until(DeliveryState.DELIVERED)
    first, second = receiver.received
    assert second.at - first.at >= 0.9


async def test_a_gone_receiver_disables_its_subscription_until_it_is_resumed(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    receiver.script(410)
    await client.emit("a", {"n": 1})
    await changes.attempts(1)
    # It is disabled just after the attempt is on disk.
    async with asyncio.timeout(60):
        while (found := await client.subscriptions.get(subscription.id)).state is SubscriptionState.ACTIVE:
            pass
    assert found.state is SubscriptionState.DISABLED
    assert "410" in found.state_reason
    held = await client.emit("a", {"n": 2})
    (waiting,) = (await client.deliveries.list(event_id=held.event_id)).items
    assert waiting.hold is not None
    assert waiting.hold.kind is HoldKind.DISABLED
    await client.subscriptions.resume(subscription.id)
    await changes.until(DeliveryState.DELIVERED, count=2)


async def test_a_receiver_that_hangs_is_given_up_after_the_timeout(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(timeout=1.0)
    receiver.script(HANG)
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.DELIVERED)
    # On a machine that stood still the good one may have been late too.
    *late, good = await client.deliveries.attempts(change.delivery.id)
    assert {attempt.error for attempt in late} == {ErrorClass.TIMEOUT}
    assert 0.9 <= min(attempt.duration for attempt in late) < 15.0, "its own timeout, not the usual one"
    assert good.status == 200


async def test_a_redirect_is_not_followed(client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe) -> None:
    await subscribe(retry=ONCE)
    receiver.script(Answer(status=302, headers={"Location": receiver.url("/elsewhere")}))
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.EXHAUSTED)
    (attempt,) = await client.deliveries.attempts(change.delivery.id)
    assert attempt.error is ErrorClass.REDIRECT
    assert receiver.at("/elsewhere") == []


async def test_the_first_bytes_of_the_answer_are_kept(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(retry=ONCE)
    receiver.script(Answer(status=422, body=b"no such order" + b"." * 20_000))
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.EXHAUSTED)
    (attempt,) = await client.deliveries.attempts(change.delivery.id)
    assert attempt.answer.startswith(b"no such order")
    assert len(attempt.answer) <= 16 * 1024
    assert attempt.address.startswith("127.0.0.1")


async def test_no_more_requests_are_in_flight_than_the_subscription_allows(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe("/narrow", max_in_flight=2, event_types=("narrow",))
    await subscribe("/other", event_types=("other",))
    receiver.always(HANG, path="/narrow")
    for _ in range(5):
        await client.emit("narrow", {})
    await receiver.wait(2, path="/narrow")
    await client.emit("other", {})
    await receiver.wait(1, path="/other")
    assert len(receiver.at("/narrow")) == 2
    receiver.release()
    await changes.until(DeliveryState.DELIVERED, count=6)


async def test_events_with_the_same_key_are_delivered_in_their_order(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(ordering=Ordering.BY_KEY)
    receiver.script(500, 500, 500)
    for number in range(30):
        await client.emit("a", {"n": number}, ordering_key=f"key-{number % 3}", id=f"{number % 3}-{number:02}")
    await changes.until(DeliveryState.DELIVERED, count=30)
    order: dict[str, list[str]] = {"0": [], "1": [], "2": []}
    for request in receiver.received:
        arrived = order[request.webhook_id[0]]
        if request.webhook_id not in arrived:
            arrived.append(request.webhook_id)
    for arrived in order.values():
        assert arrived == sorted(arrived)


async def test_a_delivery_behind_another_of_its_key_says_which_one_it_waits_for(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe(ordering=Ordering.BY_KEY, retry=LATER)
    receiver.script(500)
    await client.emit("a", {}, ordering_key="k")
    (failed,) = await changes.until(DeliveryState.PENDING)
    follower = await client.emit("a", {}, ordering_key="k")
    (waiting,) = (await client.deliveries.list(event_id=follower.event_id)).items
    assert waiting.hold is not None
    assert waiting.hold.kind is HoldKind.ORDERING
    assert failed.delivery.id in waiting.hold.reason


async def test_the_numbers_tell_how_many_deliveries_stand_where(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    good = await subscribe("/good", event_types=("good",))
    bad = await subscribe("/bad", event_types=("bad",), retry=ONCE)
    held = await subscribe("/held", event_types=("held",))
    await client.subscriptions.pause(held.id)
    receiver.always(500, path="/bad")
    for kind in ("good", "good", "bad", "held"):
        await client.emit(kind, {})
    await changes.until(DeliveryState.DELIVERED, count=2)
    await changes.until(DeliveryState.EXHAUSTED)
    stats = await client.deliveries.stats()
    assert (stats.pending, stats.delivered, stats.exhausted, stats.cancelled) == (1, 2, 1, 0)
    assert stats.oldest_pending_age > 0
    assert stats.by_subscription[good.id].delivered == 2
    assert stats.by_subscription[bad.id].exhausted == 1
    assert stats.by_subscription[held.id].pending == 1


async def test_a_receiver_that_refuses_connections_is_tried_again(client: Client, changes: Changes) -> None:
    await client.subscriptions.create(SubscriptionSpec(url=f"http://127.0.0.1:{lasting_port()}/", retry=TWICE))
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.EXHAUSTED)
    attempts = await client.deliveries.attempts(change.delivery.id)
    assert [attempt.error for attempt in attempts] == [ErrorClass.REFUSED, ErrorClass.REFUSED]
