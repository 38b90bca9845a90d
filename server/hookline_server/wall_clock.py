"""Notices that the wall clock was set: deliveries wait for times by it, while leases and timeouts do not."""

import asyncio
import time
from typing import Final

import structlog

INTERVAL: Final = 1.0
"""Seconds between two looks."""
LEAST: Final = 2.0
"""Seconds by which it must have been set between two looks; what a time daemon does gently is less (adjtime(3))."""

_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.clock")


async def watch_the_clock() -> None:
    """Log, for ever, when the wall clock has gone another way than the monotonic one."""
    apart = time.time() - time.monotonic()
    while True:
        await asyncio.sleep(INTERVAL)
        before, apart = apart, time.time() - time.monotonic()
        if (by := apart - before) >= LEAST:
            _log.warning(
                "the wall clock was set forward, or the machine slept: what waited for a time in between is due now; receivers "
                "refuse signatures with a time that is wrong by minutes, so see that the clock is right now",
                seconds=round(by, 1),
            )
        elif by <= -LEAST:
            _log.warning(
                "the wall clock was set back: what waits for a time waits for so much longer (`hookline deliveries retry` sends "
                "it now); receivers refuse signatures with a time that is wrong by minutes, so see that the clock is right now",
                seconds=round(by, 1),
            )
