"""Subscriptions, event types, and calls that may be repeated."""

import asyncio
import gc
from weakref import ref

import pytest
from store.making import NOON, TENANT, Yard, make_event, make_event_type, make_job, make_subscription, route

from hookline.errors import AlreadyExists
from hookline.store import Store
from hookline.store.protocol import NOBODY, JobKind, LaneKey, OwnedLane, Recalled, Repeatable, Wake, WakeKind

AGAIN = Repeatable(method="create", request_id="r1", digest=b"d")


async def test_a_subscription_reads_back_as_it_was_with_its_secrets(store: Store) -> None:
    subscription = make_subscription("s1")
    assert await store.add_subscription(subscription, owner=NOBODY) == "s1"
    assert await store.subscription(TENANT, "s1") == subscription
    assert await store.subscription("globex", "s1") is None


async def test_its_lane_is_born_with_its_owner(store: Store) -> None:
    node = await store.join()
    await store.add_subscription(make_subscription("s1", ordered=True), owner=node)
    assert await store.mine(node) == [OwnedLane(LaneKey(TENANT, "s1"), 1, True)]


async def test_every_write_raises_the_tenants_revision(store: Store) -> None:
    assert await store.revisions() == {}
    await store.add_subscription(make_subscription("s1"), owner=NOBODY)
    await store.replace_subscription(make_subscription("s1", etag="2"), etag="1")
    await store.put_event_type(make_event_type("a"), etag=None)
    await store.remove_event_type(TENANT, "a", etag="1")
    await store.remove_subscription(TENANT, "s1", etag="2", job=make_job(JobKind.DRAIN, "s1"))
    await store.put_event_type(make_event_type("a", tenant="globex"), etag="")
    assert await store.revisions() == {TENANT: 5, "globex": 1}


async def test_the_view_is_of_one_revision_and_in_order(store: Store) -> None:
    for name in ("b", "a"):
        await store.add_subscription(make_subscription(name), owner=NOBODY)
        await store.put_event_type(make_event_type(name), etag=None)
    view = await store.catalogue(TENANT)
    assert view.revision == 4
    assert view.subscriptions == [make_subscription("a"), make_subscription("b")]
    assert view.event_types == [make_event_type("a"), make_event_type("b")]
    assert (await store.catalogue("globex")).revision == 0


async def test_what_was_read_is_shared_while_it_is_held_and_gone_after(store: Store) -> None:
    await store.add_subscription(make_subscription("s1"), owner=NOBODY)
    await store.add_subscription(make_subscription("s2"), owner=NOBODY)
    former, stays = (await store.catalogue(TENANT)).subscriptions
    await store.replace_subscription(make_subscription("s1", etag="2"), etag="1")
    assert (await store.catalogue(TENANT)).subscriptions[1] is stays
    held = ref(former)
    del former
    async with asyncio.timeout(60):
        while held() is not None:  # the thread that read it may not have let go of it yet
            gc.collect()
            await asyncio.sleep(0.01)


async def test_writes_wake_every_node(store: Store) -> None:
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    for _ in range(2):
        store.listen(await store.join(), heard.put_nowait)
    await asyncio.sleep(0)
    while not heard.empty():
        heard.get_nowait()
    await store.put_event_type(make_event_type("a"), etag=None)
    wakes = []
    while len(wakes) < 2:
        wake = await asyncio.wait_for(heard.get(), 60)
        wakes += [wake] if wake.kind is WakeKind.CATALOGUE else []
    assert wakes == [Wake(WakeKind.CATALOGUE, (LaneKey(TENANT, ""),))] * 2


async def test_the_wrong_etag_changes_nothing(store: Store) -> None:
    await store.add_subscription(make_subscription("s1"), owner=NOBODY)
    before = await store.catalogue(TENANT)
    assert not await store.replace_subscription(make_subscription("s1", etag="3"), etag="2")
    assert not await store.replace_subscription(make_subscription("s2"), etag="1")
    assert not await store.remove_subscription(TENANT, "s1", etag="2", job=make_job(JobKind.DRAIN, "s1"))
    assert await store.catalogue(TENANT) == before
    assert await store.jobs() == []


