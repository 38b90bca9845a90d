"""The SQL door: an event emitted in the caller's transaction exists exactly when that commits."""

import asyncio
import contextlib
import itertools
import pickle
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from client.receiver import Receiver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres.server import server

import hookline
from hookline import EngineConfig, SubscriptionSpec, outbox
from hookline.clock import SystemClock
from hookline.embedded import EmbeddedClient
from hookline.errors import ResourceExhausted
from hookline.model import EventSpec
from hookline.outbox import LARGEST_READ
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
        await until(lambda: emptied(url))
    assert (event.type, event.data, event.ordering_key, event.subject) == (EVENT.type, EVENT.data, "customer-1", "orders/1")
    assert (event.idempotency_key, dict(event.labels)) == ("order-1", {"env": "test"})


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
        while True:
            last = ended.is_set()
            rows, more = await reader.read(500)
            found += [row.event.id for row in rows]
            await reader.remove(rows)
            if last and not more:
                break
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


UNREADABLE = """\
INSERT INTO hookline.outbox (tenant, xid, id, type, data, content_type, data_schema, source, subject, time, labels, idempotency_key,
  ordering_key, not_before, traceparent, at)
VALUES ('acme', pg_current_xact_id()::text::bigint, $1, 'a.b', '{}', '', '', '', '', $2::text::timestamptz, $3, '', '',
  $4::text::timestamptz, '', now())"""


async def test_a_row_of_which_no_event_can_be_made_is_kept_aside_and_holds_up_nobody() -> None:
    """As `hookline.emit` let some through before schema 3."""
    database = server().database()
    connection = await asyncpg.connect(server().url(database))
    for number, row in enumerate(
        [
            ("0044-03-15 00:00+00 BC", None, None),
            ("infinity", None, None),
            (None, None, "-infinity"),
            ("20000-01-01 00:00+00", None, None),
            (None, "[" * 20_000, None),
            (None, "[1]", None),
            (None, '{"a": 1}', None),
        ]
    ):
        await connection.execute(UNREADABLE, f"bad-{number}", *row)
    await connection.execute(
        "SELECT hookline.emit('other', 'a.b', '{}', \"time\" => '2024-02-29 12:34:56.789012+00', id => 'good')"
    )
    async with opened(database) as client:
        await until(lambda: emptied(server().url(database)))
        event = await client.events.get("good", tenant="other")
    assert event.time == datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC)
    assert await connection.fetchval("SELECT count(*) FROM hookline.outbox_refused WHERE reason <> ''") == 7
    await connection.close()


async def test_large_rows_are_taken_beside_others_who_fill_what_may_wait() -> None:
    database = server().database()
    connection = await asyncpg.connect(server().url(database))
    await connection.execute(
        "SELECT hookline.emit('acme', 'big.one', to_jsonb(repeat('x', 100000)), id => 'big-' || n) FROM generate_series(1, 40) n"
    )
    ended = asyncio.Event()

    async def fill(client: EmbeddedClient) -> None:
        while not ended.is_set():
            with contextlib.suppress(ResourceExhausted):
                await client.emit("small.one", b"1" * 30_000)
            await asyncio.sleep(0)

    config = EngineConfig(max_unacknowledged_bytes=100_000)
    async with hookline.open(server().url(database), tenant="acme", config=config) as client, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(fill(client))
        await until(lambda: emptied(server().url(database)))
        ended.set()
    assert await connection.fetchval("SELECT count(*) FROM hookline.event WHERE type = 'big.one'") == 40
    await connection.close()


async def test_a_read_brings_a_bounded_number_of_bytes_and_says_that_there_is_more() -> None:
    url = server().url(server().database())
    store = PostgresStore(Address.parse(url), SystemClock(), floor=None)
    await store.open()
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT hookline.emit('acme', 'a.b', to_jsonb(repeat('x', 250000)), id => n::text) FROM generate_series(1, 50) n"
    )
    (reader,) = await store.outboxes()
    found: list[str] = []
    more = True
    while more:
        rows, more = await reader.read(500)
        assert sum(len(row.event.data) for row in rows) <= LARGEST_READ + 250_002
        found += [row.event.id for row in rows]
        await reader.remove(rows)
    assert found == [str(number) for number in range(1, 51)]
    await connection.close()
    await store.close()


async def test_the_door_refuses_what_is_larger_than_the_servers_accept() -> None:
    database = server().database()
    connection = await asyncpg.connect(server().url(database))

    async def refused(size: int) -> str:
        with pytest.raises(asyncpg.InvalidParameterValueError) as caught:
            await connection.execute("SELECT hookline.emit('acme', 'a.b', to_jsonb(repeat('x', $1)))", size)
        return str(caught.value)

    assert await refused(300_000) == "hookline.emit: data has 300002 bytes; right are at most 262144"
    async with hookline.open(server().url(database), tenant="acme", config=EngineConfig(max_data=1_000)):
        await until(lambda: connection.fetchval("SELECT value = 1000 FROM hookline.setting WHERE name = 'max_data'"))
    assert "right are at most 1000" in await refused(1_000)


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


@dataclass
class Shop:
    """An application's own connections, and a receiver of what they commit."""

    connections: list[Any]
    receiver: Receiver
    committed: set[str] = field(default_factory=set)
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    url = server().url(server().database())
    made = Shop([await asyncpg.connect(url) for _ in range(3)], Receiver())
    await made.receiver.start()
    async with hookline.open(url, config=EngineConfig(allow_http_loopback=True), tenant="acme") as client:
        await client.subscriptions.create(SubscriptionSpec(url=made.receiver.url("/")))
        yield made
    for connection in made.connections:
        await connection.close()
    await made.receiver.stop()


async def interleaved(connections: list[Any], steps: list[tuple[int, str]], name: str) -> set[str]:
    """Do the steps; the ids of the events that were committed. What is left open is rolled back."""
    open_: list[list[list[str]] | None] = [None, None, None]  # per connection: what was emitted since each savepoint
    committed: set[str] = set()
    for number, (which, step) in enumerate([*steps, (0, "rollback"), (1, "rollback"), (2, "rollback")]):
        connection, levels = connections[which], open_[which]
        if levels is None:
            await connection.execute("BEGIN")
            levels = open_[which] = [[]]
        match step:
            case "emit":
                await connection.execute("SELECT hookline.emit('acme', 'a.b', '{}', id => $1)", f"{name}-{number}")
                levels[-1].append(f"{name}-{number}")
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
    return committed


@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # one shop is meant to serve them all
async def test_exactly_what_was_committed_is_delivered_whatever_the_interleaving(shop: Shop, steps: list[tuple[int, str]]) -> None:
    shop.committed |= await interleaved(shop.connections, steps, f"run-{next(shop.names)}")
    caller = shop.connections[0]

    async def all_over() -> bool:
        return bool(
            await caller.fetchval("SELECT NOT EXISTS (SELECT FROM hookline.outbox) AND NOT EXISTS (SELECT FROM hookline.fresh)")
        )

    await until(all_over)
    assert {one.webhook_id for one in shop.receiver.received} == shop.committed
    assert {row["id"] for row in await caller.fetch("SELECT id FROM hookline.event")} == shop.committed


_made: list[str] = []


def _shared() -> str:
    if not _made:
        _made.append(server().database(lasting=True))
    return _made[0]
