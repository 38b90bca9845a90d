"""Transactions of the standard library's sqlite3: the handler gets a `sqlite3.Connection`."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final

from hookline.errors import FailedPrecondition, Unavailable
from hookline.receiver.transactions.transactions import (
    CREATE_INDEX,
    CREATE_TABLE,
    ENDED,
    MARK,
    UNMARK,
    EventKey,
    Transactions,
)

BUSY: Final = 10.0
"""Seconds to wait for another writer of the file."""

_INSERT: Final = "INSERT INTO hookline_received (scope, event_key, received_time) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class SqliteTransactions(Transactions[sqlite3.Connection]):
    """`database` is the path of a file, or a function that opens a connection.

    Each event has a connection of its own. A file has one writer at a time, so handlers that take the
    transaction run one after the other.
    """

    def __init__(self, database: str | os.PathLike[str] | Callable[[], sqlite3.Connection]) -> None:
        self._turn = threading.Lock()
        self._pid = os.getpid()
        self._connect: Final = database if callable(database) else lambda: sqlite3.connect(database, timeout=BUSY)

    def setup(self) -> None:
        """See `Transactions.setup`."""
        with closing(self._connect()) as connection, connection:
            connection.execute(CREATE_TABLE)
            connection.execute(CREATE_INDEX)

    def once(self, key: EventKey, now: int, effect: Callable[[sqlite3.Connection], object]) -> bool:
        """See `Transactions.once`. Raises Unavailable if other handlers hold the file for ten seconds."""
        turn = self._turn_here()
        if not turn.acquire(timeout=BUSY):
            raise Unavailable(f"other handlers have held the database for {BUSY:g} s", retry_after=BUSY)
        try:
            with closing(self._connect()) as connection:
                return _once(connection, key, now, effect)
        finally:
            turn.release()

    def _turn_here(self) -> threading.Lock:
        """Whose turn it is in this process: waiting for it costs less than asking SQLite again and again."""
        if self._pid != os.getpid():
            # One that another thread of the parent held at the fork would never be free here.
            self._turn, self._pid = threading.Lock(), os.getpid()
        return self._turn

    def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""
        with closing(self._connect()) as connection:
            sql = "SELECT 1 FROM hookline_received WHERE scope = ? AND event_key = ?"
            return connection.execute(sql, (key.scope, key.key)).fetchone() is not None

    def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""
        with closing(self._connect()) as connection, connection:
            return connection.execute(
                "DELETE FROM hookline_received WHERE scope = ? AND received_time < ?", (scope, before)
            ).rowcount


def _once(connection: sqlite3.Connection, key: EventKey, now: int, effect: Callable[[sqlite3.Connection], object]) -> bool:
    connection.isolation_level = None
    # The write lock first: a transaction that reads before it writes can be refused in the middle.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute(_INSERT, (key.scope, key.key, now)).rowcount == 0:
            connection.execute("ROLLBACK")
            return False
        connection.execute(MARK)
        effect(connection)
        try:
            connection.execute(UNMARK)
        except sqlite3.OperationalError as error:
            raise FailedPrecondition(ENDED) from error
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True
