"""Transactions of psycopg 3: the handler gets a `psycopg.Connection`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import psycopg

from hookline.receiver.errors import StillHandled
from hookline.receiver.transactions.transactions import (
    BUSY_ELSEWHERE,
    CREATE_INDEX,
    CREATE_TABLE,
    INSERTED_IN,
    STILL_IN,
    EventKey,
    Transactions,
    check_same,
)

_INSERT: Final = (
    f"INSERT INTO hookline_received (scope, event_key, received_time) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING{INSERTED_IN}"
)


class PsycopgTransactions(Transactions["psycopg.Connection[Any]"]):
    """`connect` lends a connection: `pool.connection` of psycopg_pool, or `lambda: psycopg.connect(…)`."""

    def __init__(self, connect: Callable[[], AbstractContextManager["psycopg.Connection[Any]"]]) -> None:
        self._connect: Final = connect

    def setup(self) -> None:
        """See `Transactions.setup`."""
        with self._connect() as connection, connection.transaction():
            connection.execute(CREATE_TABLE)
            connection.execute(CREATE_INDEX)

    def once(self, key: EventKey, now: int, effect: Callable[["psycopg.Connection[Any]"], object]) -> bool:
        """See `Transactions.once`."""
        with self._connect() as connection, connection.transaction():
            if not _first(connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (key.lock(),))):
                raise StillHandled(BUSY_ELSEWHERE)
            began = _first(connection.execute(_INSERT, (key.scope, key.key, now)))
            if began is None:
                return False
            effect(connection)
            check_same(began, _first(connection.execute(STILL_IN)))
            return True

    def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""
        with self._connect() as connection:
            sql = "SELECT 1 FROM hookline_received WHERE scope = %s AND event_key = %s"
            return connection.execute(sql, (key.scope, key.key)).fetchone() is not None

    def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""
        with self._connect() as connection, connection.transaction():
            return connection.execute(
                "DELETE FROM hookline_received WHERE scope = %s AND received_time < %s", (scope, before)
            ).rowcount


def _first(done: "psycopg.Cursor[Any]") -> object:
    """The one column of the one row, whatever the connection's row factory makes of it; None if there is no row."""
    row = done.fetchone()
    if row is None:
        return None
    return next(iter(row.values())) if isinstance(row, dict) else next(iter(row))
