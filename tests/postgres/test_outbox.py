"""The SQL door: an event emitted in the caller's transaction exists exactly when that commits."""

import asyncio
import pickle
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres.server import server

import hookline
from hookline import outbox
from hookline.clock import SystemClock
from hookline.embedded import EmbeddedClient
from hookline.model import EventSpec
from hookline.store.postgres.address import Address
from hookline.store.postgres.store import PostgresStore

EVENT = EventSpec(
    type="order.placed",
    data=b'{"id": 12345678901234567890, "price": 1.10}',
    ordering_key="customer-1",
    idempotency_key="order-1",
    subject="orders/1",
    labels={"env": "test"},
)


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[EmbeddedClient]:
    async with hookline.open(server().url(database), tenant="acme") as client:
        yield client


async def emitted(client: EmbeddedClient) -> list[hookline.Event]:
    """Everything accepted, the oldest first."""
    page = await client.events.list(page_size=1_000)
    return list(page.items)[::-1]


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await what():  # noqa: ASYNC110  # what is waited for happens in the database
            await asyncio.sleep(0.02)


async def emptied(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT NOT EXISTS (SELECT 1 FROM hookline.outbox)"))
    finally:
        await connection.close()


def by_asyncpg(url: str, event: EventSpec, *, commit: bool) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        transaction = connection.transaction()
        await transaction.start()
        sql, parameters = outbox.statement(event, "asyncpg", tenant="acme")
        assert await connection.fetchval(sql, *parameters)
        await (transaction.commit() if commit else transaction.rollback())
        await connection.close()

    asyncio.run(run())


def by_psycopg(url: str, event: EventSpec, *, commit: bool) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        sql, parameters = outbox.statement(event, "psycopg", tenant="acme")
        connection.execute(sql, parameters)
        (connection.commit if commit else connection.rollback)()


def by_sqlalchemy(url: str, event: EventSpec, *, commit: bool) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        sql, parameters = outbox.statement(event, "sqlalchemy", tenant="acme")
        connection.execute(text(sql), parameters)
        (connection.commit if commit else connection.rollback)()
    engine.dispose()


DJANGO = """
import pickle, sys
import django
from django.conf import settings
url, statement, commit = pickle.load(sys.stdin.buffer)
host, _, name = url.partition("@")[2].partition("?")[0].partition("/")
address, _, port = host.partition(":")
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": "postgres",
  "HOST": address, "PORT": port, "OPTIONS": {"sslmode": "disable"}}})
django.setup()
from django.db import connection, transaction
try:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(*statement)
        if not commit:
            raise KeyError
except KeyError:
    pass
"""


def by_django(url: str, event: EventSpec, *, commit: bool) -> None:
    statement = tuple(outbox.statement(event, "django", tenant="acme"))
    subprocess.run([sys.executable, "-c", DJANGO], input=pickle.dumps((url, statement, commit)), check=True, timeout=60)


@pytest.mark.parametrize("way", [by_asyncpg, by_psycopg, by_sqlalchemy, by_django])
async def test_what_commits_is_accepted_as_it_was_said_and_what_is_rolled_back_is_not(way: Callable[..., None]) -> None:
    database = server().database()
    url = server().url(database)
    async with opened(database) as client:
        await asyncio.to_thread(way, url, EventSpec(type="order.dropped", data=b"1"), commit=False)
        await asyncio.to_thread(way, url, EVENT, commit=True)

        async def there() -> bool:
            return bool(await emitted(client))

        await until(there)
        (event,) = await emitted(client)
    assert (event.type, event.data, event.ordering_key, event.subject) == (EVENT.type, EVENT.data, "customer-1", "orders/1")
    assert (event.idempotency_key, dict(event.labels)) == ("order-1", {"env": "test"})
    assert await emptied(url)


async def test_a_transaction_that_commits_late_is_not_passed_over() -> None:
    database = server().database()
    url = server().url(database)
    late, early = await asyncpg.connect(url), await asyncpg.connect(url)
    async with opened(database) as client:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("SELECT hookline.emit('acme', 'late.one', '{}')")
        for number in range(3):
            await early.execute("SELECT hookline.emit('acme', 'early.one', $1)", str(number))

            async def there(count: int = number + 1) -> bool:
                return len(await emitted(client)) == count

            await until(there)
        await transaction.commit()

        async def all_there() -> bool:
            return len(await emitted(client)) == 4

        await until(all_there)
        assert (await emitted(client))[-1].type == "late.one"
    await late.close()
    await early.close()


async def test_nothing_is_passed_over_while_many_transactions_begin_and_end_between_reads() -> None:
    database = server().database()
    url = server().url(database)
    written: set[str] = set()
    ended = asyncio.Event()

    async def write(number: int) -> None:
        chance = random.Random(number)
        connection = await asyncpg.connect(url)
        for turn in range(150):
            transaction = connection.transaction()
            await transaction.start()
            event = f"event-{number}-{turn}"
            await connection.execute("SELECT hookline.emit('acme', 'a.b', '{}', id => $1)", event)
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.003]))
            if chance.random() < 0.2:
                await transaction.rollback()
            else:
                await transaction.commit()
                written.add(event)
        await connection.close()

    async def read() -> list[str]:
        found: list[str] = []
        store = PostgresStore(Address.parse(url), SystemClock(), floor=None)
        await store.open()
        (reader,) = await store.outboxes()
        last = False
        while not last:
            last = ended.is_set()
            rows = await reader.read(500)
            found += [row.event.id for row in rows]
            await reader.remove(rows)
        await store.close()
        return found

    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        async with asyncio.TaskGroup() as writing:
            for number in range(8):
                writing.create_task(write(number))
        ended.set()
    assert len(reading.result()) == len(written)
    assert set(reading.result()) == written


