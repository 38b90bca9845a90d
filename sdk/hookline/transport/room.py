"""Waiting for a file descriptor, when there is none for a new connection.

A request that finds none waits for one as it would for a turn, within its own deadline: to fail it at once would
only make the next one fail as fast, through a whole backlog. Connections that are open are used on meanwhile.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from hookline.descriptors import are_short

LOGGER: Final = logging.getLogger(__name__)

LOOK: Final = 0.25
"""Seconds between two looks at whether there are descriptors again."""

FIRST: Final = 8
"""So many requests go on after the first look that finds some; twice as many after each further one."""

REMIND: Final = 60.0
"""Seconds after which a shortage that lasts is logged again."""


class Room:
    """Those who wait for a descriptor, in order. It belongs to one event loop."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._admitted = FIRST
        self._told = 0.0
        self._short = False

    async def wait(self, shortage: str) -> None:
        """Wait until it is worth another try; the caller has just met a `shortage`, in words."""
        loop = asyncio.get_running_loop()
        self._admitted = FIRST
        if not self._short or loop.time() - self._told >= REMIND:
            self._short, self._told = True, loop.time()
            LOGGER.warning("requests wait, for %s", shortage)
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting[turn] = None
        if self._timer is None:
            self._timer = loop.call_later(LOOK, self._look)
        try:
            await turn
        finally:
            self._waiting.pop(turn, None)

    def close(self) -> None:
        """Let go who waits: the next try tells them what is so."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go(len(self._waiting))

    def _look(self) -> None:
        self._timer = None
        if not are_short():
            self._let_go(self._admitted)
            self._admitted *= 2
            if not self._waiting and self._short and self._admitted > 2 * FIRST:
                self._short = False
                LOGGER.info("there are file descriptors again; no request waits for one")
                return
        if self._short:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _let_go(self, number: int) -> None:
        for _ in range(min(number, len(self._waiting))):
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
