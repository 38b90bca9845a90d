"""Connections: a few, opened when needed, dropped when they fail; and what a lost one means."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from hookline.errors import Closed, HooklineError, Unavailable
from hookline.store.postgres import faults
from hookline.store.postgres.address import Address
from hookline.store.postgres.faults import Lost
from hookline.store.postgres.statements import load

T = TypeVar("T")
Row = Sequence[Any]
Connection = Any
"""asyncpg's connection; the library has no types of its own."""

CONNECT_TIMEOUT: Final = 5.0
"""Seconds."""
TIMEOUT: Final = 20.0
"""Seconds that a statement may take; an answer that is later counts as lost."""
TRIES: Final = 6
"""Of what a deadlock, or a connection that was dead from the start, has undone."""
PATIENCE: Final = 5.0
"""Seconds during which an unknown outcome is asked for."""

_SQL: Final = load("core")
_BEGIN: Final = _SQL["begin"]
APART: Final = _BEGIN[: _BEGIN.index("LOCK TABLE")]
"""Begins a transaction that writes no new positions, and that nobody who reads these has to wait for."""
# Every statement is meant to go by an index, however small a table was when its plan was made.
_SETTINGS: Final = {"enable_seqscan": "off", "enable_mergejoin": "off", "jit": "off", "application_name": "hookline"}
_BEGIN_POOLED: Final = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; "
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"
)


async def connect(address: Address) -> Connection:
    """A connection of its own. Raises what asyncpg raises."""
    return await asyncpg.connect(
        address.dsn,
        timeout=CONNECT_TIMEOUT,
        command_timeout=None,
        statement_cache_size=0 if address.pooler else 256,
        max_cached_statement_lifetime=0,
        server_settings={} if address.pooler else _SETTINGS,
    )


class Pool:
    """See the module. What is undone or was never begun is repeated here; what is unknown is said to be `Lost`."""

    def __init__(self, address: Address) -> None:
        """Nothing is connected yet."""
        self.address = address
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(address.connections)
        self._open = True

    async def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back. Safe to repeat."""
        self._open = False
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(*faults.AWAY):
                await connection.close(timeout=1.0)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one statement or one transaction; after any failure of it another takes its place."""
        async with self._slots:
            if not self._open:
                raise Closed("the store is closed")
            connection = await self._take()
            try:
                yield connection
            except asyncpg.PostgresError as error:
                if isinstance(error, faults.AWAY) or connection.is_in_transaction():
                    connection.terminate()
                raise
            except BaseException:
                connection.terminate()
                raise
            finally:
                if not connection.is_closed():
                    if self._open:
                        self._idle.append(connection)
                    else:
                        connection.terminate()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await connect(self.address)
        except (*faults.AWAY, asyncpg.PostgresError) as error:
            found = faults.at_work(error, self.address)
            # Without a connection nothing was done, whatever the server says; it may let nobody in for maintenance.
            raise (found if isinstance(found, HooklineError) else faults.barred(error, self.address)) from error

    async def read(self, sql: str, *args: object) -> Sequence[Row]:
        """A statement that changes nothing; repeated if its connection was lost."""
        return await self.safely(lambda connection: connection.fetch(sql, *args, timeout=TIMEOUT))

    async def safely(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Work that may be done any number of times."""
        for _ in range(TRIES):
            try:
                return await self.once(work)
            except Lost:
                continue
        raise faults.lost(self.address)

    async def write(self, sql: str, *args: object, patience: str = "") -> Sequence[Row]:
        """A statement that changes something, in a transaction of its own. Raises Lost: it is not known whether it was done.

        `patience` (PostgreSQL's lock_timeout): how long it waits for a lock; after that it is undone, and raises Unavailable.
        """
        return await self.once(lambda connection: connection.fetch(sql, *args, timeout=TIMEOUT), patience=patience)

    async def once(self, work: Callable[[Connection], Awaitable[T]], *, patience: str = "") -> T:
        """Work of autocommitted statements. What a deadlock has undone is done again. Raises Lost, Unavailable."""
        begin = _BEGIN_POOLED if self.address.pooler else "BEGIN" if patience else ""
        if patience:
            begin += f"; SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL lock_timeout = '{patience}'"
        for left in range(TRIES, 0, -1):
            try:
                async with self.connection() as connection:
                    if not begin:
                        return await work(connection)
                    await connection.execute(begin, timeout=TIMEOUT)
                    answer = await work(connection)
                    await connection.execute("COMMIT", timeout=TIMEOUT)
                    return answer
            except faults.AGAIN as error:
                if left == 1:
                    raise faults.at_work(error, self.address) from error
                await asyncio.sleep(random.uniform(0.001, 0.02))  # jitter
            except faults.AWAY as error:
                raise Lost from error
            except asyncpg.PostgresError as error:
                raise faults.at_work(error, self.address) from error
        raise AssertionError("the last try returns or raises")

    async def transaction(self, work: Callable[[Connection, int], Awaitable[T]], *, begin: str = _BEGIN) -> T:
        """Work of several statements, all or nothing; told the position that its transaction's ordinals are added to.

        It may run more than once, though it takes effect once: should the answer to the COMMIT be lost,
        the server is asked what became of it. A session that stands still in between is ended by the
        server after 5 s, so that a stopped process holds up nobody. Raises Unavailable.
        """
        for left in range(TRIES, 0, -1):
            xid, life = 0, ""
            answers: list[T] = []  # one, once nothing is left to do but to commit
            try:
                async with self.connection() as connection:
                    await connection.execute(begin, timeout=TIMEOUT)
                    xid, life = await connection.fetchrow(_SQL["xid"], timeout=TIMEOUT)
                    try:
                        answer = await work(connection, xid << 20)
                    except BaseException:
                        if not connection.is_closed():
                            await connection.execute("ROLLBACK", timeout=TIMEOUT)
                        raise
                    answers.append(answer)
                    await connection.execute("COMMIT", timeout=TIMEOUT)
                    return answer
            except faults.AGAIN as error:
                if left == 1:
                    raise faults.at_work(error, self.address) from error
                await asyncio.sleep(random.uniform(0.001, 0.02))  # jitter
            except faults.AWAY as error:
                if answers and await self._was_committed(xid, life):
                    return answers[0]
                if left == 1:
                    raise faults.away(error, self.address) from error
            except asyncpg.PostgresError as error:
                raise faults.at_work(error, self.address) from error
        raise AssertionError("the last try returns or raises")

    async def _was_committed(self, xid: int, life: str) -> bool:
        """What became of a transaction whose COMMIT was not answered. Raises Unavailable if nobody can say.

        A server that has crashed since `life` gives the numbers again of transactions that did not reach its disk: then
        one that has begun anew was not committed the first time, and of one that is over nobody knows which it was.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while True:
            try:
                ((fate, now),) = await self.once(lambda connection: connection.fetch(_SQL["fate"], str(xid), timeout=TIMEOUT))
            except asyncpg.InvalidParameterValueError:  # it is in the future
                return False
            except (Lost, Unavailable):
                fate, now = "in progress", life
            if fate == "aborted" or (fate == "in progress" and now != life):
                return False
            if fate == "committed" and now == life:
                return True
            if fate == "committed" or loop.time() >= end:
                raise faults.lost(self.address)
            await asyncio.sleep(0.05)