async def test_open_transactions_with_the_same_key_do_not_wait_for_each_other_and_one_event_comes_of_them() -> None:
    database = server().database()
    url = server().url(database)
    first, second = await asyncpg.connect(url), await asyncpg.connect(url)
    one, two = first.transaction(), second.transaction()
    await one.start()
    await two.start()
    async with asyncio.timeout(90), opened(database) as client:
        for connection in (first, second):
            await connection.execute("SELECT hookline.emit('acme', 'order.placed', '{}', idempotency_key => 'k')")
        await two.commit()
        await one.commit()
        await until(lambda: emptied(url))
        assert [event.idempotency_key for event in await emitted(client)] == ["k"]
    await first.close()
    await second.close()


async def test_what_was_accepted_and_not_removed_is_accepted_once() -> None:
    database = server().database()
    connection = await asyncpg.connect(server().url(database))
    await connection.execute("SELECT hookline.emit('acme', 'order.placed', '{}'), hookline.emit('acme', 'order.paid', '{}')")
    copies = await connection.fetch("SELECT * FROM hookline.outbox")
    async with opened(database) as client:
        await until(lambda: emptied(server().url(database)))
    for copy in copies:  # as if the process had died before the removal
        values = ", ".join(f"${number}" for number in range(1, len(copy) + 1))
        await connection.execute(f"INSERT INTO hookline.outbox VALUES ({values})", *copy.values())
    async with opened(database) as client:
        await until(lambda: emptied(server().url(database)))
        assert [event.type for event in await emitted(client)] == ["order.placed", "order.paid"]
    assert await connection.fetchval("SELECT count(*) FROM hookline.outbox_refused") == 0
    await connection.close()


async def test_what_cannot_be_accepted_is_kept_aside_with_its_reason() -> None:
    database = server().database()
    connection = await asyncpg.connect(server().url(database))
    async with opened(database) as client:
        await connection.execute("SELECT hookline.emit('acme', 'order.placed', '1', idempotency_key => 'k')")
        await until(lambda: emptied(server().url(database)))
        await connection.execute("SELECT hookline.emit('acme', 'order.placed', '2', idempotency_key => 'k')")
        await connection.execute("SELECT hookline.emit('acme', 'order.placed', '3')")
        await until(lambda: emptied(server().url(database)))
        assert [event.data for event in await emitted(client)] == [b"1", b"3"]
    ((data, reason),) = await connection.fetch("SELECT data, reason FROM hookline.outbox_refused")
    assert data == b"2"
    assert "idempotency key" in reason
    await connection.close()


