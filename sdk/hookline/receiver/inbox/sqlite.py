"""An inbox in an SQLite file, for the processes of one machine."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from hookline.clock import Clock, SystemClock, moment, now_micros
from hookline.errors import ResourceExhausted
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.inbox.inbox import FULL_FOR, MOST_WAITING, DeadLetter, Gauge, Inbox, StoredEvent, packed, unpacked
from hookline.receiver.inbox.statements import load
from hookline.receiver.threads import Threads

BUSY: Final = 10.0
"""Seconds to wait for another writer of the file."""
_SECOND: Final = 1_000_000
_SQL: Final = load("sqlite")
_SETTINGS: Final = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")

Verb = Callable[[sqlite3.Connection], Any]
Outcome = tuple[Any, BaseException | None]
"""What a verb has answered, or raised."""


class SqliteInbox(Inbox):
    """`path` is a file of its own, or one of the application's; it gets a write-ahead log.

    Everything is done by one thread, and what is asked at the same time shares a commit. Leases go by the
    wall clock, which the processes of a machine share. At most `most_waiting` events wait (in a scope).
    """

    def __init__(self, path: str | os.PathLike[str], *, most_waiting: int = MOST_WAITING, clock: Clock | None = None) -> None:
        super().__init__()
        self._path: Final = path
        self._most: Final = most_waiting
        self._clock: Final = clock or SystemClock()
        self._gauge: Final = Gauge(self._clock)
        self._thread: Final = Threads("hookline-inbox", 1)
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._waiting: list[tuple[Verb, asyncio.Future[Any]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def setup(self) -> None:
        """See `Inbox.setup`."""

        def create(connection: sqlite3.Connection) -> None:
            for name in ("create_table", "create_due_index", "create_ended_index"):
                connection.execute(_SQL[name])

        await self._do(create)

    async def close(self) -> None:
        """See `Inbox.close`."""
        self._forget_the_parent()
        if self._flushing is not None and not self._flushing.done():
            await self._flushing
        await self._thread.run(self._disconnect)
        self._thread.close()

    async def accept(self, scope: str, events: Sequence[ReceivedEvent]) -> int:
        """See `Inbox.accept`."""
        rows = [{"scope": scope, "key": event.key, "event": packed(event)} for event in events]

        def insert(connection: sqlite3.Connection) -> int:
            now = now_micros(self._clock)
            new = sum(connection.execute(_SQL["accept"], {**row, "now": now}).rowcount for row in rows)
            waiting = self._gauge.with_more(scope, new)
            if waiting is None:
                (waiting,) = connection.execute(_SQL["waiting"], {"scope": scope, "most": self._most + 1}).fetchone()
            if new and waiting > self._most:
                # Rolled back: nothing of it is kept.
                raise ResourceExhausted(f"{self._most} events wait in the inbox already", retry_after=FULL_FOR)
            self._gauge.set(scope, waiting)
            return new

        stored = await self._do(insert)
        self.bell.ring()
        return int(stored)

    async def claim(self, scope: str, most: int, lease: float) -> Sequence[StoredEvent]:
        """See `Inbox.claim`."""
        rows = await self._all("claim", scope=scope, most=most, now=self._now(), lease=_micros(lease))
        return [
            StoredEvent(event=unpacked(event), attempts=attempts, epoch=epoch, elapsed=elapsed / _SECOND)
            for event, attempts, epoch, elapsed in rows
        ]

    async def extend(self, scope: str, claimed: Sequence[StoredEvent], lease: float) -> None:
        """See `Inbox.extend`."""
        common = {"scope": scope, "now": self._now(), "lease": _micros(lease)}
        rows = [{**common, "key": each.event.key, "epoch": each.epoch} for each in claimed]
        await self._do(lambda connection: connection.executemany(_SQL["extend"], rows))

    async def finish(self, scope: str, claimed: StoredEvent) -> bool:
        """See `Inbox.finish`."""
        return await self._settle("finish", scope, claimed)

    async def postpone(self, scope: str, claimed: StoredEvent, delay: float, error: str) -> bool:
        """See `Inbox.postpone`."""
        return await self._settle("postpone", scope, claimed, delay=_micros(delay), error=error)

    async def bury(self, scope: str, claimed: StoredEvent, error: str) -> bool:
        """See `Inbox.bury`."""
        return await self._settle("bury", scope, claimed, error=error)

    async def next_due(self, scope: str) -> float | None:
        """See `Inbox.next_due`."""
        ((due,),) = await self._all("next_due", scope=scope, now=self._now())
        return None if due is None else max(0.0, due / _SECOND)

    async def dead_letters(self, scope: str, *, most: int = 100, after: str = "") -> Sequence[DeadLetter]:
        """See `Inbox.dead_letters`."""
        rows = await self._all("dead_letters", scope=scope, most=most, after=after)
        return [
            DeadLetter(event=unpacked(event), attempts=attempts, error=error, died_at=moment(ended))
            for event, attempts, error, ended in rows
        ]

    async def retry(self, scope: str, key: str) -> bool:
        """See `Inbox.retry`."""
        parameters = {"scope": scope, "key": key, "now": self._now()}
        done = await self._do(lambda connection: connection.execute(_SQL["retry"], parameters).rowcount)
        self.bell.ring()
        return bool(done)

    async def purge(self, scope: str, window: timedelta) -> int:
        """See `Inbox.purge`."""
        parameters = {"scope": scope, "before": self._now() - window // timedelta(microseconds=1)}
        return int(await self._do(lambda connection: connection.execute(_SQL["purge"], parameters).rowcount))

    async def _settle(self, name: str, scope: str, claimed: StoredEvent, **more: object) -> bool:
        parameters = {"scope": scope, "key": claimed.event.key, "epoch": claimed.epoch, "now": self._now(), **more}
        return bool(await self._do(lambda connection: connection.execute(_SQL[name], parameters).rowcount))

    async def _all(self, name: str, **parameters: object) -> list[Any]:
        return list(await self._do(lambda connection: connection.execute(_SQL[name], parameters).fetchall()))

    def _now(self) -> int:
        return now_micros(self._clock)

    async def _do(self, verb: Verb) -> Any:
        """Do `verb` in the next transaction; its answer comes when that is on disk."""
        self._forget_the_parent()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((verb, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await future

    def _forget_the_parent(self) -> None:
        """In a child of a fork: the connection is the parent's, and what the parent was asked is answered there."""
        if self._pid != os.getpid():
            self._connection, self._waiting, self._flushing, self._pid = None, [], None, os.getpid()

    async def _flush(self) -> None:
        while self._waiting:
            calls, self._waiting = self._waiting, []
            try:
                outcomes = await self._thread.run(self._transact, [verb for verb, _ in calls])
            except BaseException as error:
                outcomes = [(None, error)] * len(calls)
                if not isinstance(error, Exception):
                    _tell(calls, outcomes)
                    raise
            _tell(calls, outcomes)

    def _transact(self, verbs: Sequence[Verb]) -> list[Outcome]:
        """Do all of `verbs` in one transaction; what one of them fails at is its own affair."""
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [_apart(connection, verb) for verb in verbs]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
            for setting in _SETTINGS:
                self._connection.execute(setting)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _apart(connection: sqlite3.Connection, verb: Verb) -> Outcome:
    connection.execute("SAVEPOINT verb")
    try:
        answer = verb(connection)
    except Exception as error:  # noqa: BLE001  # whoever asked is told
        connection.execute("ROLLBACK TO verb")
        connection.execute("RELEASE verb")
        return None, error
    connection.execute("RELEASE verb")
    return answer, None


def _tell(calls: Sequence[tuple[Verb, "asyncio.Future[Any]"]], outcomes: Sequence[Outcome]) -> None:
    for (_, future), (answer, error) in zip(calls, outcomes, strict=True):
        if future.done():  # whoever asked was cancelled meanwhile
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


def _micros(seconds: float) -> int:
    return round(seconds * _SECOND)
