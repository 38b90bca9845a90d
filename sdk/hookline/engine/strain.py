"""Whether the thread of the event loop is short of time.

A commit has a price that does not depend on how much is in it. While the thread has time to spare, the
price is nobody's loss, and waiting for company only makes events later; when it has none, what is
spent on small commits is missing everywhere, and whoever waits a little longer is done sooner.
"""

from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import Final

from hookline.clock import Clock, SystemClock

SPAN: Final = 0.05
"""Seconds over which is measured, at least."""
SHARE: Final = 0.7
"""Of the time that has passed: a thread that computed, or waited for a core, for so much of it is short of time."""
SCHEDULER: Final = Path("/proc/thread-self/schedstat")
"""What Linux tells of the thread that reads it: nanoseconds on a core, and nanoseconds for which it waited for one (proc(5))."""


def wanted() -> float:
    """Seconds for which this thread has computed, or waited for a core where the system tells that: others want some too."""
    try:
        on, waited, _ = map(int, SCHEDULER.read_bytes().split())
    except (OSError, ValueError):
        return thread_time()
    return (on + waited) / 1e9


class Strain:
    """Looks at the thread that asks, which must always be the same."""

    def __init__(self, monotonic: Callable[[], float], processor: Callable[[], float]) -> None:
        """Compare `processor`, the seconds for which the thread had something to do, with `monotonic`, seconds since some time."""
        self._monotonic = monotonic
        self._processor = processor
        self._since = self._used = 0.0
        self._high = False

    @classmethod
    def of(cls, clock: Clock) -> "Strain":
        """That of this thread; under a clock of a test's own, of which the processor knows nothing, it is never high."""
        return cls(clock.monotonic, wanted if isinstance(clock, SystemClock) else lambda: 0.0)

    @property
    def high(self) -> bool:
        """Whether the thread was short of time when that was last measured."""
        now = self._monotonic()
        passed = now - self._since
        if passed >= SPAN:
            used = self._processor()
            self._high = used - self._used >= SHARE * passed
            self._since, self._used = now, used
        return self._high
