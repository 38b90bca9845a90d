"""The SQL door with several readers: events of one key, committed one after the other, stay in that order."""

import asyncio
import contextlib

import asyncpg
import pytest
from postgres.server import server
from postgres.test_outbox import emptied, until
from store.making import TENANT, Yard, make_event, route

import hookline
from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore
from hookline.store.postgres.events import TURN
from hookline.store.protocol import Accepted, EventFilter

EVENTS = 400
WAITING = """\
SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()"""
GATE = """\
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  PERFORM pg_advisory_xact_lock(1);
  RETURN new;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON hookline.idempotency FOR EACH ROW WHEN (new.key = 'a-second') EXECUTE FUNCTION pass();
"""


@pytest.mark.parametrize("query", ["", "&pooler=1"])
async def test_two_replicas_that_empty_the_outbox_at_once_keep_the_order_of_commits(query: str) -> None:
    database = server().database()
    url = server().url(database)
    writer = await asyncpg.connect(url)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(hookline.open(url + query, tenant="acme")) for _ in range(3)]
        for number in range(EVENTS):
            await writer.execute("SELECT hookline.emit('acme', 'a.b', $1, ordering_key => 'k')", str(number))
            if number % 10 == 0:
                await asyncio.sleep(0.003)  # so that readers read a part, and others what follows
        await until(lambda: emptied(url))
        page = await clients[0].events.list(page_size=1_000)
    assert [int(event.data) for event in page.items[::-1]] == list(range(EVENTS))
    await writer.close()


async def test_who_has_read_more_and_is_overtaken_puts_what_follows_behind() -> None:
    """The worst case: it has its transaction id when another appends what both have read."""
    url = server().url(server().database())
    both = [PostgresStore(Address.parse(url), SystemClock(), floor=None) for _ in range(2)]
    for store in both:
        await store.open()
    yard = await Yard.make(both[0])
    revision = await yard.revision()
    first, second = (
        route(make_event(name), yard.lanes, revision=revision)._replace(in_turn=True) for name in ("z-first", "a-second")
    )
    gate = await asyncpg.connect(url)
    await gate.execute(GATE)  # names are written in their order: whoever has read both comes to this one first
    await gate.execute("SELECT pg_advisory_lock(1)")
    slow = asyncio.create_task(both[0].append(yard.node, [first, second]))
    await until(lambda: gate.fetchval(f"{WAITING})"))
    quick = asyncio.create_task(both[1].append(yard.node, [first]))

    async def quick_has_come_as_far_as_it_can() -> bool:
        return quick.done() or await gate.fetchval(f"{WAITING} AND l.objid <> 1)")

    await until(quick_has_come_as_far_as_it_can)
    await gate.execute("SELECT pg_advisory_unlock(1)")
    await asyncio.gather(slow, quick)
    scanned = await both[0].scan(TENANT, EventFilter(), after=0, limit=10)
    assert [one.event.id for one in scanned] == ["z-first", "a-second"]
    await gate.close()
    for store in both:
        await store.close()


async def test_whoever_waits_for_its_turn_gets_its_position_when_that_has_come() -> None:
    url = server().url(server().database())
    store = PostgresStore(Address.parse(url), SystemClock(), floor=None)
    await store.open()
    yard = await Yard.make(store)
    other = await asyncpg.connect(url)
    turn = other.transaction()
    await turn.start()
    await other.execute("SELECT pg_advisory_xact_lock($1)", TURN)
    revision = await yard.revision()
    waiting = asyncio.create_task(
        store.append(yard.node, [route(make_event(), yard.lanes, revision=revision)._replace(in_turn=True)])
    )
    await until(lambda: other.fetchval(f"{WAITING})"))
    (meanwhile,) = await store.append(yard.node, [route(make_event(), yard.lanes, revision=revision)])
    await turn.commit()
    (late,) = await waiting
    assert isinstance(meanwhile, Accepted)
    assert isinstance(late, Accepted)
    assert late.positions > meanwhile.positions
    await other.close()
    await store.close()
