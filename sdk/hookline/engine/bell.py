"""Tells whoever waits that something has happened."""

import asyncio


class Bell:
    """Wakes all who wait; whoever comes later waits for the next ring."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.rung = 0
        """How often it rang. Read it before a look, and pass it to `wait`: a ring during the look is not missed."""
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all who wait now."""
        self.rung += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout: float, *, since: int | None = None) -> bool:
        """Wait for the next ring, at most `timeout` seconds; whether it rang.

        Returns at once if it has rung since `rung` was `since`.
        """
        if since is not None and since != self.rung:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            done, _ = await asyncio.wait([waiter], timeout=timeout)
            return bool(done)
        finally:
            self._waiting.discard(waiter)
            waiter.cancel()
