"""Commits that come late: what a store writes stays uncommitted until the test says so."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hookline.store.postgres import PostgresStore
from hookline.store.postgres.pool import connect


class Late:
    """The next write of a store begins and does not end before `commit`."""

    def __init__(self, store: PostgresStore) -> None:
        self._pool = store._the.pool
        self._address = store.address
        self._began = asyncio.Event()
        self._go = asyncio.Event()
        self._write = self._pool.write
        store._the.appends._flights = store._the.settles._flights = 99  # several of them may be late at a time
        self._pool.write = self._slowly  # type: ignore[method-assign]  # the seam of these tests

    async def _slowly(self, sql: str, *args: object) -> Sequence[Sequence[Any]]:
        if "pg_notify" in sql:
            return await self._write(sql, *args)
        self._pool.write = self._write  # type: ignore[method-assign]  # only the next one
        connection = await connect(self._address)
        try:
            await connection.execute("BEGIN")
            rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *args)
            self._began.set()
            await self._go.wait()
            await connection.execute("COMMIT")
        finally:
            await connection.close()
        return rows

    async def began(self) -> None:
        """It has its transaction id, and everything is written."""
        await asyncio.wait_for(self._began.wait(), 20)

    def commit(self) -> None:
        """Let it commit."""
        self._go.set()
