"""Calls that may be repeated: the first answer is kept and given again."""

from typing import Final

from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.statements import load
from hookline.store.protocol import Recalled, Repeatable

_SQL: Final = load("core")


async def recalled(connection: Connection, tenant: str, request: Repeatable | None) -> str | None:
    """What was made when this call came first; None if it comes first now."""
    if request is None:
        return None
    result: str | None = await connection.fetchval(_SQL["request"], tenant, request.method, request.request_id, column=1)
    return result


async def remember(connection: Connection, tenant: str, request: Repeatable | None, result: str, at: int) -> bool:
    """Keep the answer to a call that may be repeated; False if there is one, perhaps of this very moment."""
    if request is None:
        return True
    kept = await connection.fetch(
        _SQL["add_request"], tenant, request.method, request.request_id, request.digest, request.result or result, at
    )
    return bool(kept)


async def recall(pool: Pool, tenant: str, method: str, request_id: str) -> Recalled | None:
    """The first answer to a repeatable call."""
    found = await pool.read(_SQL["request"], tenant, method, request_id)
    return Recalled(*found[0]) if found else None