async def test_a_repeated_call_gives_the_first_answer(store: Store) -> None:
    assert await store.recall(TENANT, "create", "r1") is None
    assert await store.add_subscription(make_subscription("s1"), owner=NOBODY, request=AGAIN) == "s1"
    assert await store.add_subscription(make_subscription("s2"), owner=NOBODY, request=AGAIN) == "s1"
    assert await store.subscription(TENANT, "s2") is None
    assert await store.recall(TENANT, "create", "r1") == Recalled(b"d", "s1")
    assert await store.recall("globex", "create", "r1") is None


async def test_a_repeated_replacement_is_done_once(store: Store) -> None:
    request = Repeatable(method="rotate", request_id="r1", digest=b"d")
    await store.add_subscription(make_subscription("s1"), owner=NOBODY)
    assert await store.replace_subscription(make_subscription("s1", etag="2"), etag="1", request=request)
    assert await store.replace_subscription(make_subscription("s1", etag="3"), etag="1", request=request)
    found = await store.subscription(TENANT, "s1")
    assert found is not None
    assert found.etag == "2"


async def test_an_id_serves_one_subscription_for_good(store: Store) -> None:
    await store.add_subscription(make_subscription("s1"), owner=NOBODY)
    with pytest.raises(AlreadyExists, match="s1"):
        await store.add_subscription(make_subscription("s1"), owner=NOBODY)


async def test_subscriptions_and_event_types_are_listed_page_by_page(store: Store) -> None:
    for name in "cab":
        await store.add_subscription(make_subscription(name), owner=NOBODY)
        await store.put_event_type(make_event_type(name), etag=None)
    assert [one.id for one in await store.subscriptions(TENANT, after="", limit=2)] == ["a", "b"]
    assert [one.id for one in await store.subscriptions(TENANT, after="b", limit=2)] == ["c"]
    assert [one.name for one in await store.event_types(TENANT, after="a", limit=1)] == ["b"]


async def test_event_types_are_put_as_the_etag_says(store: Store) -> None:
    assert not await store.put_event_type(make_event_type("a"), etag="1")
    assert await store.put_event_type(make_event_type("a"), etag="")
    assert not await store.put_event_type(make_event_type("a", etag="2"), etag="")
    assert await store.put_event_type(make_event_type("a", etag="2"), etag="1")
    assert await store.put_event_type(make_event_type("a", etag="3"), etag=None)
    assert await store.event_type(TENANT, "a") == make_event_type("a", etag="3")
    assert not await store.remove_event_type(TENANT, "a", etag="2")
    assert await store.remove_event_type(TENANT, "a", etag="3")
    assert await store.event_type(TENANT, "a") is None


async def test_a_removed_subscription_takes_nothing_more_and_is_drained(store: Store) -> None:
    yard = await Yard.make(store, lanes=2)
    await yard.emit(5)
    gone, left = yard.lanes
    job = make_job(JobKind.DRAIN, gone)
    assert await store.remove_subscription(TENANT, gone, etag="1", job=job)
    (answer,) = await store.append(yard.node, [route(make_event(), (gone, left), revision=await yard.revision())])
    assert answer.positions[0] == 0  # type: ignore[union-attr]  # the lane takes nothing
    assert [await store.drain(job, limit=3, reason="gone", at=NOON) for _ in range(3)] == [3, 2, 0]
    assert await store.jobs() == []
    finished = await store.job(TENANT, job.id)
    assert finished is not None
    assert finished.finish_time is not None
    assert [lane.key.lane for lane in await store.mine(yard.node)] == [left]
    stats = await store.stats(TENANT, now=NOON)
    assert (stats.pending, list(stats.by_subscription)) == (6, [left])
