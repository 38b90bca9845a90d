"""History by day: partitions are made ahead, and dropped when their day is past retention.

What has no partition (a clock that is days off, a database that could not make one in time) goes to
the default partition, and from there row by row. Whoever makes or drops a partition asks for its locks
for a moment only: behind a lock that is waited for, everybody would wait. What is carried forward from an
old day is read and written under no lock that anybody could wait for. Deliveries that are made of the day's events
meanwhile have higher positions than what was under way before: these are looked for in the moment in which the
day goes, when nobody else writes.
"""

import asyncio
import logging
import random
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from hookline.errors import Unavailable
from hookline.store.postgres import rows
from hookline.store.postgres.pool import APART, Connection, Pool
from hookline.store.postgres.reading import below_ours
from hookline.store.postgres.statements import load
from hookline.store.protocol import Purged

LOGGER: Final = logging.getLogger(__name__)
_SQL: Final = load("retention")
PARENTS: Final = ("event", "done", "change")
AHEAD: Final = 3
"""Days for which there are partitions before they come."""
LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '200ms'"
DROPS: Final = 20
"""Moments in which a partition is tried to be dropped, until that is put off."""
MOMENT: Final = "SET LOCAL statement_timeout = '2s'"
"""The most that anything takes while everybody waits."""
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
        if not await connection.fetchval(_SQL["lock"], _LOCK):
            return
        there = set(await standing(connection))
        missing = [
            part
            for parent in PARENTS
            for day in range(today - 1, today + AHEAD + 1)
            if (part := Partition(parent, day)) not in there
        ]
        if not missing:
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

    return await _try(pool, work, "made", begin=APART)


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
        if not await connection.fetchval(_SQL["lock"], _LOCK):
            return
        there = await standing(connection)
        old = [part for part in there if part.day < kept]
        if not old:
            return
        # What is left of a delivery goes before its event does.
        part = min(old, key=lambda part: (part.day, ("done", "change", "event").index(part.parent)))
        await connection.execute(LOCK_TIMEOUT)
        to = Partition(part.parent, max(today, kept))
        carry = _Carry(part, to, to.name if to in there else f"{to.parent}_default", kept)
        since = await below_ours(connection)  # of whatever lies below, the next statement sees what became of it
        found, horizons = await _empty(connection, carry)
        await _drop(connection, carry, since)
        await raise_horizons(connection, horizons)  # only now: who holds a tenant's row may have waited for what the drop needs
        gone = found

    return gone if await _try(pool, work, "dropped", begin=APART) else None


class _Carry(NamedTuple):
    """What goes, where to what is needed of it is copied (the day, and the table that has it), and the first day that is kept."""

    part: Partition
    to: Partition
    table: str
    kept: int

    def statement(self, name: str) -> str:
        """It inserts into one partition, so that it looks to nobody like one that writes new positions."""
        into = re.sub(r"INSERT INTO hookline\.\w+", f"INSERT INTO hookline.{self.table}", _SQL[name], count=1)
        return into.replace("hookline.old_day", f"hookline.{self.part.name}").replace("hookline.new_day", f"hookline.{self.table}")


async def _drop(connection: Connection, carry: _Carry, since: int) -> None:
    """Drop a partition, in a moment in which nobody reads or writes any of its table: after a last look at what is needed."""
    part = carry.part
    for left in range(DROPS, 0, -1):
        if part.parent != "done":  # nothing needs what is left of a delivery
            since, before = await below_ours(connection), since
            await connection.execute(carry.statement(f"carry_late_{part.parent}s"), part.day, carry.to.day, before, timeout=LONG)
        await connection.execute("SAVEPOINT drop_partition")
        try:
            await connection.execute(MOMENT)
            await connection.execute(f"LOCK TABLE ONLY hookline.{part.parent} IN ACCESS EXCLUSIVE MODE")
            if part.parent != "done":
                await connection.execute(carry.statement(f"carry_late_{part.parent}s"), part.day, carry.to.day, since)
            await connection.execute(f"DROP TABLE hookline.{part.name}")
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError):
            if left == 1:
                raise
            await connection.execute("ROLLBACK TO SAVEPOINT drop_partition")
            await asyncio.sleep(random.uniform(0.05, 0.2))  # jitter
        else:
            return


async def _empty(connection: Connection, carry: _Carry) -> tuple[Purged, list[tuple[str, int]]]:
    """Carry forward what is still needed: how much goes with the partition, and the highest positions of changes, by tenant."""
    day, to, kept = carry.part.day, carry.to.day, carry.kept
    match carry.part.parent:
        case "done":
            return Purged(await connection.fetchval(_SQL["count_done"], day, timeout=LONG), 0, 0), []
        case "change":
            found = await connection.fetch(_SQL["horizons"], day, timeout=LONG)
            await connection.execute(carry.statement("carry_changes"), day, to, kept, timeout=LONG)
            return Purged(0, sum(row[2] for row in found), 0), [(row[0], row[1]) for row in found]
        case _:
            there = await connection.fetchval(_SQL["count_events"], day, timeout=LONG)
            carried = await connection.execute(carry.statement("carry_events"), day, to, kept, timeout=LONG)
            return Purged(0, 0, there - int(carried.split()[-1])), []


async def raise_horizons(connection: Connection, horizons: Sequence[tuple[str, int]]) -> None:
    """Note up to where changes of tenants may be missing."""
    if horizons:
        await connection.execute(_SQL["raise_horizon"], *rows.columns(sorted(horizons), 2))


async def _try(pool: Pool, work: Any, done: str, *, begin: str) -> bool:
    try:
        await pool.transaction(work, begin=begin)
    except (Unavailable, asyncpg.PostgresError) as error:
        LOGGER.warning("partitions could not be %s now, it is tried again: %s", done, error)
        return False
    return True
