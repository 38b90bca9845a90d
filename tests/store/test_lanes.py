"""A subscription that is split into lanes is one subscription to whoever asks, and several queues to those who deliver."""

from dataclasses import replace

from store.making import NOON, TENANT, Yard, make_event, make_job, make_subscription, outcome, route, unique

from hookline.lanes import lane_names
from hookline.model import DeliveryState, Subscription
from hookline.store import Store
from hookline.store.protocol import NOBODY, ClaimRequest, DeliveryFilter, JobDelivery, JobKind, LaneKey, Result, Work


async def split(store: Store, lanes: int = 3) -> tuple[Yard, Subscription]:
    """A subscription with several lanes, and a node that holds them all."""
    node = await store.join()
    subscription = replace(make_subscription(unique("sub")), lanes=lanes)
    await store.add_subscription(subscription, owner=node)
    return Yard(store, node, lane_names(subscription.id, lanes), TENANT), subscription


async def each(yard: Yard) -> list[Work]:
    """One event for every lane; the works, in the lanes' order."""
    await yard.append(make_event())
    answers = await yard.store.claim([ClaimRequest(LaneKey(TENANT, lane), None, 10) for lane in yard.lanes])
    return [answer.works[-1] for answer in answers]


async def test_the_lanes_are_born_with_the_living_nodes_in_turn(store: Store) -> None:
    first, second, third = sorted([await store.join(), await store.join(), await store.join()])
    name = unique("sub")
    await store.add_subscription(replace(make_subscription(name), lanes=5), owner=second)
    owned = {node: [one.key.lane for one in await store.mine(node)] for node in (first, second, third)}
    assert owned == {second: [name, f"{name}/3"], third: [f"{name}/1", f"{name}/4"], first: [f"{name}/2"]}


async def test_lanes_that_nobody_owns_are_swept(store: Store) -> None:
    name = unique("sub")
    await store.add_subscription(replace(make_subscription(name), lanes=3), owner=NOBODY)
    node = await store.join()
    assert {one.key.lane for one in await store.sweep(node, 10)} == set(lane_names(name, 3))


async def test_a_greater_number_adds_lanes_and_a_smaller_one_leaves_them_standing(store: Store) -> None:
    node = await store.join()
    subscription = make_subscription(unique("sub"))
    await store.add_subscription(subscription, owner=node)
    for etag, lanes in (("2", 4), ("3", 2), ("4", 3)):
        changed = replace(subscription, lanes=lanes, etag=etag)
        assert await store.replace_subscription(changed, etag=str(int(etag) - 1))
        assert list(await store.lanes(TENANT, subscription.id)) == lane_names(subscription.id, 4)
    assert {one.key.lane: one.epoch for one in await store.mine(node)} == dict.fromkeys(lane_names(subscription.id, 4), 1)


async def test_lanes_say_whether_something_is_pending_in_them(store: Store) -> None:
    yard, subscription = await split(store)
    _, second, third = await each(yard)
    await store.settle(yard.node, [outcome(second), outcome(third, Result.WAIT, due=NOON)])
    first, second_lane, third_lane = yard.lanes
    assert await store.lanes(TENANT, subscription.id) == {first: True, second_lane: False, third_lane: True}
    assert await store.lanes(TENANT, unique("sub")) == {}


async def test_deliveries_of_all_lanes_are_found_by_their_subscription_and_by_every_state(store: Store) -> None:
    yard, subscription = await split(store)
    other = make_subscription(f"{subscription.id}0")  # its name begins with the other's
    await store.add_subscription(other, owner=yard.node)
    yard.lanes = [*yard.lanes, other.id]
    delivered, exhausted, waiting, _ = await each(yard)
    await store.settle(
        yard.node, [outcome(delivered), outcome(exhausted, Result.EXHAUSTED), outcome(waiting, Result.WAIT, due=NOON)]
    )
    *fresh, _ = await each(yard)

    async def found(event_id: str = "", state: DeliveryState | None = None) -> list[str]:
        which = DeliveryFilter(subscription_id=subscription.id, event_id=event_id, state=state)
        return [one.delivery.id for one in await store.deliveries(TENANT, which, before=None, limit=100)]

    newest_first = [work.delivery_id for work in sorted((delivered, exhausted, waiting, *fresh), key=lambda one: -one.pos)]
    assert await found() == newest_first
    assert await found(delivered.event.id) == newest_first[3:]
    assert await found(state=DeliveryState.DELIVERED) == [delivered.delivery_id]
    assert await found(state=DeliveryState.EXHAUSTED) == [exhausted.delivery_id]
    assert await found(state=DeliveryState.PENDING) == [one for one in newest_first if one not in await done(store)]
    page = await store.deliveries(TENANT, DeliveryFilter(subscription_id=subscription.id), before=None, limit=4)
    rest = await store.deliveries(TENANT, DeliveryFilter(subscription_id=subscription.id), before=page[-1].pos, limit=4)
    assert [one.delivery.id for one in (*page, *rest)] == newest_first
    assert {one.delivery.subscription_id for one in page} == {subscription.id}
    assert {one.lane for one in (*page, *rest)} == set(yard.lanes[:3])


