"""Which way a statement goes while the tables are full of rows that are gone, and the statistics say that they are empty."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
from postgres.server import Server
from store.making import NOON, Yard, make_event, outcome

from hookline.store.postgres import Address, PostgresStore, events
from hookline.store.postgres.pool import connect
from hookline.store.postgres.statements import load
from hookline.store.protocol import ClaimRequest, DueRequest, Result

ROWS = 3_000
STEP = 500
POSITIONS = {"fresh_pkey", "later_pkey", "later_pos"}
KEYS = {"fresh_key", "later_key"}
IDS = {"fresh_id", "later_id"}
EVENTS = {"fresh_event", "later_event"}
MEANT = {
    ("settle", "settle"): POSITIONS,
    ("settle", "odd"): IDS,
    ("queue", "claim"): POSITIONS | KEYS,
    ("queue", "due"): POSITIONS,
    ("queue", "probe"): KEYS,
    ("hand", "standing"): IDS,
    ("hand", "remove_fresh"): POSITIONS,
    ("hand", "remove_later"): POSITIONS,
    ("hand", "call_off"): POSITIONS,
    ("history", "delivery"): IDS,
    ("history", "of_event"): EVENTS,
    ("history", "standings"): EVENTS,
    ("history", "blocker"): IDS | KEYS,
}
"""The indexes of the queue that each statement may use."""
_SCAN = re.compile(r"Index (?:Only )?Scan (?:Backward )?(?:using |on )((?:fresh|later)_\w+)|(Seq Scan on (?:fresh|later))")


@pytest.fixture
async def emptied(store: PostgresStore, shared: Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the store's settings to a database whose queue is empty but for what an old snapshot keeps."""
    yard = await Yard.make(store, ordered=True)
    holder = await asyncpg.connect(shared.url(database))
    looker = await connect(Address.parse(shared.url(database)))
    try:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.fetchval("SELECT count(*) FROM hookline.fresh")
        for step in range(ROWS // STEP):
            await yard.append(*(make_event(ordering_key=f"k{step}-{number}") for number in range(STEP)))
            (fresh,) = await store.claim([ClaimRequest(yard.key, None, STEP)])
            await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + 1) for work in fresh.works])
            (due,) = await store.due([DueRequest(yard.key, NOON + 2, STEP)])
            assert len(due.works) == STEP
            await store.settle(yard.node, [outcome(work) for work in due.works])
        await looker.execute("VACUUM ANALYZE hookline.fresh")
        await looker.execute("VACUUM ANALYZE hookline.later")
        sizes = await looker.fetch(
            "SELECT reltuples, relpages FROM pg_class WHERE oid IN ('hookline.fresh'::regclass, 'hookline.later'::regclass)"
        )
        assert all(tuples == 0 and pages > 50 for tuples, pages in sizes)
        await looker.execute("SET plan_cache_mode = force_generic_plan")
        yield looker
    finally:
        await holder.close()
        await looker.close()


async def explained(connection: asyncpg.Connection, name: str) -> str:
    """The plan of a prepared statement whose arrays have one element."""
    types = await connection.fetchval("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = $1", name)
    arguments = ", ".join(f"ARRAY[NULL]::{kind}" if kind.endswith("[]") else "NULL" for kind in types)
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {name}({arguments})"))


async def test_each_statement_goes_by_the_index_that_is_meant_for_it(emptied: asyncpg.Connection) -> None:
    astray = {}
    for (file, name), meant in MEANT.items():
        await emptied.execute(f"PREPARE {name} AS {load(file)[name]}")
        plan = await explained(emptied, name)
        used = {index or table for index, table in _SCAN.findall(plan)}
        if not used or not used <= meant:
            astray[name] = plan
    assert astray == {}


FIRST_PLANS = 5
"""That PostgreSQL makes for the arguments, before it asks whether one for any would be cheaper than making more."""
WRITTEN = {"append_plain": events.PLAIN, "append_named": events.NAMED, "settle": load("settle")["settle"]}


@pytest.fixture
async def looker(store: PostgresStore, shared: Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the store's settings."""
    connection = await connect(Address.parse(shared.url(database)))
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", WRITTEN)
async def test_what_is_written_in_batches_compares_no_row_with_every_other(looker: asyncpg.Connection, name: str) -> None:
    await looker.execute("SET plan_cache_mode = force_generic_plan")
    await looker.execute(f"PREPARE {name} AS {WRITTEN[name]}")
    plan = await explained(looker, name)
    assert "Join Filter" not in plan, plan
    assert "lane_owner" not in plan, plan


@pytest.mark.parametrize("name", WRITTEN)
async def test_what_is_written_one_by_one_is_not_planned_each_time(looker: asyncpg.Connection, name: str) -> None:
    await looker.execute(f"PREPARE {name} AS {WRITTEN[name]}")
    for _ in range(FIRST_PLANS + 1):
        await explained(looker, name)
    assert await looker.fetchval("SELECT generic_plans FROM pg_prepared_statements WHERE name = $1", name) == 1
