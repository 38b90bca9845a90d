"""Subscriptions: changing what is delivered where, while it is being delivered."""

import asyncio
import json

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.doors import Door
from client.policies import LATER
from client.receiver import Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from hookline import Client, DeliveryState, EventSpec, HoldKind, Steps, SubscriptionSpec, SubscriptionState
from hookline.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from hookline.model import RetryPolicy
from hookline.signing import generate_secret


async def test_a_pause_holds_deliveries_and_a_resume_makes_them(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    paused = await client.subscriptions.pause(subscription.id, reason="maintenance", actor="Ada Löve <ada@example.com>")
    assert (paused.state, paused.state_reason) == (SubscriptionState.PAUSED, "maintenance")
    assert paused.state_actor == "Ada Löve <ada@example.com>"
    result = await client.emit("a", {})
    (held,) = (await client.deliveries.list(event_id=result.event_id)).items
    assert held.hold is not None
    assert held.hold.kind is HoldKind.PAUSED
    assert "maintenance" in held.hold.reason
    assert "paused by Ada Löve <ada@example.com> at " in held.hold.reason
    assert receiver.received == []
    again = await client.subscriptions.pause(subscription.id, actor="somebody else")
    assert (again.state, again.state_actor) == (SubscriptionState.PAUSED, paused.state_actor), "the first pause stands"
    resumed = await client.subscriptions.resume(subscription.id)
    assert (resumed.state, resumed.state_reason, resumed.state_actor) == (SubscriptionState.ACTIVE, "", "")
    await changes.until(DeliveryState.DELIVERED, event_id=result.event_id)


@pytest.mark.parametrize("actor", ["ö" * 65, "nul\0"])
async def test_who_pauses_is_text_of_at_most_128_bytes(client: Client, subscribe: Subscribe, actor: str) -> None:
    subscription = await subscribe()
    with pytest.raises(InvalidArgument, match="actor"):
        await client.subscriptions.pause(subscription.id, actor=actor)
    assert (await client.subscriptions.get(subscription.id)).state is SubscriptionState.ACTIVE


async def test_an_update_takes_effect_on_the_next_attempt(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe("/old", retry=LATER)
    receiver.always(500, path="/old")
    await client.emit("a", {})
    (waiting,) = await changes.attempts(1)
    spec = SubscriptionSpec(url=receiver.url("/new"), description="not named, not set")
    updated = await client.subscriptions.update(subscription.id, spec, fields=["url"])
    assert (updated.url, updated.description) == (receiver.url("/new"), "")
    await client.deliveries.retry(waiting.delivery.id)
    await changes.until(DeliveryState.DELIVERED)
    assert len(receiver.at("/old")) == len(receiver.at("/new")) == 1


async def test_an_update_of_the_event_types_routes_what_is_emitted_next(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe(event_types=("a",))
    spec = SubscriptionSpec(url=subscription.url, event_types=("b.*",))
    await client.subscriptions.update(subscription.id, spec, fields=["event_types"])
    await client.emit("a", {}, id="unwanted")
    await client.emit("b.c", {}, id="wanted")
    await changes.until(DeliveryState.DELIVERED)
    assert [request.webhook_id for request in receiver.received] == ["wanted"]
    assert (await client.deliveries.list(event_id="unwanted")).items == ()


async def test_an_update_without_fields_sets_all_but_the_secret(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    subscription = await subscribe(description="before", labels={"team": "a"})
    before = await client.subscriptions.get_secret(subscription.id)
    retry = RetryPolicy(schedule=Steps(delays=(1.0, 2.5)), max_attempts=3, max_elapsed=60.0, jitter=0.2, count_paused=False)
    spec = SubscriptionSpec(
        url=receiver.url("/x"), event_types=("b",), description="after", headers={"X-Team": "b"}, retry=retry, timeout=3.5
    )
    updated = await client.subscriptions.update(subscription.id, spec)
    assert (updated.description, updated.event_types, dict(updated.labels)) == ("after", ("b",), {})
    assert (dict(updated.headers), updated.retry, updated.timeout) == ({"X-Team": "b"}, retry, 3.5)
    assert updated == await client.subscriptions.get(subscription.id)
    assert await client.subscriptions.get_secret(subscription.id) == before


async def test_a_change_with_a_stale_etag_is_refused(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    spec = SubscriptionSpec(url=subscription.url, description="mine")
    updated = await client.subscriptions.update(subscription.id, spec, fields=["description"], etag=subscription.etag)
    assert updated.etag != subscription.etag
    for refused in (
        client.subscriptions.update(subscription.id, spec, etag=subscription.etag),
        client.subscriptions.delete(subscription.id, etag=subscription.etag),
    ):
        with pytest.raises(Conflict) as caught:
            await refused
        assert caught.value.code == "ETAG_MISMATCH"
    await client.subscriptions.delete(subscription.id, etag=updated.etag)


@pytest.mark.parametrize("field", ["secret", "state", "nonsense"])
async def test_only_what_a_caller_may_set_can_be_updated(client: Client, subscribe: Subscribe, field: str) -> None:
    subscription = await subscribe()
    with pytest.raises(InvalidArgument) as caught:
        await client.subscriptions.update(subscription.id, SubscriptionSpec(url=subscription.url), fields=["url", field])
    assert [each.field for each in caught.value.violations] == ["fields[1]"]


async def test_a_deleted_subscription_takes_what_is_pending_with_it(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe(retry=LATER)
    receiver.always(500)
    result = await client.emit("a", {})
    await changes.attempts(1)
    await client.subscriptions.delete(subscription.id)
    (change,) = await changes.until(DeliveryState.CANCELLED)
    assert change.delivery.event_id == result.event_id
    assert "delete" in change.delivery.reason
    with pytest.raises(NotFound):
        await client.subscriptions.get(subscription.id)
    await client.emit("a", {}, id="after")
    assert (await client.deliveries.list(event_id="after")).items == ()


async def test_both_secrets_sign_while_a_rotation_overlaps(
    client: Client, door: Door, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    (old,) = await client.subscriptions.get_secret(subscription.id)
    new = await client.subscriptions.rotate_secret(subscription.id, overlap=3600.0)
    current, former = await client.subscriptions.get_secret(subscription.id)
    assert (current.value, former.value) == (new.value, old.value)
    assert current.expire_time is None
    assert former.expire_time is not None
    await client.emit("a", {})
    (request,) = await receiver.wait()
    assert request.verified(old.value) == request.verified(new.value)
    last = await client.subscriptions.rotate_secret(subscription.id, overlap=0.0, secret=generate_secret("standard"))
    # What is known of PostgreSQL's clock, by which requests are signed, may be a little behind it.
    await asyncio.sleep(max(0.0, -(await door.run(door.core.engine())).store.clock_offset))
    await client.emit("b", {})
    *_, request = await receiver.wait(2)
    request.verified(last.value)
    with pytest.raises(WebhookVerificationError):
        request.verified(new.value)


async def test_a_repeated_request_id_answers_with_the_first_subscription(client: Client, receiver: Receiver) -> None:
    spec = SubscriptionSpec(url=receiver.url())
    first = await client.subscriptions.create(spec, request_id="request-1")
    again = await client.subscriptions.create(spec, request_id="request-1")
    other = await client.subscriptions.create(spec, request_id="request-2")
    assert first.id == again.id != other.id
    assert len((await client.subscriptions.list()).items) == 2
    with pytest.raises(AlreadyExists):
        await client.subscriptions.create(SubscriptionSpec(url=receiver.url("/other")), request_id="request-1")


async def test_a_repeated_rotation_answers_with_the_first_secret(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    first = await client.subscriptions.rotate_secret(subscription.id, request_id="rotation-1")
    again = await client.subscriptions.rotate_secret(subscription.id, request_id="rotation-1")
    assert first.value == again.value
    assert len(await client.subscriptions.get_secret(subscription.id)) == 2


async def test_a_chosen_secret_signs_and_no_answer_shows_it(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    secret = generate_secret("standard")
    subscription = await subscribe(secret=secret)
    shown = [subscription, await client.subscriptions.get(subscription.id), *(await client.subscriptions.list()).items]
    assert all(each.secrets == () for each in shown)
    assert secret not in repr(shown)
    await client.emit("a", {})
    (request,) = await receiver.wait()
    request.verified(secret)


async def test_own_headers_go_with_every_request(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    await subscribe(headers={"Authorization": "Bearer of-the-receiver"})
    await client.emit("a", {})
    (request,) = await receiver.wait()
    assert request.headers["authorization"] == "Bearer of-the-receiver"


async def test_a_test_event_is_sent_at_once_and_leaves_no_delivery(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    receiver.script(503)
    (secret,) = await client.subscriptions.get_secret(subscription.id)
    result = await client.subscriptions.test(subscription.id, EventSpec(type="invoice.paid", data=b'{"n": 1}'))
    (request,) = await receiver.wait()
    assert request.verified(secret.value)["data"] == {"n": 1}
    assert result.attempt is not None
    assert (result.attempt.status, result.body) == (503, request.body)
    assert (await client.deliveries.list()).items == ()


async def test_a_dry_run_shows_the_request_and_sends_nothing(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    result = await client.subscriptions.test(subscription.id, dry_run=True)
    assert result.attempt is None
    assert result.url == subscription.url
    assert json.loads(result.body)["type"] == "hookline.test"
    assert "webhook-signature" in {name.lower() for name, _ in result.headers}
    assert receiver.received == []


async def test_subscriptions_are_listed_page_by_page_in_the_order_of_their_creation(client: Client, subscribe: Subscribe) -> None:
    made = [(await subscribe(f"/{index}")).id for index in range(5)]
    found: list[str] = []
    token = ""
    while True:
        page = await client.subscriptions.list(page_size=2, page_token=token)
        found += [subscription.id for subscription in page.items]
        token = page.next_page_token
        if not token:
            break
    assert found == made
