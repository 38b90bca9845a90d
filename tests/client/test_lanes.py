"""A subscription with several lanes, by every door: what its caller sees is one subscription."""

from collections import defaultdict

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.receiver import Receiver

from hookline import Client, DeliveryState, EventSpec, Ordering, SubscriptionSpec
from hookline.errors import InvalidArgument

KEYS = 7
EVENTS = 60


async def test_every_event_of_a_split_subscription_arrives_once_and_in_the_order_of_its_key(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscription = await subscribe(lanes=5, ordering=Ordering.BY_KEY)
    assert (await client.subscriptions.get(subscription.id)).lanes == 5
    for number in range(EVENTS):
        await client.emit("a", {}, id=f"e{number}", ordering_key=f"key-{number % KEYS}")
    requests = await receiver.wait(EVENTS)
    by_key = defaultdict(list)
    for request in requests:
        number = int(request.webhook_id[1:])
        by_key[number % KEYS].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert sorted(number for numbers in by_key.values() for number in numbers) == list(range(EVENTS))


async def test_it_is_listed_counted_and_deleted_as_one(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    subscription = await subscribe(lanes=4)
    await client.emit_many([EventSpec(type="a", data=b"{}", id=f"e{number}") for number in range(20)])
    await receiver.wait(20)
    for number in range(20):
        await changes.until(DeliveryState.DELIVERED, event_id=f"e{number}")
    found = await client.deliveries.list(subscription_id=subscription.id)
    assert {one.event_id for one in found.items} == {f"e{number}" for number in range(20)}
    assert {one.subscription_id for one in found.items} == {subscription.id}
    assert (await client.deliveries.stats()).by_subscription[subscription.id].delivered == 20
    (attempt,) = await client.deliveries.attempts(found.items[0].id)
    assert attempt.subscription_id == subscription.id
    await client.subscriptions.pause(subscription.id)
    await client.emit_many([EventSpec(type="a", data=b"{}", id=f"f{number}") for number in range(20)])
    await client.subscriptions.delete(subscription.id)
    for number in range(20):
        await changes.until(DeliveryState.CANCELLED, event_id=f"f{number}")
    assert len((await client.deliveries.list(state=DeliveryState.CANCELLED, subscription_id=subscription.id)).items) == 20
    assert len(receiver.received) == 20


async def test_the_number_is_changed_by_an_update_and_refused_with_an_order(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    assert subscription.lanes == 1
    spec = SubscriptionSpec(url=subscription.url, lanes=3)
    assert (await client.subscriptions.update(subscription.id, spec, fields=["lanes"])).lanes == 3
    await client.emit_many([EventSpec(type="a", data=b"{}") for _ in range(10)])
    await receiver.wait(10)
    ordered = await subscribe("/ordered", lanes=2, ordering=Ordering.BY_KEY, event_types=("b",))
    with pytest.raises(InvalidArgument) as refused:
        await client.subscriptions.update(ordered.id, SubscriptionSpec(url=ordered.url, lanes=3), fields=["lanes"])
    assert [one.field for one in refused.value.violations] == ["subscription.lanes"]
    with pytest.raises(InvalidArgument) as refused:
        await subscribe("/narrow", lanes=5, max_in_flight=4)
    assert [one.field for one in refused.value.violations] == ["subscription.max_in_flight"]
