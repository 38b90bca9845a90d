"""Opening: one clear line for each thing that can be wrong, and migrations that are safe to run."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ports import free_port
from postgres.server import Server, on_loop, programs
from store.making import Yard, make_event

from hookline.clock import SystemClock
from hookline.errors import StoreError
from hookline.store import open_store
from hookline.store.postgres import Address, PostgresStore, migrations, print_migrations


async def refused(url: str) -> str:
    """Why a store cannot be opened; the message has one line and no password."""
    with pytest.raises(StoreError) as raised:
        await open_store(url).open()
    assert "\n" not in raised.value.message
    assert "secret" not in raised.value.message
    return raised.value.message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql:", "names no database"),
        ("postgresql://host", "names no database"),
        ("postgresql://u:secret@host:99999/db", "is not the address of a database"),
        ("postgresql://u:secret@host/db?pooler=yes", "pooler is 'yes'"),
        ("postgresql://u:secret@host:1,host:99999/db", "is not the address of a database"),
        ("postgresql://host/db?connections=0", "connections is '0'"),
        ("postgresql://host/db?connections=many", "write a number from 1 to 200"),
    ],
)
async def test_a_wrong_url_is_refused_with_what_would_be_right(url: str, said: str) -> None:
    assert said in await refused(url)


def test_our_own_settings_do_not_reach_the_server() -> None:
    address = Address.parse("postgresql://u@h/db?sslmode=disable&pooler=1&connections=3")
    assert (address.dsn, address.pooler, address.connections) == ("postgresql://u@h/db?sslmode=disable", True, 3)


async def test_an_unreachable_host_is_named(shared: Server) -> None:
    assert "check host and port" in await refused(shared.url("postgres", port=free_port()))


async def test_a_missing_database_is_named(shared: Server) -> None:
    assert "CREATE DATABASE" in await refused(shared.url("nowhere"))


async def test_a_role_without_rights_is_told_what_to_have_granted(shared: Server) -> None:
    shared.sql("DROP ROLE IF EXISTS poor", "CREATE ROLE poor LOGIN")
    empty, full = shared.empty_database(), shared.database()
    assert f'GRANT CREATE ON DATABASE "{empty}" TO "poor"' in await refused(shared.url(empty, user="poor"))
    assert "GRANT USAGE ON SCHEMA hookline" in await refused(shared.url(full, user="poor"))
    shared.sql("GRANT USAGE ON SCHEMA hookline TO poor", "GRANT SELECT ON hookline.migration TO poor", database=full)
    said = await refused(shared.url(full, user="poor"))
    assert 'GRANT "postgres" TO "poor"' in said
    assert "GRANT SELECT" not in said  # with which days would get no partitions


async def test_a_role_that_owns_nothing_works_with_the_rights_on_the_tables(shared: Server) -> None:
    shared.sql("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN")
    database = shared.database()
    shared.sql(
        "GRANT USAGE ON SCHEMA hookline TO clerk",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hookline TO clerk",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA hookline TO clerk",
        database=database,
    )
    store = PostgresStore(Address.parse(shared.url(database, user="clerk")), SystemClock(), floor=None)
    await store.open()
    try:
        yard = await Yard.make(store)
        assert len(await yard.emit(2)) == 2
    finally:
        await store.close()


async def test_a_server_that_is_too_old_is_refused(shared: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    assert "needs 14 or newer" in await refused(shared.url(database))


async def test_a_database_that_takes_no_writes_is_refused(shared: Server, database: str) -> None:
    shared.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert "is read only for postgres" in await refused(shared.url(database))


async def test_a_schema_of_a_future_version_is_refused_unless_it_serves_this_one(shared: Server, database: str) -> None:
    shared.sql("INSERT INTO hookline.migration (version, serves) VALUES (998, 1)", database=database)
    store = PostgresStore(Address.parse(shared.url(database)), SystemClock())
    await store.open()
    await store.close()
    shared.sql("INSERT INTO hookline.migration (version, serves) VALUES (999, 999)", database=database)
    assert "upgrade hookline" in await refused(shared.url(database))


async def test_many_that_open_an_empty_database_at_once_migrate_it_once(shared: Server) -> None:
    database = shared.empty_database()
    stores = [PostgresStore(Address.parse(shared.url(database)), SystemClock()) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))
    versions = shared.sql("SELECT version FROM hookline.migration ORDER BY 1", database=database)
    assert versions == [(number,) for number in migrations.MIGRATIONS]


def _schema(shared: Server, database: str) -> object:
    return shared.sql(
        "SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull "
        "FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE c.relnamespace = 'hookline'::regnamespace AND c.relname !~ '_d[0-9]+' ORDER BY 1, 3",
        database=database,
    )


def test_what_is_printed_makes_the_same_schema(shared: Server) -> None:
    import asyncpg

    database = shared.empty_database()

    async def run() -> None:
        connection = await asyncpg.connect(shared.url(database))
        await connection.execute(print_migrations())
        await connection.close()

    on_loop(run)
    assert _schema(shared, database) == _schema(shared, shared.database())
    assert print_migrations(migrations.VERSION) == ""


def psql(url: str, script: str) -> subprocess.CompletedProcess[str]:
    """As a DBA runs what was printed, without ON_ERROR_STOP."""
    found = [shutil.which("psql"), *(str(path) for path in [programs() / "psql"] if path.is_file())]
    program = next((path for path in found if path), None)
    if program is None:
        pytest.skip("psql is not installed (Debian: apt-get install postgresql-client)")
    return subprocess.run([program, "-X", "-q", url], input=script, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_printed_makes_nothing_of_a_schema_that_failed(shared: Server) -> None:
    database = shared.empty_database()
    failing = print_migrations().replace("CREATE TABLE hookline.tenant (", "SELECT 1/0; CREATE TABLE hookline.tenant (", 1)
    done = psql(shared.url(database), failing)
    assert "division by zero" in done.stderr
    assert "this makes schema 2 of schema 1, and here is schema 0" in done.stderr
    assert shared.sql("SELECT FROM pg_namespace WHERE nspname = 'hookline'", database=database) == []
    assert "ERROR" not in psql(shared.url(database), print_migrations()).stderr
    assert _schema(shared, database) == _schema(shared, shared.database())


def test_what_is_printed_changes_nothing_the_second_time(shared: Server) -> None:
    database = shared.database()
    done = psql(shared.url(database), print_migrations())
    assert f"this makes schema 1 of schema 0, and here is schema {migrations.VERSION}" in done.stderr
    versions = shared.sql("SELECT version FROM hookline.migration ORDER BY 1", database=database)
    assert versions == [(number,) for number in migrations.MIGRATIONS]


async def test_a_database_that_lacks_tables_of_its_version_is_refused_with_their_names(shared: Server) -> None:
    database = shared.database()
    shared.sql("DROP TABLE hookline.tally, hookline.lane", database=database)
    assert "the tables lane, tally are not there" in await refused(shared.url(database))


async def test_work_of_the_first_schema_is_still_there_after_the_migrations(shared: Server) -> None:
    import asyncpg

    database = shared.empty_database()
    connection = await asyncpg.connect(shared.url(database))
    await connection.execute(print_migrations().split("\n-- hookline, schema 2")[0])
    await connection.execute(
        "INSERT INTO hookline.tenant (tenant, revision) VALUES ('acme', 1);"
        "INSERT INTO hookline.lane (tenant, name, owner, ordered) VALUES ('acme', 'sub_old', 0, false);"
        "INSERT INTO hookline.event (tenant, id, day, pos, token, digest, type, source, subject, time, data, data_schema, "
        "idempotency_key, okey, traceparent, accept) VALUES ('acme', 'evt_old', 20000, 1, gen_random_uuid(), '', 'a', '', '', 0, "
        "'1', '', '', '', '', 1728000000000000);"
        "INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, created, run, before, since) "
        "VALUES ('acme', 'sub_old', 2, 'dlv_old', 'evt_old', 20000, 1, 'a', 0, 1, 0, 0)"
    )
    await connection.close()
    store = PostgresStore(Address.parse(shared.url(database)), SystemClock(), floor=None)
    await store.open()
    try:
        yard = Yard(store, await store.join(), ["sub_old"], "acme")
        (lane,) = await store.sweep(yard.node, 9)
        assert lane.key == yard.key
        assert [work.delivery_id for work in await yard.claim()] == ["dlv_old"]
        await yard.append(make_event())
        assert len(await yard.claim()) == 2
    finally:
        await store.close()


def test_every_statement_names_its_tables_with_the_schema() -> None:
    """No session state: the search path of whoever connects does not matter."""
    folder = Path(migrations.__file__).parent / "sql"
    tables = "event|fresh|later|done|change|lane|node|job|tenant|tally|idempotency|request|subscription|event_type|outbox"
    check: Callable[[str], list[str]] = re.compile(rf"(?:FROM|JOIN|INTO|UPDATE)\s+(?:{tables})\b").findall
    for file in folder.glob("*.sql"):
        assert check(file.read_text()) == [], file.name
