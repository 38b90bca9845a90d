"""Paging through what commits out of order: nothing is passed over that commits later.

Positions are given before a commit, so a lower one may appear after a higher. All our own writes are
short, so whoever reads in rising order reads up to the oldest of ours that is under way, and whoever
reads in falling order waits a moment for those before the first page. Transactions of others, however
long, hold up nobody.
"""

import asyncio
from typing import Final

from hookline.store.postgres.pool import TIMEOUT, Connection, Pool
from hookline.store.postgres.rows import LAST
from hookline.store.postgres.statements import load

_SQL: Final = load("core")
LONGEST_WAIT: Final = 1.0
"""Seconds; whoever still writes then is left out of the list, with all that is newer."""
STEP: Final = 0.005
"""Seconds."""


async def settled_below(pool: Pool) -> tuple[int, int]:
    """The position below which all of ours is committed or undone, and the one where what begins later begins."""
    ((below, following),) = await pool.read(_SQL["settled_below"])
    return below, following


async def below_ours(connection: Connection) -> int:
    """The first of the two, within a transaction that reads committed rows and is none of those itself."""
    return int(await connection.fetchval(_SQL["settled_below"], timeout=TIMEOUT))


async def pages_begin(pool: Pool) -> int:
    """Where a list in falling order may begin: above everything, once nothing older is under way."""
    below, end = await settled_below(pool)
    loop = asyncio.get_running_loop()
    late = loop.time() + LONGEST_WAIT
    while below < end:
        if loop.time() >= late:
            return below
        await asyncio.sleep(STEP)
        below, _ = await settled_below(pool)
    return LAST
