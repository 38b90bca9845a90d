"""An inbox in PostgreSQL, by asyncpg: for any number of processes on any number of machines."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg

from hookline.clock import SystemClock
from hookline.errors import ResourceExhausted
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.inbox.inbox import FULL_FOR, MOST_WAITING, DeadLetter, Gauge, Inbox, StoredEvent, packed, unpacked
from hookline.receiver.inbox.statements import load

_SQL: Final = load("postgres")
_SETUP: Final = ("create_table", "create_due_index", "create_ended_index")
_SETUP_LOCK: Final = 0x686F6F6B_696E626F
"""Two processes that make the same table at once would get in each other's way."""


class PostgresInbox(Inbox):
    """`database` is an `asyncpg.Pool`, which stays the caller's, or the URI to make one of. Leases go by the database's clock.

    At most about `most_waiting` events wait (in a scope): requests at the same time do not see each other.
    """

    def __init__(self, database: Any, *, most_waiting: int = MOST_WAITING) -> None:
        super().__init__()
        self._uri: Final = database if isinstance(database, str) else ""
        self._pool = None if self._uri else database
        self._opening: Final = asyncio.Lock()
        self._most: Final = most_waiting
        self._gauge: Final = Gauge(SystemClock())

    async def setup(self) -> None:
        """See `Inbox.setup`."""
        async with (await self._connected()).acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _SETUP_LOCK)
            for name in _SETUP:
                await connection.execute(_SQL[name])

    async def close(self) -> None:
        """Close the pool that was made here."""
        if self._uri and self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    async def _connected(self) -> Any:
        """The pool; asyncpg has no types."""
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(self._uri, min_size=0)
        return self._pool

    async def accept(self, scope: str, events: Sequence[ReceivedEvent]) -> int:
        """See `Inbox.accept`."""
        keys, packages = [event.key for event in events], [packed(event) for event in events]
        async with (await self._connected()).acquire() as connection, connection.transaction():
            new = await connection.fetch(_SQL["accept"], scope, keys, packages)
            waiting = self._gauge.with_more(scope, len(new))
            if waiting is None:
                waiting = await connection.fetchval(_SQL["waiting"], scope, self._most + 1)
            if new and waiting > self._most:
                # Rolled back: nothing of it is kept.
                raise ResourceExhausted(f"{self._most} events wait in the inbox already", retry_after=FULL_FOR)
        self._gauge.set(scope, waiting)
        self.bell.ring()
        return len(new)

    async def claim(self, scope: str, most: int, lease: float) -> Sequence[StoredEvent]:
        """See `Inbox.claim`."""
        rows = await (await self._connected()).fetch(_SQL["claim"], scope, most, timedelta(seconds=lease))
        return [
            StoredEvent(event=unpacked(row["event"]), attempts=row["attempts"], epoch=row["epoch"], elapsed=row["elapsed"])
            for row in rows
        ]

    async def extend(self, scope: str, claimed: Sequence[StoredEvent], lease: float) -> None:
        """See `Inbox.extend`."""
        keys, epochs = [each.event.key for each in claimed], [each.epoch for each in claimed]
        await (await self._connected()).execute(_SQL["extend"], scope, keys, epochs, timedelta(seconds=lease))

    async def finish(self, scope: str, claimed: StoredEvent) -> bool:
        """See `Inbox.finish`."""
        return await self._settle("finish", scope, claimed)

    async def postpone(self, scope: str, claimed: StoredEvent, delay: float, error: str) -> bool:
        """See `Inbox.postpone`."""
        return await self._settle("postpone", scope, claimed, timedelta(seconds=delay), error)

    async def bury(self, scope: str, claimed: StoredEvent, error: str) -> bool:
        """See `Inbox.bury`."""
        return await self._settle("bury", scope, claimed, error)

    async def next_due(self, scope: str) -> float | None:
        """See `Inbox.next_due`."""
        due = await (await self._connected()).fetchval(_SQL["next_due"], scope)
        return None if due is None else max(0.0, float(due))

    async def dead_letters(self, scope: str, *, most: int = 100, after: str = "") -> Sequence[DeadLetter]:
        """See `Inbox.dead_letters`."""
        rows = await (await self._connected()).fetch(_SQL["dead_letters"], scope, after, most)
        return [
            DeadLetter(event=unpacked(row["event"]), attempts=row["attempts"], error=row["error"], died_at=row["ended_time"])
            for row in rows
        ]

    async def retry(self, scope: str, key: str) -> bool:
        """See `Inbox.retry`."""
        done = await (await self._connected()).fetchval(_SQL["retry"], scope, key)
        self.bell.ring()
        return done is not None

    async def purge(self, scope: str, window: timedelta) -> int:
        """See `Inbox.purge`."""
        return int(await (await self._connected()).fetchval(_SQL["purge"], scope, window))

    async def _settle(self, name: str, scope: str, claimed: StoredEvent, *more: object) -> bool:
        return await (await self._connected()).fetchval(_SQL[name], scope, claimed.event.key, claimed.epoch, *more) is not None
