"""A delivery that has stepped aside waits without its ordering key."""

from store.making import NOON, SECOND, TENANT, Yard, outcome

from hookline.model import DeliveryState
from hookline.store import Store
from hookline.store.protocol import DueRequest, Result, Work


async def aside(store: Store) -> tuple[Yard, Work]:
    """The first of two works of a key, waiting aside."""
    yard = await Yard.make(store, ordered=True)
    first = await yard.work(ordering_key="k")
    await yard.emit(ordering_key="k")
    await store.settle(yard.node, [outcome(first, Result.WAIT, due=NOON + SECOND)._replace(aside=True)])
    return yard, first


async def test_it_holds_back_nothing_of_its_key(store: Store) -> None:
    yard, first = await aside(store)
    (second,) = await yard.claim()
    assert second.pos != first.pos
    assert await store.blocker(TENANT, second.delivery_id) is None


async def test_one_that_waits_with_its_key_holds_it_back(store: Store) -> None:
    yard = await Yard.make(store, ordered=True)
    first = await yard.work(ordering_key="k")
    await yard.emit(ordering_key="k")
    await store.settle(yard.node, [outcome(first, Result.WAIT, due=NOON + SECOND)])
    assert await yard.claim() == []


async def test_it_comes_back_aside_with_its_event_as_it_was(store: Store) -> None:
    yard, first = await aside(store)
    (due,) = await store.due([DueRequest(yard.key, NOON + SECOND, 9)])
    (work,) = due.works
    assert (work.aside, work.event.ordering_key, work.pos) == (True, "k", first.pos)


async def test_it_stays_aside_when_it_is_retried_by_hand(store: Store) -> None:
    yard, first = await aside(store)
    assert await store.requeue(TENANT, first.delivery_id, at=NOON)
    (due,) = await store.due([DueRequest(yard.key, NOON, 9)])
    assert [work.aside for work in due.works] == [True]
    assert len(await yard.claim()) == 1


async def test_it_is_settled_like_any_other(store: Store) -> None:
    yard, _ = await aside(store)
    (due,) = await store.due([DueRequest(yard.key, NOON + SECOND, 9)])
    await store.settle(yard.node, [outcome(due.works[0])])
    found = await store.delivery(TENANT, due.works[0].delivery_id)
    assert found is not None
    assert found.delivery.state is DeliveryState.DELIVERED
