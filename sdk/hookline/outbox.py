"""Events inside the caller's own SQL transaction: they exist exactly when it commits.

    sql, parameters = outbox.statement(event, "psycopg", tenant="acme")
    cursor.execute(sql, parameters)  # on the caller's own connection, in its own transaction

On PostgreSQL the statement calls `hookline.emit_bytes`, which `hookline migrate` has made in the database of
the store. On SQLite it writes into the table `hookline_outbox` in the caller's own file, which `SCHEMA` makes;
a process that has been given that file (`hookline.open(…, outbox="shop.db")`) takes what committed.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from hookline.clock import Clock, SystemClock, moment, now_micros
from hookline.errors import InvalidArgument, StoreError, quoted
from hookline.ids import EVENT, IdSource
from hookline.model import NO_LABELS, EventSpec
from hookline.validation import check_event, check_tenant

SCHEMA: Final = """\
CREATE TABLE IF NOT EXISTS hookline_outbox (
  no INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL,
  more TEXT NOT NULL,
  refused TEXT
)"""
"""For SQLite: makes the table in the caller's own file; `more` is JSON, `refused` the reason why an event was not accepted."""

_NAMES: Final = (
    "tenant",
    "type",
    "data",
    "idempotency_key",
    "ordering_key",
    "id",
    "source",
    "subject",
    "labels",
    "time",
    "not_before",
    "content_type",
    "data_schema",
    "traceparent",
)
_TYPES: Final = {"labels": "jsonb", "time": "timestamptz", "not_before": "timestamptz", "data": "bytea"}
_INSERT: Final = "INSERT INTO hookline_outbox (tenant, id, type, data, more) VALUES ({})"
_ROW: Final = ("tenant", "id", "type", "data", "more")
_PLACES: Final = {
    "asyncpg": "${number}::{kind}",
    "psycopg": "%({name})s::{kind}",
    "sqlalchemy": "CAST(:{name} AS {kind})",
    "django": "%s::{kind}",
    "sqlite3": "?",
    "sqlalchemy+sqlite": ":{name}",
    "django+sqlite": "%s",
}
DIALECTS: Final = tuple(_PLACES)
POLL: Final = 0.1
"""Seconds between two looks at an outbox."""
LARGEST_READ: Final = 8 * 1024 * 1024
"""Bytes of data after which a read brings no more; the rest is read next."""
UNREADABLE: Final = (ValueError, TypeError, ArithmeticError, RecursionError, InvalidArgument)
"""What it may come to that is made of a row which somebody has written past our checks."""


class Statement(NamedTuple):
    """What the caller executes: positional parameters for asyncpg, Django and sqlite3, named ones for the others."""

    sql: str
    parameters: tuple[Any, ...] | dict[str, Any]


def statement(event: EventSpec, dialect: str, *, tenant: str = "default", clock: Clock | None = None) -> Statement:
    """The statement that emits `event` when the caller's transaction commits, and its parameters; nothing is executed.

    `dialect` is one of `DIALECTS`: `asyncpg` (`await connection.fetchval(sql, *parameters)`), `psycopg` (3, named
    parameters), `sqlalchemy` (`session.execute(text(sql), parameters)`), `django` (`cursor.execute(sql, parameters)`
    on `connection.cursor()`), `sqlite3`, and the two over SQLite. Without an id the event gets one here, so that it
    is known before the commit: it is among the parameters. Raises InvalidArgument (event.…, tenant, dialect).
    """
    if dialect not in DIALECTS:
        raise InvalidArgument.of("dialect", f"{quoted(dialect)} is not known; right is one of {', '.join(DIALECTS)}")
    clock = clock or SystemClock()
    check_tenant(tenant)
    check_event(event, now=moment(now_micros(clock)))
    event_id = event.id or IdSource(clock).new(EVENT)
    if dialect.endswith(("sqlite3", "sqlite")):
        more = json.dumps(_more(event))
        return _laid_out(_INSERT, _ROW, {}, (tenant, event_id, event.type, event.data, more), dialect)
    values = (
        tenant,
        event.type,
        event.data,
        event.idempotency_key,
        event.ordering_key,
        event_id,
        event.source,
        event.subject,
        json.dumps(dict(event.labels)) if event.labels else None,
        event.time,
        event.not_before_time,
        event.data_content_type,
        event.data_schema,
        event.traceparent,
    )
    return _laid_out("SELECT hookline.emit_bytes({})", _NAMES, _TYPES, values, dialect)


def _laid_out(sql: str, names: Sequence[str], types: Mapping[str, str], values: tuple[Any, ...], dialect: str) -> Statement:
    """Placeholders as the dialect has them. On PostgreSQL each has its type: drivers send an untyped NULL as text."""
    places = [
        _PLACES[dialect].format(number=number, name=name, kind=types.get(name, "text")) for number, name in enumerate(names, 1)
    ]
    text = sql.format(", ".join(places))
    by_name = dialect in {"psycopg", "sqlalchemy", "sqlalchemy+sqlite"}
    return Statement(text, dict(zip(names, values, strict=True)) if by_name else values)


