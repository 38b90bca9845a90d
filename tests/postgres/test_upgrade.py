"""A database of the first schema, with pending work in it, migrates and delivers.

`upgrade/sqlite_first.sql` is a dump of a file that the first version wrote: two subscriptions (one in order), an
event that was tried and waits for its retry, and three behind it that were never tried. `upgrade/postgres_first.sql` is the
same of a database that the first version on PostgreSQL wrote (its schemas 1 and 2), by pg_dump 15 with --inserts; one event more
stands in its outbox. `upgrade/first` has the statements of that version: older replicas go on with them after a migration.
"""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from client.receiver import Receiver
from postgres.server import Server

import hookline
from hookline import EngineConfig
from hookline.store.postgres import VERSION, Address, migrations
from hookline.store.sqlite.opening import VERSION as SQLITE_VERSION

EVER = 100 * 365 * 86_400.0
CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, floor_poll=0.2, retention=EVER, idempotency_window=EVER)
UPGRADE = Path(__file__).parent / "upgrade"
DUMP = UPGRADE / "sqlite_first.sql"
FIRST = 2
"""The schema of the first version that ran on PostgreSQL; it came in two parts."""
TRANSACTIONS = 800
"""More than the server of the dump had made."""
PLACE = "http://127.0.0.1:9/"
"""Where the receiver of the dump was; nobody is there."""
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


async def first_postgres(place: Server, receiver: Receiver) -> str:
    url = place.url(place.empty_database())
    connection = await asyncpg.connect(url)
    try:
        await connection.execute((UPGRADE / "postgres_first.sql").read_text().replace(PLACE, receiver.url("/")))
        assert await connection.fetchval("SELECT max(version) FROM hookline.migration") == FIRST
        while int(await connection.fetchval("SELECT pg_current_xact_id()::text")) <= TRANSACTIONS:
            pass  # positions are transaction ids: the dump comes from another cluster
    finally:
        await connection.close()
    return url


async def deliver(place: str, receiver: Receiver, pending: list[str]) -> None:
    """Open what the first version left, which migrates it, and see everything delivered."""
    number = len(pending)
    async with hookline.open(place, config=CONFIG, tenant="acme") as client:
        await receiver.wait(number, "/ordered")
        await receiver.wait(number, "/plain")
        assert [one.webhook_id for one in receiver.at("/ordered")] == pending
        assert sorted(one.webhook_id for one in receiver.at("/plain")) == sorted(pending)
        again = await client.emit("order.paid", b'{"no": 1}', ordering_key="k", idempotency_key="key-1")
        assert (again.event_id, again.duplicate) == ("waiting-1", True)
        await client.emit("order.shipped", {}, id="new", ordering_key="k")
        await receiver.wait(number + 1, "/ordered")

        async with asyncio.timeout(60):
            while (await client.deliveries.stats()).pending:  # noqa: ASYNC110  # tasks of the client change it
                await asyncio.sleep(0.02)
        assert all(one.attempts >= 2 for one in (await client.deliveries.list(event_id="tried")).items)


async def test_pending_work_of_the_first_sqlite_schema_is_delivered_after_the_migration(tmp_path: Path, receiver: Receiver) -> None:
    await deliver(await first_sqlite(tmp_path, receiver), receiver, PENDING)


async def test_pending_work_of_the_first_postgres_schema_is_delivered_after_the_migration(
    shared: Server, receiver: Receiver
) -> None:
    await deliver(await first_postgres(shared, receiver), receiver, [*PENDING, "boxed"])


async def test_the_first_postgres_schema_arrives_at_todays(shared: Server, receiver: Receiver) -> None:
    place = await first_postgres(shared, receiver)
    assert await migrations.migrate_at(Address.parse(place)) == list(range(FIRST + 1, VERSION + 1))
    assert await migrations.migrate_at(Address.parse(place)) == []


async def test_what_the_first_version_asks_of_the_database_is_understood_by_todays_schema(shared: Server) -> None:
    connection = await asyncpg.connect(shared.url(shared.database()))
    asked = 0
    try:
        for file in sorted((UPGRADE / "first").glob("*.sql")):
            for name, statement in named(file.read_text()):
                if ";" in statement.rstrip(";"):  # several: what begins a transaction
                    await connection.execute(f"{statement} ROLLBACK")
                else:
                    try:
                        await connection.prepare(statement)
                    except asyncpg.PostgresError as error:
                        pytest.fail(f"{file.name}, {name}: {error}")
                asked += 1
    finally:
        await connection.close()
    assert asked > 80


def named(text: str) -> list[tuple[str, str]]:
    """The statements of a file, by their names, without comments."""
    parts = re.split(r"^-- name: (\w+).*$", text, flags=re.MULTILINE)
    return [
        (name, re.sub(r"--.*$", "", sql, flags=re.MULTILINE).strip()) for name, sql in zip(parts[1::2], parts[2::2], strict=True)
    ]


async def test_the_first_sqlite_schema_arrives_at_todays(tmp_path: Path, receiver: Receiver) -> None:
    place = await first_sqlite(tmp_path, receiver)
    async with hookline.open(place, config=CONFIG, deliver=False) as client:
        await client.deliveries.stats()
    with contextlib.closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SQLITE_VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
