"""Watching deliveries: pages through the history in commit order, and waits for the bell at its end."""

import re
from collections.abc import AsyncIterator
from typing import Final

from hookline.embedded.door import known_id
from hookline.engine import Engine
from hookline.errors import InvalidArgument, OutOfRange, quoted
from hookline.model import Change, Checkpoint

PAGE: Final = 500
FLOOR: Final = 0.25
"""Seconds after which to look although no bell rang: another process may have delivered."""
IDLE: Final = 10.0
"""Seconds between checkpoints when nothing happens."""
CURSOR: Final = re.compile(r"c1-(\d{1,19})")


async def watch(engine: Engine, tenant: str, subscription_id: str, cursor: str) -> AsyncIterator[Change | Checkpoint]:
    """See `Client.watch`."""
    if subscription_id:
        known_id(subscription_id, "subscription_id")
    after = _position(cursor) if cursor else await engine.store.head(tenant)
    if after < await engine.store.horizon(tenant) and cursor:
        raise OutOfRange(f"cursor {quoted(cursor)} points to what retention has removed; begin without a cursor")
    yield Checkpoint(cursor=_cursor(after))
    told = engine.clock.monotonic()
    while True:
        rung = engine.changed.rung
        found = await engine.store.changes(tenant, after=after, limit=PAGE)
        for change in found:
            after = change.pos
            if not subscription_id or change.delivery.subscription_id == subscription_id:
                yield Change(delivery=change.delivery, attempt=change.attempt, cursor=_cursor(after))
                told = engine.clock.monotonic()
        if len(found) < PAGE:
            if engine.clock.monotonic() - told >= IDLE:
                yield Checkpoint(cursor=_cursor(after))
                told = engine.clock.monotonic()
            await engine.changed.wait(FLOOR, since=rung)


def _cursor(position: int) -> str:
    return f"c1-{position}"


def _position(cursor: str) -> int:
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidArgument.of("cursor", f"{quoted(cursor)} is not a cursor of a watch; pass one that a change carried, or none")
    return int(found[1])
