"""Membership and ownership: who delivers what."""

import asyncio

from store.making import TENANT, Yard, make_subscription

from hookline.store import Store
from hookline.store.protocol import NOBODY, LaneKey, OwnedLane, Wake, WakeKind


async def test_node_ids_are_never_used_again(store: Store) -> None:
    first = await store.join()
    await store.leave(first)
    second = await store.join()
    assert NOBODY < first < second


async def test_a_beat_counts_and_names_who_lives(store: Store) -> None:
    me, other = await store.join(), await store.join()
    await store.beat(me, 3)
    rows = {row.id: row for row in await store.beat(me, 4)}
    assert (rows[me].beat, rows[me].load, rows[other].beat) == (2, 4, 0)


async def test_a_node_is_buried_only_if_its_beat_stood_still(store: Store) -> None:
    me, other = await store.join(), await store.join()
    await store.beat(other, 0)
    assert not await store.bury(other, 0)
    assert await store.bury(other, 1)
    assert [row.id for row in await store.beat(other, 0)] == [me]


async def test_lanes_of_the_dead_are_taken_with_a_higher_epoch(store: Store) -> None:
    yard = await Yard.make(store, lanes=3)
    heir = await store.join()
    assert await store.sweep(heir, 9) == ()
    await store.bury(yard.node, 0)
    taken = [*await store.sweep(heir, 2), *await store.sweep(heir, 9)]
    assert sorted(taken) == sorted(OwnedLane(LaneKey(TENANT, name), 2, False) for name in yard.lanes)
    assert sorted(await store.mine(heir)) == sorted(taken)
    assert await store.mine(yard.node) == []


async def test_a_lane_born_where_nobody_delivers_is_an_orphan(store: Store) -> None:
    await store.add_subscription(make_subscription("s", ordered=True), owner=NOBODY)
    node = await store.join()
    assert await store.sweep(node, 9) == [OwnedLane(LaneKey(TENANT, "s"), 2, True)]


async def test_the_dead_take_nothing(store: Store) -> None:
    yard = await Yard.make(store)
    buried = await store.join()
    await store.leave(yard.node)
    await store.bury(buried, 0)
    assert await store.sweep(buried, 9) == []


async def test_a_lane_is_handed_to_the_living_only(store: Store) -> None:
    yard = await Yard.make(store)
    lane = OwnedLane(yard.key, 1, False)
    other, gone = await store.join(), await store.join()
    await store.leave(gone)
    assert not await store.hand(yard.node, lane, gone)
    assert not await store.hand(other, lane, yard.node)
    assert not await store.hand(yard.node, lane._replace(epoch=2), other)
    assert await store.hand(yard.node, lane, other)
    assert not await store.hand(yard.node, lane, other)
    assert await store.mine(other) == [lane._replace(epoch=2)]


async def test_retaking_raises_the_epoch_of_what_is_still_ours(store: Store) -> None:
    yard = await Yard.make(store)
    lane = OwnedLane(yard.key, 1, False)
    again = await store.retake(yard.node, lane)
    assert again == lane._replace(epoch=2)
    assert await store.retake(yard.node, lane) is None
    other = await store.join()
    assert await store.hand(yard.node, again, other)
    assert await store.retake(yard.node, again) is None


async def test_who_goes_wakes_the_others(store: Store) -> None:
    going, staying = await store.join(), await store.join()
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(staying, heard.put_nowait)
    await store.leave(going)
    assert (await asyncio.wait_for(heard.get(), 60)).kind is WakeKind.NODES


async def test_nobody_is_dead_who_lives(store: Store) -> None:
    await store.join()
    assert list(await store.dead()) == []


async def test_a_change_of_the_order_reaches_the_owner(store: Store) -> None:
    yard = await Yard.make(store)
    changed = make_subscription(yard.lanes[0], ordered=True, etag="2")
    assert await store.replace_subscription(changed, etag="1")
    assert await store.mine(yard.node) == [OwnedLane(yard.key, 1, True)]