@pytest.mark.parametrize(
    ("call", "state", "named"),
    [
        ("hookline.emit('A B', 'a.b', '{}')", "22023", "tenant"),
        ("hookline.emit('acme', 'a..b', '{}')", "22023", "type"),
        ("hookline.emit('acme', 'hookline.mine', '{}')", "22023", "type"),
        ("hookline.emit('acme', 'a.b', NULL::text)", "22023", "data"),
        ("hookline.emit('acme', 'a.b', '{')", "22P02", "data"),
        ("hookline.emit('acme', 'a.b', '{}', id => 'a.b')", "22023", "id"),
        ("hookline.emit('acme', 'a.b', '{}', labels => '[1]')", "22023", "labels"),
        ("hookline.emit('acme', 'a.b', '{}', not_before => now() + interval '40 days')", "22023", "not_before"),
        ("hookline.emit('acme', 'a.b', '{}', idempotency_key => repeat('x', 257))", "22023", "idempotency_key"),
    ],
)
async def test_a_bad_argument_is_an_sql_error_that_names_it_and_the_transaction_may_go_on(
    call: str, state: str, named: str
) -> None:
    connection = await asyncpg.connect(server().url(_shared()))
    async with connection.transaction():
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with connection.transaction():
                await connection.execute(f"SELECT {call}")
        await connection.execute("SELECT 1")
    assert caught.value.sqlstate == state
    assert str(caught.value).startswith(f"hookline.emit: {named}")
    await connection.close()


async def test_whoever_may_emit_may_do_nothing_else() -> None:
    database = server().database()
    role = f"emitter_{database}"
    server().sql(f"CREATE ROLE {role} LOGIN")
    server().sql(f"SELECT hookline.allow_emit('{role}')", database=database)
    connection = await asyncpg.connect(server().url(database, user=role))
    assert await connection.fetchval("SELECT hookline.emit('acme', 'order.placed', '{}'::jsonb)")
    for forbidden in (
        "SELECT * FROM hookline.outbox",
        "DELETE FROM hookline.outbox",
        "SELECT * FROM hookline.event",
        "INSERT INTO hookline.outbox (tenant) VALUES ('acme')",
        f"SELECT hookline.allow_emit('{role}')",
        "CREATE TABLE hookline.mine (a int)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    await connection.close()
    stranger = f"stranger_{database}"
    server().sql(f"CREATE ROLE {stranger} LOGIN")
    connection = await asyncpg.connect(server().url(database, user=stranger))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT hookline.emit('acme', 'order.placed', '{}')")
    await connection.close()


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["emit", "emit", "emit", "savepoint", "back", "commit", "rollback"])),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=20)
async def test_exactly_what_was_committed_is_accepted_whatever_the_interleaving(steps: list[tuple[int, str]]) -> None:
    database = server().database()
    url = server().url(database)
    connections = [await asyncpg.connect(url) for _ in range(3)]
    open_: list[list[list[str]] | None] = [None, None, None]  # per connection: what was emitted since each savepoint
    committed: set[str] = set()
    async with opened(database) as client:
        for number, (which, step) in enumerate(steps):
            connection, levels = connections[which], open_[which]
            if levels is None:
                await connection.execute("BEGIN")
                levels = open_[which] = [[]]
            match step:
                case "emit":
                    await connection.execute(f"SELECT hookline.emit('acme', 'a.b', '{number}', id => 'event-{number}')")
                    levels[-1].append(f"event-{number}")
                case "savepoint":
                    await connection.execute(f"SAVEPOINT s{len(levels)}")
                    levels.append([])
                case "back" if len(levels) > 1:
                    await connection.execute(f"ROLLBACK TO s{len(levels) - 1}; RELEASE s{len(levels) - 1}")
                    levels.pop()
                case "commit":
                    await connection.execute("COMMIT")
                    committed |= {event for level in levels for event in level}
                    open_[which] = None
                case "rollback":
                    await connection.execute("ROLLBACK")
                    open_[which] = None
        for connection in connections:
            await connection.close()
        await until(lambda: emptied(url))
        assert {event.id for event in await emitted(client)} == committed


_made: list[str] = []


def _shared() -> str:
    if not _made:
        _made.append(server().database())
    return _made[0]
