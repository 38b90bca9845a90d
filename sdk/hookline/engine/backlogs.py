"""Looks whether a backlog that gives way becomes less all the same; if it does not, it need not give way as much.

Without this, a subscription that fell behind once would stay behind for ever, wherever more comes for it than it is
left while others are in time.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from hookline.clock import Clock, now_micros
from hookline.engine.governor import Governor
from hookline.errors import HooklineError
from hookline.lanes import subscription_of
from hookline.store.protocol import History

LOGGER: Final = logging.getLogger(__name__)
LOOK: Final = 15.0
"""Seconds between two looks; each counts what is pending of the tenants concerned."""
SOON: Final = 4 * 3_600.0
"""Seconds within which a backlog should be gone."""
WELL: Final = 0.55
"""A backlog that became less by this part of what was delivered of it would become less with half of that, too."""


class Backlog(NamedTuple):
    """What stands of a subscription that gave way, and how much was delivered of it so far."""

    pending: int
    delivered: int


Backlogs = Mapping[tuple[str, str], Backlog]
"""By tenant and subscription."""


async def watch_backlogs(history: History, governor: Governor, clock: Clock) -> None:
    """Compare how much is pending of those that gave way every `LOOK` seconds, for ever."""
    before: Backlogs = {}
    while True:
        await asyncio.sleep(LOOK)
        gave_way, governor.gave_way = governor.gave_way, set()
        concerned = {(key.tenant, subscription_of(key.lane)) for key in gave_way}
        try:
            now: Backlogs = {
                (tenant, name): Backlog(counts.pending, counts.delivered)
                for tenant in {tenant for tenant, _ in concerned}
                for name, counts in (await history.stats(tenant, now=now_micros(clock))).by_subscription.items()
                if (tenant, name) in concerned
            }
        except HooklineError as error:
            LOGGER.warning("how much is behind could not be asked, trying again: %s", error)
            continue
        adjust(governor, before, now)
        before = now


def _lasts(old: Backlog, new: Backlog) -> bool:
    """Whether a backlog does not become less, or so slowly that it is there for many hours yet.

    One of which nothing is delivered is held up by its receiver, and would be so with more.
    """
    return new.delivered > old.delivered and new.pending > 0 and (old.pending - new.pending) * SOON / LOOK < new.pending


def adjust(governor: Governor, before: Backlogs, now: Backlogs) -> None:
    """Let late ones have more, or less, by what became of the backlogs between two looks."""
    both = [(before[key], backlog) for key, backlog in now.items() if key in before]
    if any(_lasts(old, new) for old, new in both):
        governor.give_more()
    elif all(old.pending - new.pending >= WELL * (new.delivered - old.delivered) for old, new in both):
        governor.give_less()
