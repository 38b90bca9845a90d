"""Whether the thread of the event loop is short of time.

A commit has a price that does not depend on how much is in it. While the thread has time to spare, the
price is nobody's loss, and waiting for company only makes events later; when it has none, what is
spent on small commits is missing everywhere, and whoever waits a little longer is done sooner.
"""

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import Final, NamedTuple

from hookline.clock import Clock, SystemClock
from hookline.descriptors import is_shortage

SPAN: Final = 0.05
"""Seconds over which is measured, at least."""
SHARE: Final = 0.7
"""Of the time that has passed: a thread that computed, or waited for a core, for so much of it is short of time."""
SCHEDULER: Final = Path("/proc/thread-self/schedstat")
"""What Linux tells of the thread that opened it: nanoseconds on a core, and nanoseconds for which it waited for one (proc(5)).

The first are counted when the scheduler looks, every few milliseconds, so they are taken from the thread's own clock.
"""
LONGEST: Final = 128
"""Bytes of what it tells."""


class Wanted:
    """Seconds for which a thread has computed, or waited for a core where the system tells that: others want some too."""

    def __init__(self) -> None:
        """Of the thread that calls it first, and always."""
        self._told: int | None = None
        """Where the system tells it; -1 if it does not."""

    def __call__(self) -> float:
        """The seconds, since some time."""
        if self._told is None:
            self._told = self._open()
        if self._told is not None and self._told >= 0:
            try:
                return thread_time() + int(os.pread(self._told, LONGEST, 0).split()[1]) / 1e9
            except (OSError, ValueError, IndexError):
                self._told = -1
        return thread_time()

    def _open(self) -> int | None:
        try:
            told = os.open(SCHEDULER, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return None if is_shortage(error) else -1
        # Not at the end of the process: a child may have other files under the numbers of its parent's.
        weakref.finalize(self, os.close, told).atexit = False
        return told


class Mark(NamedTuple):
    """A moment, and what the thread had wanted until then (seconds)."""

    at: float
    wanted: float

    def spared(self, since: "Mark") -> bool:
        """Whether the thread has had time to spare since then."""
        return self.wanted - since.wanted < SHARE * (self.at - since.at)


class Strain:
    """Looks at the thread that asks, which must always be the same."""

    def __init__(self, monotonic: Callable[[], float], processor: Callable[[], float]) -> None:
        """Compare `processor`, the seconds for which the thread had something to do, with `monotonic`, seconds since some time."""
        self._monotonic = monotonic
        self._processor = processor
        self._last = Mark(0.0, 0.0)
        self._high = False

    @classmethod
    def of(cls, clock: Clock) -> "Strain":
        """That of this thread; under a clock of a test's own, of which the processor knows nothing, it is never high."""
        return cls(clock.monotonic, Wanted() if isinstance(clock, SystemClock) else lambda: 0.0)

    @property
    def high(self) -> bool:
        """Whether the thread was short of time when that was last measured."""
        if self._monotonic() - self._last.at >= SPAN:
            now = self.mark()
            self._high, self._last = not now.spared(self._last), now
        return self._high

    def mark(self) -> Mark:
        """Now."""
        return Mark(self._monotonic(), self._processor())
