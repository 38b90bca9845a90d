"""Two processes on one database: wakes, takeover, and a client from end to end."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from client.policies import QUICK
from client.receiver import Receiver
from postgres.server import Server
from store.making import TENANT, Yard, make_event, make_event_type, outcome, route

import hookline
from hookline import DeliveryState, EngineConfig, EventSpec, SubscriptionSpec
from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore
from hookline.store.protocol import NOBODY, LaneKey, OwnedLane, Wake, WakeKind

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, lease_ttl=2.0, floor_poll=0.2)


async def hear(heard: "asyncio.Queue[Wake]", kind: WakeKind) -> Wake:
    while True:
        wake = await asyncio.wait_for(heard.get(), 30)
        if wake.kind is kind:
            return wake


async def test_what_another_process_does_is_heard(store: PostgresStore, other: PostgresStore) -> None:
    yard = await Yard.make(store)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(yard.node, heard.put_nowait)
    await other.append(NOBODY, [route(make_event(), yard.lanes, revision=await yard.revision())])
    assert await hear(heard, WakeKind.LANES) == Wake(WakeKind.LANES, (yard.key,))
    (work,) = await yard.claim()
    await other.cancel(TENANT, work.delivery_id, reason="", at=0)
    assert await hear(heard, WakeKind.FORGET) == Wake(WakeKind.FORGET, (yard.key,), (work.delivery_id,))
    await other.put_event_type(make_event_type("a"), etag=None)
    assert await hear(heard, WakeKind.CATALOGUE) == Wake(WakeKind.CATALOGUE, (LaneKey(TENANT, ""),))
    await other.join()
    await hear(heard, WakeKind.NODES)


async def test_more_lanes_than_a_notification_can_name_say_look(store: PostgresStore, other: PostgresStore) -> None:
    yard = await Yard.make(store, lanes=400)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(yard.node, heard.put_nowait)
    await other.append(NOBODY, [route(make_event(), yard.lanes, revision=await yard.revision())])
    await hear(heard, WakeKind.LOOK)


async def test_behind_a_pooler_a_poll_finds_what_no_wake_can_tell(shared: Server, database: str, other: PostgresStore) -> None:
    pooled = PostgresStore(Address.parse(shared.url(database, query="&pooler=1")), SystemClock(), floor=0.05)
    await pooled.open()
    try:
        yard = await Yard.make(pooled, lanes=2)
        heard: asyncio.Queue[Wake] = asyncio.Queue()
        pooled.listen(yard.node, heard.put_nowait)
        await other.append(NOBODY, [route(make_event(), yard.lanes[:1], revision=await yard.revision())])
        assert await hear(heard, WakeKind.LANES) == Wake(WakeKind.LANES, (yard.key,))
    finally:
        await pooled.close()


LATE = """\
INSERT INTO hookline.fresh SELECT tenant, $1, (pg_current_xact_id()::text::bigint << 20) | 1, 'late', event, day, size, type, okey,
  webhook, replay, created, run, before, since FROM hookline.fresh LIMIT 1"""


async def test_a_poll_finds_what_commits_late_and_tells_of_nothing_twice(
    shared: Server, database: str, store: PostgresStore, other: PostgresStore
) -> None:
    yard = await Yard.make(store, lanes=2)
    wakes = store._the.wakes
    store.listen(yard.node, lambda _: None)
    late, stranger = await asyncpg.connect(shared.url(database)), await asyncpg.connect(shared.url(database))
    await stranger.execute("BEGIN; SELECT pg_current_xact_id()")  # for as long as it likes
    await late.execute("BEGIN; SELECT pg_current_xact_id()")
    assert await wakes.look() is None
    await other.append(NOBODY, [route(make_event(), yard.lanes[:1], revision=await yard.revision())])
    assert await wakes.look() == [(yard.node, yard.key)]
    assert await wakes.look() == []
    await late.execute(LATE, yard.lanes[1])
    assert await wakes.look() == []
    await late.execute("COMMIT")
    assert await wakes.look() == [(yard.node, LaneKey(TENANT, yard.lanes[1]))]
    assert await wakes.look() == []
    for connection in (late, stranger):
        await connection.close()


async def test_a_lane_that_was_handed_over_is_settled_by_its_new_owner_alone(store: PostgresStore, other: PostgresStore) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    heir = await other.join()
    assert await store.hand(yard.node, OwnedLane(yard.key, 1, False), heir)
    assert (await store.settle(yard.node, [outcome(work)])).lost == {yard.key}
    assert (await other.settle(heir, [outcome(work, epoch=2, attempt_id="second")])).lost == frozenset()
    assert [attempt.superseded for attempt in await other.attempts(TENANT, work.delivery_id)] == [True, False]


async def test_the_offset_of_the_databases_clock_is_measured(shared: Server, database: str) -> None:
    class Slow(SystemClock):
        def time(self) -> float:  # type: ignore[override]  # a clock that is an hour behind
            return SystemClock.time() - 3600.0

    store = PostgresStore(Address.parse(shared.url(database)), Slow(), floor=None)
    await store.open()
    try:
        assert store.clock_offset == 0.0
        node = await store.join()
        assert store.clock_offset == pytest.approx(3600.0, abs=60.0)
        await store.beat(node, 0)
        assert store.clock_offset == pytest.approx(3600.0, abs=60.0)
    finally:
        await store.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("query", ["", "&pooler=1"], ids=["direct", "pooler"])
async def test_a_client_on_postgresql_delivers_what_it_takes(shared: Server, database: str, receiver: Receiver, query: str) -> None:
    async with hookline.open(shared.url(database, query=query), config=CONFIG) as client:
        made = await client.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=QUICK))
        results = await asyncio.gather(*(client.emit_event(EventSpec(type="a.b", data=b"{}")) for _ in range(50)))
        await until_delivered(client, made.id, 50)
        assert {one.webhook_id for one in receiver.received} == {result.event_id for result in results}


async def test_what_one_process_takes_another_delivers(shared: Server, database: str, receiver: Receiver) -> None:
    url = shared.url(database)
    async with hookline.open(url, config=CONFIG) as owner, hookline.open(url, config=CONFIG, deliver=False) as emitter:
        made = await owner.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=QUICK))
        for _ in range(5):
            await emitter.emit_event(EventSpec(type="a.b", data=b"{}"))
        await until_delivered(owner, made.id, 5)


async def until_delivered(client: hookline.Client, subscription_id: str, number: int) -> None:
    async with asyncio.timeout(60):
        while True:
            page = await client.deliveries.list(subscription_id=subscription_id, state=DeliveryState.DELIVERED, page_size=100)
            if len(page.items) == number:
                return
            await asyncio.sleep(0.02)
