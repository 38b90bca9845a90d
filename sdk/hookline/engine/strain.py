"""Whether the thread of the event loop is short of time.

A commit has a price that does not depend on how much is in it. While the thread has time to spare, the
price is nobody's loss, and waiting for company only makes events later; when it has none, what is
spent on small commits is missing everywhere, and whoever waits a little longer is done sooner.
"""

from collections.abc import Callable
from time import thread_time
from typing import Final

from hookline.clock import Clock, SystemClock

SPAN: Final = 0.05
"""Seconds over which is measured, at least."""
SHARE: Final = 0.7
"""Of the time that has passed: whose thread computed for so much of it is short of time. Others on the machine want some too."""


class Strain:
    """Looks at the thread that asks, which must always be the same."""

    def __init__(self, monotonic: Callable[[], float], processor: Callable[[], float]) -> None:
        """Compare `processor`, the seconds for which the thread has computed, with `monotonic`, seconds since some time before."""
        self._monotonic = monotonic
        self._processor = processor
        self._since = self._used = 0.0
        self._high = False

    @classmethod
    def of(cls, clock: Clock) -> "Strain":
        """That of this thread; under a clock of a test's own, of which the processor knows nothing, it is never high."""
        return cls(clock.monotonic, thread_time if isinstance(clock, SystemClock) else lambda: 0.0)

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
