"""Looks whether a backlog that gives way becomes less all the same; if it does not, it need not give way as much.

Without this, a subscription that fell behind once would stay behind for ever, wherever more comes for it than it is
left while others are in time.
"""

import asyncio
import logging
from typing import Final

from hookline.clock import Clock, now_micros
from hookline.engine.governor import Governor
from hookline.errors import HooklineError
from hookline.store.protocol import History

LOGGER: Final = logging.getLogger(__name__)
LOOK: Final = 15.0
"""Seconds between two looks; each counts what is pending of the tenants concerned."""


async def watch_backlogs(history: History, governor: Governor, clock: Clock) -> None:
    """Compare how much is pending of those that gave way every `LOOK` seconds, for ever."""
    before: dict[str, int] = {}
    while True:
        await asyncio.sleep(LOOK)
        tenants, governor.gave_way = governor.gave_way, set()
        try:
            pending = {tenant: (await history.stats(tenant, now=now_micros(clock))).pending for tenant in tenants}
        except HooklineError as error:
            LOGGER.warning("how much is behind could not be asked, trying again: %s", error)
            continue
        for tenant, count in pending.items():
            if count >= before.get(tenant, count + 1):
                governor.give_more()
                break
        if not pending:
            governor.give_least()
        before = pending
