"""What an owner keeps with its lanes, and what is cancelled because it was held too long."""

from store.making import NOON, TENANT, Yard

from hookline.model import DeliveryState
from hookline.store import Store
from hookline.store.protocol import DeliveryFilter, LaneKey, OwnedLane


async def test_what_is_kept_with_a_lane_goes_to_its_next_owner(store: Store) -> None:
    yard = await Yard.make(store, lanes=2)
    mine = OwnedLane(LaneKey(TENANT, yard.lanes[0]), 1, False)
    await store.keep(yard.node, [(mine, "open")])
    assert await store.states(TENANT, yard.lanes) == {yard.lanes[0]: "open"}
    assert {lane.key.lane: lane.state for lane in await store.mine(yard.node)} == {yard.lanes[0]: "open", yard.lanes[1]: ""}
    heir = await store.join()
    await store.leave(yard.node)
    assert {lane.key.lane: lane.state for lane in await store.sweep(heir, 9)} == {yard.lanes[0]: "open", yard.lanes[1]: ""}


async def test_an_owner_that_retakes_its_lane_goes_on_with_what_it_has_kept_since_it_took_it(store: Store) -> None:
    yard = await Yard.make(store)
    mine = OwnedLane(yard.key, 1, False)
    await store.keep(yard.node, [(mine, "open")])
    assert await store.retake(yard.node, mine) == mine._replace(epoch=2, state="open")


async def test_nothing_is_kept_with_a_lane_that_is_not_owned_at_that_epoch(store: Store) -> None:
    yard = await Yard.make(store)
    other = await store.join()
    lane = OwnedLane(yard.key, 1, False)
    await store.keep(other, [(lane, "foreign")])
    await store.keep(yard.node, [(lane._replace(epoch=2), "of another time")])
    assert await store.states(TENANT, yard.lanes) == {}


async def test_what_was_made_before_a_time_lapses_and_nothing_else(store: Store) -> None:
    yard = await Yard.make(store)
    await yard.emit(3)
    assert await store.lapse(yard.key, before=1, limit=9, reason="held too long", at=NOON) == 0
    late = 1 << 60
    assert await store.lapse(yard.key, before=late, limit=2, reason="held too long", at=NOON) == 2
    assert len(await yard.claim()) == 1
    found = await store.deliveries(TENANT, DeliveryFilter(state=DeliveryState.CANCELLED), before=None, limit=9)
    assert {one.delivery.reason for one in found} == {"held too long"}
    assert await store.lapse(yard.key, before=late, limit=9, reason="held too long", at=NOON) == 1
    assert await store.lapse(yard.key, before=late, limit=9, reason="held too long", at=NOON) == 0
