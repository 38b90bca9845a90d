"""Removes what is finished and old, in small steps between which everything else goes on."""

import asyncio
import logging
from typing import Final

from hookline.clock import Clock, now_micros
from hookline.engine.config import EngineConfig
from hookline.errors import HooklineError
from hookline.store.protocol import History

LOGGER: Final = logging.getLogger(__name__)
STEP: Final = 500
"""Deliveries a step."""
PAUSE: Final = 0.05
"""Seconds between steps."""
INTERVAL: Final = 60.0
"""Seconds between looks."""


async def retain(history: History, config: EngineConfig, clock: Clock) -> None:
    """Keep retention, for ever."""
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            await purge(history, config, clock)
        except HooklineError as error:
            LOGGER.warning("retention could not be kept; trying again in %g s: %s", INTERVAL, error)


async def purge(history: History, config: EngineConfig, clock: Clock) -> None:
    """Remove everything that is old enough now. Raises Unavailable."""
    while True:
        now = now_micros(clock)
        gone = await history.purge(
            finished_before=now - int(config.retention * 1_000_000),
            keys_before=now - int(config.idempotency_window * 1_000_000),
            limit=STEP,
        )
        if not any(gone):
            return
        await asyncio.sleep(PAUSE)
