"""Transactions of asyncpg: the handler gets a connection of the pool."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from hookline.receiver.errors import StillHandled
from hookline.receiver.transactions.transactions import (
    BUSY_ELSEWHERE,
    CREATE_INDEX,
    CREATE_TABLE,
    INSERTED_IN,
    STILL_IN,
    AsyncTransactions,
    EventKey,
    check_same,
)

_INSERT: Final = (
    f"INSERT INTO hookline_received (scope, event_key, received_time) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING{INSERTED_IN}"
)


class AsyncpgTransactions(AsyncTransactions[Any]):
    """`pool` is an `asyncpg.Pool`; each event that is handled holds one of its connections."""

    def __init__(self, pool: Any) -> None:
        self._pool: Final = pool

    async def setup(self) -> None:
        """See `Transactions.setup`."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(CREATE_TABLE)
            await connection.execute(CREATE_INDEX)

    async def once(self, key: EventKey, now: int, effect: Callable[[Any], Awaitable[object]]) -> bool:
        """See `Transactions.once`."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", key.lock()):
                raise StillHandled(BUSY_ELSEWHERE)
            began = await connection.fetchval(_INSERT, key.scope, key.key, now)
            if began is None:
                return False
            await effect(connection)
            check_same(began, await connection.fetchval(STILL_IN))
            return True

    async def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""
        sql = "SELECT 1 FROM hookline_received WHERE scope = $1 AND event_key = $2"
        return await self._pool.fetchval(sql, key.scope, key.key) is not None

    async def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""
        done = await self._pool.execute("DELETE FROM hookline_received WHERE scope = $1 AND received_time < $2", scope, before)
        return int(done.rpartition(" ")[2])
