"""Transactions of Django: the handler runs inside `atomic()`, where models are saved as everywhere."""

from collections.abc import Callable
from typing import Any, Final

from django.db import OperationalError, connections, transaction

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
    EventKey,
    Transactions,
    check_dialect,
    check_same,
)

_INSERT: Final = "INSERT INTO hookline_received (scope, event_key, received_time) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


class DjangoTransactions(Transactions[Any]):
    """`using` is the alias of a database; the handler's `transaction` is its connection, for SQL of its own."""

    def __init__(self, using: str = "default") -> None:
        self._using: Final = using

    def setup(self) -> None:
        """See `Transactions.setup`. Raises InvalidArgument for a database that is neither SQLite nor PostgreSQL."""
        check_dialect(connections[self._using].vendor)
        self._atomically(lambda cursor: (cursor.execute(CREATE_TABLE), cursor.execute(CREATE_INDEX)))

    def once(self, key: EventKey, now: int, effect: Callable[[Any], object]) -> bool:
        """See `Transactions.once`."""
        row = [key.scope, key.key, now]

        def on_postgresql(cursor: Any) -> bool:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key.lock()])
            if not cursor.fetchone()[0]:
                raise StillHandled(BUSY_ELSEWHERE)
            cursor.execute(_INSERT + INSERTED_IN, row)
            began = cursor.fetchone()
            if began is None:
                return False
            effect(connections[self._using])
            cursor.execute(STILL_IN)
            check_same(began, cursor.fetchone())
            return True

        def on_sqlite(cursor: Any) -> bool:
            cursor.execute(_INSERT, row)
            if cursor.rowcount == 0:
                return False
            cursor.execute(MARK)
            effect(connections[self._using])
            try:
                cursor.execute(UNMARK)
            except OperationalError as error:
                raise FailedPrecondition(ENDED) from error
            return True

        return bool(self._atomically(on_postgresql if connections[self._using].vendor == "postgresql" else on_sqlite))

    def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""

        def look(cursor: Any) -> bool:
            cursor.execute("SELECT 1 FROM hookline_received WHERE scope = %s AND event_key = %s", [key.scope, key.key])
            return cursor.fetchone() is not None

        return bool(self._atomically(look))

    def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""

        def delete(cursor: Any) -> int:
            cursor.execute("DELETE FROM hookline_received WHERE scope = %s AND received_time < %s", [scope, before])
            return int(cursor.rowcount)

        return int(self._atomically(delete))

    def _atomically(self, work: Callable[[Any], Any]) -> Any:
        connection = connections[self._using]
        # As Django does around each of its own requests: this thread is not one of them.
        connection.close_if_unusable_or_obsolete()
        try:
            with transaction.atomic(using=self._using, durable=True), connection.cursor() as cursor:
                return work(cursor)
        finally:
            connection.close_if_unusable_or_obsolete()