async def done(store: Store) -> set[str]:
    every = await store.deliveries(TENANT, DeliveryFilter(), before=None, limit=100)
    return {one.delivery.id for one in every if one.delivery.state is not DeliveryState.PENDING}


async def test_counts_attempts_and_changes_are_the_subscriptions(store: Store) -> None:
    yard, subscription = await split(store)
    head = await store.head(TENANT)
    delivered, exhausted, _ = await each(yard)
    await store.settle(yard.node, [outcome(delivered), outcome(exhausted, Result.EXHAUSTED)])
    stats = await store.stats(TENANT, now=NOON)
    ours = stats.by_subscription[subscription.id]
    assert (ours.pending, ours.delivered, ours.exhausted, ours.cancelled) == (1, 1, 1, 0)
    assert not any("/" in name for name in stats.by_subscription)
    (attempt,) = await store.attempts(TENANT, exhausted.delivery_id)
    assert attempt.subscription_id == subscription.id
    changes = [one for one in await store.changes(TENANT, after=head, limit=10) if one.delivery.subscription_id == subscription.id]
    assert {(one.delivery.id, one.attempt and one.attempt.subscription_id) for one in changes} == {
        (delivered.delivery_id, subscription.id),
        (exhausted.delivery_id, subscription.id),
    }


async def test_cancelling_and_trying_again_by_hand_reach_every_lane(store: Store) -> None:
    yard, _ = await split(store)
    _, second, third = await each(yard)
    assert await store.cancel(TENANT, second.delivery_id, reason="by hand", at=NOON)
    await store.settle(yard.node, [outcome(third, Result.EXHAUSTED)])
    assert await store.requeue(TENANT, third.delivery_id, at=NOON)
    (claimed,) = await store.claim([ClaimRequest(LaneKey(TENANT, yard.lanes[2]), None, 10)])
    assert [(work.delivery_id, work.run) for work in claimed.works] == [(third.delivery_id, 2)]


async def test_a_removed_subscriptions_lanes_are_all_drained_and_over(store: Store) -> None:
    yard, subscription = await split(store)
    _, _, third = await each(yard)
    await store.settle(yard.node, [outcome(third, Result.WAIT, due=NOON)])
    await each(yard)
    job = make_job(JobKind.DRAIN, subscription.id)
    assert await store.remove_subscription(TENANT, subscription.id, etag="1", job=job)
    counts = []
    while (count := await store.drain(job, limit=2, reason="deleted", at=NOON)) > 0:
        counts.append(count)
    assert sum(counts) == 6
    assert max(counts) <= 2
    assert await store.mine(yard.node) == []
    assert await store.jobs() == []
    every = await store.deliveries(TENANT, DeliveryFilter(subscription_id=subscription.id), before=None, limit=10)
    assert [one.delivery.state for one in every] == [DeliveryState.CANCELLED] * 6


async def test_a_fan_out_reaches_lanes_that_were_added_since_and_no_later_subscription(store: Store) -> None:
    yard, subscription = await split(store, lanes=2)
    event = make_event()
    revision = await yard.revision()
    await store.append(yard.node, [route(event, revision=revision, fanout=True)])
    (job,) = await store.jobs()
    await store.replace_subscription(replace(subscription, lanes=4, etag="2"), etag="1")
    later = replace(make_subscription(unique("sub")), lanes=2)
    await store.add_subscription(later, owner=yard.node)
    lanes = [f"{subscription.id}/3", later.id, f"{later.id}/1"]
    deliveries = [JobDelivery(lane, unique("dlv"), event.id, event.id) for lane in lanes]
    assert await store.step(job, cursor="z", scanned=3, deliveries=deliveries, finished=True, at=NOON)
    every = await store.deliveries(TENANT, DeliveryFilter(event_id=event.id), before=None, limit=10)
    assert [one.lane for one in every] == [lanes[0]]
