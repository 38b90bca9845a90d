"""History by day: partitions are made ahead, and dropped when their day is past retention.

What has no partition (a clock that is days off, a database that could not make one in time) goes to
the default partition, and from there row by row. Whoever makes or drops a partition asks for its locks
for a moment only: behind a lock that is waited for, everybody would wait.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from hookline.errors import Unavailable
from hookline.store.postgres import rows
from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.statements import load
from hookline.store.protocol import Purged

LOGGER: Final = logging.getLogger(__name__)
_SQL: Final = load("retention")
PARENTS: Final = ("event", "done", "change")
AHEAD: Final = 3
"""Days for which there are partitions before they come."""
LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '200ms'"
LONG: Final = 600.0
"""Seconds for what goes through a whole day."""
_LOCK: Final = 0x686F6F6B64617973
"""Of the advisory lock (`hookdays` in ASCII)."""
_NAME: Final = re.compile(r"(event|done|change)_d(\d+)")


class Partition(NamedTuple):
    """One day of one table."""

    parent: str
    day: int

    @property
    def name(self) -> str:
        """Its table, within the schema."""
        return f"{self.parent}_d{self.day}"


async def standing(connection: Connection) -> list[Partition]:
    """The partitions that there are."""
    found = [_NAME.fullmatch(row[1]) for row in await connection.fetch(_SQL["partitions"])]
    return [Partition(name[1], int(name[2])) for name in found if name is not None]


async def provide(pool: Pool, today: int) -> bool:
    """Make what is missing from yesterday to some days ahead; False: it could not be done now, try again later."""

    async def work(connection: Connection, _: int) -> None:
        there = set(await standing(connection))
        missing = [
            part
            for parent in PARENTS
            for day in range(today - 1, today + AHEAD + 1)
            if (part := Partition(parent, day)) not in there
        ]
        if not missing or not await connection.fetchval(_SQL["lock"], _LOCK):
            return
        await connection.execute(LOCK_TIMEOUT)
        strays = {Partition(*row) for row in await connection.fetch(_SQL["strays"])}
        for part in missing:
            if part not in strays:
                await connection.execute(f"CREATE TABLE hookline.{part.name} (LIKE hookline.{part.parent} INCLUDING DEFAULTS)")
                await connection.execute(
                    f"ALTER TABLE hookline.{part.parent} ATTACH PARTITION hookline.{part.name} "
                    f"FOR VALUES FROM ({part.day}) TO ({part.day + 1})"
                )

    return await _try(pool, work, "made")


async def drop_old(pool: Pool, today: int, kept: int) -> Purged:
    """Drop partitions whose day is before `kept`, up to the first that was not empty; what is needed is carried forward."""
    while (gone := await _drop_one(pool, today, kept)) is not None:
        if any(gone):
            return gone
    return Purged(0, 0, 0)


async def _drop_one(pool: Pool, today: int, kept: int) -> Purged | None:
    """Drop the oldest; None if there is none, or it cannot be done now."""
    gone: Purged | None = None

    async def work(connection: Connection, _: int) -> None:
        nonlocal gone
        gone = None
        old = sorted(part for part in await standing(connection) if part.day < kept)
        if not old or not await connection.fetchval(_SQL["lock"], _LOCK):
            return
        # What is left of a delivery goes before its event does.
        part = min(old, key=lambda part: (part.day, ("done", "change", "event").index(part.parent)))
        await connection.execute(LOCK_TIMEOUT)
        await connection.execute(f"LOCK TABLE hookline.{part.name} IN ACCESS EXCLUSIVE MODE")
        gone = await _empty(connection, part, today, kept)
        await connection.execute(f"DROP TABLE hookline.{part.name}")

    return gone if await _try(pool, work, "dropped") else None


async def _empty(connection: Connection, part: Partition, today: int, kept: int) -> Purged:
    """Carry forward what is still needed; how much goes with the partition."""
    match part.parent:
        case "done":
            return Purged(await connection.fetchval(_SQL["count_done"], part.day, timeout=LONG), 0, 0)
        case "change":
            found = await connection.fetch(_SQL["horizons"], part.day, timeout=LONG)
            await connection.execute(_SQL["carry_changes"], part.day, max(today, kept), kept, timeout=LONG)
            await raise_horizons(connection, [(row[0], row[1]) for row in found])
            return Purged(0, sum(row[2] for row in found), 0)
        case _:
            there = await connection.fetchval(_SQL["count_events"], part.day, timeout=LONG)
            carried = await connection.execute(_SQL["carry_events"], part.day, max(today, kept), kept, timeout=LONG)
            return Purged(0, 0, there - int(carried.split()[-1]))


async def raise_horizons(connection: Connection, horizons: Sequence[tuple[str, int]]) -> None:
    """Note up to where changes of tenants may be missing."""
    if horizons:
        await connection.execute(_SQL["raise_horizon"], *rows.columns(sorted(horizons), 2))


async def _try(pool: Pool, work: Any, done: str) -> bool:
    try:
        await pool.transaction(work)
    except (Unavailable, asyncpg.PostgresError) as error:
        LOGGER.warning("partitions could not be %s now, it is tried again: %s", done, error)
        return False
    return True
