"""What is late gives way to what is in time: how much of the node a backlog, or a replay, may use beside live traffic.

A backlog that is sent as fast as it goes fills the event loop and the writer of the store, and then every other event
waits for both, however fair the turns are. So while live events are sent, late ones are admitted a few at a time;
how few, the lateness of the loop's own timer says (additive increase, multiplicative decrease, as in D.-M. Chiu, R. Jain,
"Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). Where nothing is in time there is nobody
to give way to, and late ones go as fast as they can.
"""

import math
from typing import Final

from hookline.store.protocol import LaneKey

QUIET: Final = 0.5
"""Seconds without anything in time, after which late ones go as fast as they can."""
TICK: Final = 0.005
"""Seconds for which an allowance lasts."""
FEWEST: Final = 2
"""Attempts a tick; at 400 a second even a long backlog goes on."""
MOST: Final = 16
"""Attempts a tick, unless the backlog grows all the same."""
LARGEST: Final = 64
"""Attempts a tick, however the backlog grows: more than that no node makes."""
HELD_UP: Final = 0.002
"""Seconds by which a timer may be late while the loop has time to spare; timers are no finer than one."""
DECREASE: Final = 0.5
FURTHEST: Final = int(QUIET / TICK)
"""Ticks for which a lane is put off at most."""


class Governor:
    """One node's. Times are in seconds, by the monotonic clock."""

    __slots__ = ("_allowance", "_end", "_in_time", "_left", "_put_off", "fewest", "gave_way")

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.gave_way: set[LaneKey] = set()
        """Lanes of which something late had to wait, since somebody last looked."""
        self.fewest = FEWEST
        """Attempts a tick that late ones get in any case."""
        self._in_time = -math.inf
        self._allowance: float = FEWEST
        self._left = 0
        self._put_off = 0
        """How often something was put off in this tick."""
        self._end = -math.inf
        """Of the tick."""

    def in_time(self, now: float) -> None:
        """An event is sent that is in time."""
        self._in_time = now

    def holds_back(self, now: float) -> bool:
        """Whether late ones have somebody to give way to."""
        return now - self._in_time <= QUIET

    def wait(self, now: float, lane: LaneKey) -> float:
        """0.0 if a late event of this lane may be sent, and then it counts; else for how long it may not."""
        if not self.holds_back(now):
            return 0.0
        if now >= self._end:
            if self._put_off:  # so somebody waited for the end, and now shows how late the loop is
                self._adapt(now - self._end)
            self._end, self._left, self._put_off = now + TICK, int(self._allowance), 0
        if self._left:
            self._left -= 1
            return 0.0
        self.gave_way.add(lane)
        # As many for each tick to come as will be let through then: who comes too early has only to be put off again.
        ticks = min(self._put_off // int(self._allowance), FURTHEST)
        self._put_off += 1
        return self._end - now + ticks * TICK

    def give_more(self) -> None:
        """What is behind does not become less: it gets twice as much from now on."""
        self.fewest = min(LARGEST, 2 * self.fewest)
        self._allowance = max(self._allowance, self.fewest)

    def give_less(self) -> None:
        """What is behind becomes less fast enough: it need not get as much."""
        self.fewest = max(FEWEST, self.fewest // 2)

    def _adapt(self, late: float) -> None:
        if late > HELD_UP:
            self._allowance = max(self.fewest, self._allowance * DECREASE)
        else:
            self._allowance = max(self.fewest, min(MOST, self._allowance + 1))
