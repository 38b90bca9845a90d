"""What is late gives way to what is in time: how much of the node a backlog, or a replay, may use beside live traffic.

A backlog that is sent as fast as it goes fills the event loop and the writer of the store, and then every other event
waits for both, however fair the turns are. So while live events are sent, late ones are admitted a few at a time;
how few, the lateness of the loop's own timer says (additive increase, multiplicative decrease, as in D.-M. Chiu, R. Jain,
"Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). Where nothing is in time there is nobody
to give way to, and late ones go as fast as they can.
"""

import math
from typing import Final

QUIET: Final = 0.5
"""Seconds without anything in time, after which late ones go as fast as they can."""
TICK: Final = 0.005
"""Seconds for which an allowance lasts."""
FEWEST: Final = 2
"""Attempts a tick; at 400 a second even a long backlog goes on."""
MOST: Final = 16
"""Attempts a tick, unless the backlog grows all the same."""
HELD_UP: Final = 0.002
"""Seconds by which a timer may be late while the loop has time to spare; timers are no finer than one."""
DECREASE: Final = 0.5


class Governor:
    """One node's. Times are in seconds, by the monotonic clock."""

    __slots__ = ("_allowance", "_end", "_fewest", "_in_time", "_left", "gave_way")

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.gave_way: set[str] = set()
        """Tenants of which something late had to wait, since somebody last looked."""
        self._in_time = -math.inf
        self._fewest = FEWEST
        self._allowance: float = FEWEST
        self._left = 0
        self._end = -math.inf
        """Of the tick."""

    def in_time(self, now: float) -> None:
        """An event is sent that is in time."""
        self._in_time = now

    def wait(self, now: float, tenant: str) -> float:
        """0.0 if a late event may be sent, and then it counts; else for how long it may not."""
        if now - self._in_time > QUIET:
            return 0.0
        if now >= self._end:
            if self._left == 0:  # so somebody waited for the end, and now shows how late the loop is
                self._adapt(now - self._end)
            self._end, self._left = now + TICK, int(self._allowance)
        if self._left:
            self._left -= 1
            return 0.0
        self.gave_way.add(tenant)
        return self._end - now

    def give_more(self) -> None:
        """What is behind does not become less: it gets twice as much from now on."""
        self._fewest *= 2
        self._allowance = max(self._allowance, self._fewest)

    def give_least(self) -> None:
        """Nobody is behind any more."""
        self._fewest = FEWEST

    def _adapt(self, late: float) -> None:
        if late > HELD_UP:
            self._allowance = max(self._fewest, self._allowance * DECREASE)
        else:
            self._allowance = max(self._fewest, min(MOST, self._allowance + 1))