def _more(event: EventSpec) -> dict[str, Any]:
    """What is set of an event beside id, type and data."""
    stated = {
        "source": event.source,
        "subject": event.subject,
        "time": None if event.time is None else event.time.astimezone(UTC).isoformat(),
        "data_content_type": event.data_content_type,
        "data_schema": event.data_schema,
        "labels": dict(event.labels),
        "idempotency_key": event.idempotency_key,
        "ordering_key": event.ordering_key,
        "not_before_time": None if event.not_before_time is None else event.not_before_time.astimezone(UTC).isoformat(),
        "traceparent": event.traceparent,
    }
    return {name: value for name, value in stated.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A committed event; `place` is known to its outbox alone. With a `problem` nothing can be made of it."""

    tenant: str
    place: tuple[int, int]
    event: EventSpec
    problem: str = ""


def unreadable(tenant: str, place: tuple[int, int], event_id: str, error: Exception) -> OutboxRow:
    """A row of which no event can be made."""
    problem = f"it cannot be read: {str(error) or type(error).__name__}; right is what outbox.statement or hookline.emit writes"
    return OutboxRow(tenant=tenant, place=place, event=EventSpec(type="", data=b"", id=event_id), problem=problem)


class Batch(NamedTuple):
    """What a read brought, and whether it left something that it could have brought."""

    rows: list[OutboxRow]
    more: bool


class Outbox(Protocol):
    """Where committed events wait until they are accepted. Several readers may share one."""

    async def open(self, max_data: int) -> None:
        """Before the first read: no event with more than `max_data` bytes of data is accepted. Raises Unavailable."""

    async def read(self, limit: int) -> Batch:
        """Up to `limit` events that committed, in order, and no more than about `LARGEST_READ` bytes. Raises Unavailable."""

    async def remove(self, rows: list[OutboxRow]) -> None:
        """These are accepted."""

    async def refuse(self, rows: list[tuple[OutboxRow, str]]) -> None:
        """These never can be: keep them aside, each with the reason."""

    def restart(self) -> None:
        """Something that was read was not accepted: the next read begins with the oldest again."""


class SqliteOutbox:
    """The table `hookline_outbox` in an SQLite file of the caller's."""

    def __init__(self, path: str | Path) -> None:
        """Nothing is opened yet; a file or table that is not there yet is looked for again."""
        self._path = Path(path)

    def check(self) -> None:
        """Raise StoreError unless the file is there and has the table."""
        if not self._path.is_file():
            raise StoreError(f"the outbox {self._path} is not there; name the application's SQLite file, in which the table stands")
        try:
            with contextlib.closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                connection.execute("SELECT no, tenant, id, type, data, more, refused FROM hookline_outbox LIMIT 0")
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the outbox {self._path} cannot be used: {error}; right is an SQLite file with the table hookline_outbox, "
                "which hookline.outbox.SCHEMA makes"
            ) from error

    async def open(self, max_data: int) -> None:
        """See `Outbox`; here the statement is all that could refuse anything, and it knows nothing of this."""

    async def read(self, limit: int) -> Batch:
        """See `Outbox`. Raises StoreError if the file is no database."""
        return await asyncio.to_thread(self._read, limit)

    async def remove(self, rows: list[OutboxRow]) -> None:
        """See `Outbox`."""
        places = [(row.place[1],) for row in rows]
        await asyncio.to_thread(self._change, "DELETE FROM hookline_outbox WHERE no = ?", places)

    async def refuse(self, rows: list[tuple[OutboxRow, str]]) -> None:
        """See `Outbox`."""
        reasons = [(reason, row.place[1]) for row, reason in rows]
        await asyncio.to_thread(self._change, "UPDATE hookline_outbox SET refused = ? WHERE no = ?", reasons)

    def restart(self) -> None:
        """See `Outbox`; here every read does."""

    def _read(self, limit: int) -> Batch:
        if not self._path.exists():
            return Batch([], more=False)
        rows: list[OutboxRow] = []
        size = 0
        try:
            with contextlib.closing(self._connect()) as connection:
                for found in connection.execute(
                    "SELECT no, tenant, id, type, data, more FROM hookline_outbox WHERE refused IS NULL ORDER BY no LIMIT ?",
                    (limit,),
                ):
                    row = _row(found)
                    rows.append(row)
                    size += len(row.event.data)
                    if size > LARGEST_READ:
                        return Batch(rows, more=True)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return Batch([], more=False)
            raise StoreError(f"the outbox {self._path} cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the outbox {self._path} cannot be read: {error}") from error
        return Batch(rows, len(rows) == limit)

    def _change(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        try:
            with contextlib.closing(self._connect()) as connection, connection:
                connection.executemany(sql, values)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the outbox {self._path} cannot be written: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10.0)


def _row(row: tuple[Any, ...]) -> OutboxRow:
    no, tenant, event_id, kind, data, text = row
    try:
        check_tenant(tenant)
        more = json.loads(text)
        spec = EventSpec(
            type=kind,
            data=memoryview(data).tobytes(),
            id=event_id,
            source=more.get("source", ""),
            subject=more.get("subject", ""),
            time=_moment(more.get("time")),
            data_content_type=more.get("data_content_type", ""),
            data_schema=more.get("data_schema", ""),
            labels=more.get("labels", NO_LABELS),
            idempotency_key=more.get("idempotency_key", ""),
            ordering_key=more.get("ordering_key", ""),
            not_before_time=_moment(more.get("not_before_time")),
            traceparent=more.get("traceparent", ""),
        )
    except (*UNREADABLE, AttributeError) as error:
        return unreadable(str(tenant), (0, no), str(event_id), error)
    return OutboxRow(tenant=tenant, place=(0, no), event=spec)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
