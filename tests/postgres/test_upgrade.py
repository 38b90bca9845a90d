"""A database of the first schema, with pending work in it, migrates and delivers.

`upgrade/sqlite_first.sql` is a dump of a file that the first version wrote: two subscriptions (one in order), an
event that was tried and waits for its retry, and three behind it that were never tried. The PostgreSQL database
is made by the first migration alone, and holds the same.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from client.receiver import Receiver
from postgres.server import Server, server

import hookline
from hookline import EngineConfig, Ordering, RetryPolicy, Steps, SubscriptionSpec
from hookline.store.postgres import VERSION, Address, migrations, print_migrations
from hookline.store.sqlite.opening import VERSION as SQLITE_VERSION

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, floor_poll=0.2)
DUMP = Path(__file__).parent / "upgrade" / "sqlite_first.sql"
PLACE = "http://127.0.0.1:9/"
"""Where the receiver of the dump was; nobody is there."""
RETRY = RetryPolicy(schedule=Steps(delays=(0.3,)), max_attempts=100, jitter=0.0)
PENDING = ["tried", "waiting-0", "waiting-1", "waiting-2"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


async def first_sqlite(folder: Path, receiver: Receiver) -> str:
    path = folder / "first.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text().replace(PLACE, receiver.url("/")))
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    return str(path)


async def first_postgres(_: Path, receiver: Receiver) -> str:
    """What the first migration makes, with the rows of a database of today as far as it has their columns."""
    today, first = server().url(server().database()), server().url(server().empty_database())
    closed = Receiver()
    await closed.start()
    closed.always(500, "/ordered")
    closed.always(500, "/plain")
    async with hookline.open(today, config=CONFIG, tenant="acme") as client:
        for path, ordering in (("/ordered", Ordering.BY_KEY), ("/plain", Ordering.NONE)):
            await client.subscriptions.create(SubscriptionSpec(url=closed.url(path), ordering=ordering, retry=RETRY))
        await client.emit("order.placed", {}, id="tried", ordering_key="k")
        await closed.wait(1, "/ordered")
        await closed.wait(1, "/plain")
    await closed.stop()
    async with hookline.open(today, config=CONFIG, tenant="acme", deliver=False) as client:
        for number in range(3):
            await client.emit(
                "order.paid", b'{"no": %d}' % number, id=f"waiting-{number}", ordering_key="k", idempotency_key=f"key-{number}"
            )
    new, old = await asyncpg.connect(first), await asyncpg.connect(today)
    await new.execute(print_migrations().partition("\n-- hookline, schema 2")[0])
    assert await new.fetchval("SELECT max(version) FROM hookline.migration") == 1
    for (table,) in await new.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'hookline'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition AND relname <> 'migration'"
    ):
        names = [
            row[0]
            for row in await new.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
                f"hookline.{table}",
            )
        ]
        columns = ", ".join(f'"{name}"' for name in names)
        rows = await old.fetch(f"SELECT {columns} FROM hookline.{table}")
        values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        await new.executemany(
            f"INSERT INTO hookline.{table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})", [tuple(row) for row in rows]
        )
    await new.execute("UPDATE hookline.subscription SET body = replace(body, $1, $2)", closed.url("/"), receiver.url("/"))
    await new.close()
    await old.close()
    return first


@pytest.mark.parametrize("make", [first_sqlite, first_postgres], ids=["sqlite", "postgres"])
async def test_pending_work_of_the_first_schema_is_delivered_after_the_migration(
    make: Callable[[Path, Receiver], Awaitable[str]], tmp_path: Path, receiver: Receiver
) -> None:
    place = await make(tmp_path, receiver)
    async with hookline.open(place, config=CONFIG, tenant="acme") as client:
        await receiver.wait(4, "/ordered")
        await receiver.wait(4, "/plain")
        assert [one.webhook_id for one in receiver.at("/ordered")] == PENDING
        assert sorted(one.webhook_id for one in receiver.at("/plain")) == PENDING
        again = await client.emit("order.paid", b'{"no": 1}', ordering_key="k", idempotency_key="key-1")
        assert (again.event_id, again.duplicate) == ("waiting-1", True)
        await client.emit("order.shipped", {}, id="new", ordering_key="k")
        await receiver.wait(5, "/ordered")

        async with asyncio.timeout(60):
            while (await client.deliveries.stats()).pending:  # noqa: ASYNC110  # tasks of the client change it
                await asyncio.sleep(0.02)
        assert all(one.attempts >= 2 for one in (await client.deliveries.list(event_id="tried")).items)


async def test_the_first_postgres_schema_arrives_at_todays(shared: Server, tmp_path: Path, receiver: Receiver) -> None:
    place = await first_postgres(tmp_path, receiver)
    assert await migrations.migrate_at(Address.parse(place)) == list(range(2, VERSION + 1))
    assert await migrations.migrate_at(Address.parse(place)) == []


async def test_the_first_sqlite_schema_arrives_at_todays(tmp_path: Path, receiver: Receiver) -> None:
    place = await first_sqlite(tmp_path, receiver)
    async with hookline.open(place, config=CONFIG, deliver=False) as client:
        await client.deliveries.stats()
    with contextlib.closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SQLITE_VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
