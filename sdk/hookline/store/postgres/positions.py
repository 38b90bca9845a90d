"""Positions are made of transaction ids, so those that stand here must be of the past.

They are not after a dump was restored into a cluster that has given fewer ids: what is appended there would get
positions below what stands, and owners that have read up to that would not see it.
"""

from typing import Final

from hookline.errors import StoreError
from hookline.store.postgres.address import Address
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.statements import load

_SQL: Final = load("positions")


async def check_positions(pool: Pool, address: Address) -> None:
    """Raise StoreError if a position stands for a transaction that the server has not come to."""
    ((highest, following),) = await pool.read(_SQL["highest"])
    if highest >= following:
        missing = highest - following + 1
        remedy = (
            "SET synchronous_commit = off; "
            f"DO $$ BEGIN FOR i IN 1..{missing} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
        raise StoreError(
            f"{address.shown} holds positions up to transaction {highest}, and the server's next one is {following}: "
            "it was restored from a dump of another cluster; use up what is missing, outside of a transaction, "
            f"and start again: {remedy}"
        )
