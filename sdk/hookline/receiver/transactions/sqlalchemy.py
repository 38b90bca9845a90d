"""Transactions of SQLAlchemy 2: the handler gets what `begin()` of an engine or of a sessionmaker gives."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from hookline.errors import FailedPrecondition
from hookline.receiver.errors import StillHandled
from hookline.receiver.transactions.transactions import (
    BUSY_ELSEWHERE,
    CREATE_INDEX,
    CREATE_TABLE,
    ENDED,
    INSERTED_IN,
    MARK,
    STILL_IN,
    UNMARK,
    AsyncTransactions,
    EventKey,
    Transactions,
    check_dialect,
    check_open,
    check_same,
)

_INSERT: Final = (
    "INSERT INTO hookline_received (scope, event_key, received_time) VALUES (:scope, :key, :now) ON CONFLICT DO NOTHING"
)
_RECORD: Final = text(_INSERT)
_RECORD_IN: Final = text(_INSERT + INSERTED_IN.replace("::", r"\:\:"))
_STILL_IN: Final = text(STILL_IN.replace("::", r"\:\:"))
_MARK: Final = text(MARK)
_UNMARK: Final = text(UNMARK)
_SEEN: Final = text("SELECT 1 FROM hookline_received WHERE scope = :scope AND event_key = :key")
_PURGE: Final = text("DELETE FROM hookline_received WHERE scope = :scope AND received_time < :before")
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:lock)")
_SETUP: Final = (text(CREATE_TABLE), text(CREATE_INDEX))
_POSTGRESQL: Final = "postgresql"


class SqlAlchemyTransactions(Transactions[Any]):
    """`source` is an `Engine` (handlers get a `Connection`) or a `sessionmaker` (they get a `Session`)."""

    def __init__(self, source: Engine | sessionmaker[Session]) -> None:
        self._source: Final = source

    def setup(self) -> None:
        """See `Transactions.setup`. Raises InvalidArgument for a database that is neither SQLite nor PostgreSQL."""
        with self._source.begin() as opened:
            check_dialect(_dialect(opened))
            for statement in _SETUP:
                opened.execute(statement)

    def once(self, key: EventKey, now: int, effect: Callable[[Any], object]) -> bool:
        """See `Transactions.once`."""
        with self._source.begin() as opened:
            row = {"scope": key.scope, "key": key.key, "now": now}
            if _dialect(opened) == _POSTGRESQL:
                if not opened.execute(_LOCK, {"lock": key.lock()}).scalar():
                    raise StillHandled(BUSY_ELSEWHERE)
                began = opened.execute(_RECORD_IN, row).scalar()
                if began is None:
                    return False
                effect(opened)
                check_open(opened.in_transaction())
                check_same(began, opened.execute(_STILL_IN).scalar())
                return True
            if not _rows(opened.execute(_RECORD, row)):
                return False
            opened.execute(_MARK)
            effect(opened)
            check_open(opened.in_transaction())
            with _undone():
                opened.execute(_UNMARK)
            return True

    def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""
        with self._source.begin() as opened:
            return opened.execute(_SEEN, {"scope": key.scope, "key": key.key}).first() is not None

    def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""
        with self._source.begin() as opened:
            return _rows(opened.execute(_PURGE, {"scope": scope, "before": before}))


class AsyncSqlAlchemyTransactions(AsyncTransactions[Any]):
    """`source` is an `AsyncEngine` (handlers get an `AsyncConnection`) or an `async_sessionmaker` (an `AsyncSession`)."""

    def __init__(self, source: AsyncEngine | async_sessionmaker[AsyncSession]) -> None:
        self._source: Final = source

    async def setup(self) -> None:
        """See `SqlAlchemyTransactions.setup`."""
        async with self._source.begin() as opened:
            check_dialect(_dialect(opened))
            for statement in _SETUP:
                await opened.execute(statement)

    async def once(self, key: EventKey, now: int, effect: Callable[[Any], Awaitable[object]]) -> bool:
        """See `Transactions.once`."""
        async with self._source.begin() as opened:
            row = {"scope": key.scope, "key": key.key, "now": now}
            if _dialect(opened) == _POSTGRESQL:
                if not (await opened.execute(_LOCK, {"lock": key.lock()})).scalar():
                    raise StillHandled(BUSY_ELSEWHERE)
                began = (await opened.execute(_RECORD_IN, row)).scalar()
                if began is None:
                    return False
                await effect(opened)
                check_open(opened.in_transaction())
                check_same(began, (await opened.execute(_STILL_IN)).scalar())
                return True
            if not _rows(await opened.execute(_RECORD, row)):
                return False
            await opened.execute(_MARK)
            await effect(opened)
            check_open(opened.in_transaction())
            with _undone():
                await opened.execute(_UNMARK)
            return True

    async def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""
        async with self._source.begin() as opened:
            return (await opened.execute(_SEEN, {"scope": key.scope, "key": key.key})).first() is not None

    async def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""
        async with self._source.begin() as opened:
            return _rows(await opened.execute(_PURGE, {"scope": scope, "before": before}))


def _dialect(opened: Connection | Session | AsyncConnection | AsyncSession) -> str:
    if isinstance(opened, Session | AsyncSession):
        return opened.get_bind().dialect.name
    return opened.dialect.name


def _rows(result: Any) -> int:  # a Result is a CursorResult here, which its type does not say
    return int(result.rowcount)


@contextmanager
def _undone() -> Iterator[None]:
    """On SQLite: a mark that is no longer there was set in a transaction that was ended."""
    try:
        yield
    except OperationalError as error:
        raise FailedPrecondition(ENDED) from error
