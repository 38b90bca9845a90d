"""The outbox in the caller's own SQLite file: an event exists exactly when the caller's transaction commits."""

import asyncio
import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hookline
from hookline import outbox
from hookline.errors import InvalidArgument
from hookline.model import EventSpec

FULL = EventSpec(
    type="order.placed",
    data=b'{"price": 1.10, "id": 12345678901234567890}',
    id="order-1",
    source="/shop",
    subject="orders/1",
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    labels={"env": "test"},
    idempotency_key="k",
    ordering_key="o",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


def emit(connection: sqlite3.Connection, event: EventSpec, tenant: str = "acme") -> None:
    connection.execute(*outbox.statement(event, "sqlite3", tenant=tenant))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
        connection.execute(outbox.SCHEMA)
    return path


async def until_empty(path: Path) -> None:
    async with asyncio.timeout(90):
        while (await asyncio.to_thread(left, path)) > 0:  # noqa: ASYNC110  # what is waited for happens in a file
            await asyncio.sleep(0.02)


def left(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        count: int = connection.execute("SELECT count(*) FROM hookline_outbox WHERE refused IS NULL").fetchone()[0]
        return count


async def test_an_order_and_its_event_commit_together_or_not_at_all(shop: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(shop, timeout=60)) as connection:
        with connection:
            connection.execute("INSERT INTO orders VALUES (1)")
            emit(connection, FULL)
        emit(connection, EventSpec(type="order.lost", data=b"{}"))
        connection.rollback()
        async with hookline.open(tmp_path / "store.db", tenant="acme", outbox=shop) as client:
            await until_empty(shop)
            with connection:
                emit(connection, EventSpec(type="order.paid", data=b"{}"))
            await until_empty(shop)
            found = {event.type: event for event in (await client.events.list()).items}
    assert found.keys() == {"order.placed", "order.paid"}
    event = found["order.placed"]
    for field in ("data", "id", "source", "subject", "time", "labels", "idempotency_key", "ordering_key", "traceparent"):
        assert getattr(event, field) == getattr(FULL, field)


async def test_a_file_and_a_table_that_come_later_are_found(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    async with hookline.open(tmp_path / "store.db", tenant="acme", outbox=[path]) as client:
        await client.events.list()
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection, connection:
            connection.execute(outbox.SCHEMA)
            emit(connection, EventSpec(type="a.b", data=b"{}"))
        await until_empty(path)
        assert [event.type for event in (await client.events.list()).items] == ["a.b"]


async def test_what_is_refused_stays_with_its_reason_and_holds_up_nothing(shop: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(shop, timeout=60)) as connection:
        with connection:
            emit(connection, EventSpec(type="a.b", data=b"1", id="same"))
            emit(connection, EventSpec(type="a.b", data=b"2", id="same"))
            emit(connection, EventSpec(type="a.b", data=b"3"))
        async with hookline.open(tmp_path / "store.db", tenant="acme", outbox=shop) as client:
            await until_empty(shop)
            assert {event.data for event in (await client.events.list()).items} == {b"1", b"3"}
        ((data, reason),) = connection.execute("SELECT data, refused FROM hookline_outbox").fetchall()
    assert data == b"2"
    assert "same" in reason


async def test_rows_of_which_no_event_can_be_made_stay_with_a_reason_and_hold_up_nothing(shop: Path, tmp_path: Path) -> None:
    insert = "INSERT INTO hookline_outbox (tenant, id, type, data, more) VALUES (?, ?, 'a.b', ?, ?)"
    rows = [
        ("acme", "no-json", b"1", "{"),
        ("acme", "no-object", b"1", "[]"),
        ("acme", "no-time", b"1", '{"time": "soon"}'),
        ("acme", "no-labels", b"1", '{"labels": {"a": 1}}'),
        ("acme", "null-labels", b"1", '{"labels": null}'),
        ("acme", "text", "1", "{}"),
        ("No Tenant", "no-tenant", b"1", "{}"),
    ]
    with contextlib.closing(sqlite3.connect(shop, timeout=60)) as connection:
        with connection:
            connection.executemany(insert, rows)
            emit(connection, EventSpec(type="a.b", data=b"3", id="good"))
        async with hookline.open(tmp_path / "store.db", tenant="acme", outbox=shop) as client:
            await until_empty(shop)
            assert [event.id for event in (await client.events.list()).items] == ["good"]
        assert connection.execute("SELECT count(*) FROM hookline_outbox WHERE refused <> ''").fetchone() == (len(rows),)


@pytest.mark.parametrize("dialect", outbox.DIALECTS)
def test_a_statement_has_a_place_for_each_parameter_and_the_data_byte_for_byte(dialect: str) -> None:
    sql, parameters = outbox.statement(FULL, dialect, tenant="acme")
    assert FULL.data in (parameters.values() if isinstance(parameters, dict) else parameters)
    if isinstance(parameters, dict):
        assert all(f":{name}" in sql or f"%({name})s" in sql for name in parameters)
    else:
        assert sum(sql.count(mark) for mark in ("?", "%s", "$")) == len(parameters)


@pytest.mark.parametrize(
    ("event", "dialect", "tenant", "field"),
    [
        (EventSpec(type="a..b", data=b"{}"), "psycopg", "acme", "event.type"),
        (EventSpec(type="a.b", data=b"{"), "sqlite3", "acme", "event.data"),
        (EventSpec(type="a.b", data=b"{}"), "oracle", "acme", "dialect"),
        (EventSpec(type="a.b", data=b"{}"), "psycopg", "A B", "tenant"),
    ],
)
def test_what_cannot_be_emitted_is_refused_before_the_transaction(event: EventSpec, dialect: str, tenant: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        outbox.statement(event, dialect, tenant=tenant)
    assert [violation.field for violation in caught.value.violations] == [field]


@given(data=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_the_data_comes_out_of_an_sqlite_outbox_as_it_went_in(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        made = outbox.statement(EventSpec(type="a.b", data=text), "sqlite3")
    except InvalidArgument:  # a lone surrogate
        return
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(outbox.SCHEMA)
        connection.execute(*made)
        assert connection.execute("SELECT data FROM hookline_outbox").fetchone() == (text,)
