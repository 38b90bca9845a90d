"""Retention: days that are past go as partitions; what stands outside of them goes in small steps."""

from typing import Final

from hookline.store.postgres import partitions, rows
from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.statements import load
from hookline.store.protocol import Purged

_SQL: Final = load("retention")
MANY: Final = 64
"""Tallies of a lane from which on they are added up."""


class Retention:
    """Knows for which day the partitions were made last."""

    def __init__(self, pool: Pool) -> None:
        """Nothing was made yet."""
        self._pool = pool
        self._provided = 0

    async def provide(self, now: int) -> None:
        """Make the partitions of the coming days, once a day."""
        today = rows.day_of(now)
        if self._provided != today and await partitions.provide(self._pool, today):
            self._provided = today

    async def purge(self, *, now: int, finished_before: int, keys_before: int, limit: int) -> Purged:
        """One small step: a partition, or up to `limit` rows of each kind."""
        await self.provide(now)
        dropped = await partitions.drop_old(self._pool, rows.day_of(now), rows.day_of(finished_before))
        removed = await _purge_rows(self._pool, finished_before, keys_before, limit)
        return Purged(*(a + b for a, b in zip(dropped, removed, strict=True)))


async def _purge_rows(pool: Pool, finished_before: int, keys_before: int, limit: int) -> Purged:

    async def work(connection: Connection, _: int) -> Purged:
        gone = await connection.fetch(_SQL["finished"], finished_before, limit)
        attempts = 0
        if gone:
            found = await connection.fetch(_SQL["remove_changes"], *rows.columns(gone, 2))
            attempts = sum(row[2] for row in found)
            await partitions.raise_horizons(connection, [(row[0], row[1]) for row in found])
        events = len(await connection.fetch(_SQL["unneeded"], finished_before, limit))
        records = 0
        for name, bound in (
            ("expired_keys", keys_before),
            ("expired_ids", keys_before),
            ("expired_requests", keys_before),
            ("finished_jobs", finished_before),
        ):
            records += len(await connection.fetch(_SQL[name], bound, limit))
        lanes = await connection.fetch(_SQL["ended_lanes"], finished_before, limit)
        if lanes:
            await connection.execute(_SQL["forget_tally"], *rows.columns(lanes, 2))
        await connection.execute(_SQL["fold"], MANY, limit)
        return Purged(len(gone), attempts, events, records + len(lanes))

    return await pool.transaction(work)
