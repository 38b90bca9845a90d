"""The two clocks of the house, behind one seam, so that a test can own time.

The wall clock stamps (signatures, due times); the monotonic clock measures (leases, durations). No
lease is ever decided by the wall clock.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """Where the time comes from."""

    def time(self) -> float:
        """Seconds since 1970-01-01T00:00Z by the wall clock."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back."""


class SystemClock:
    """The clocks of the operating system."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00Z, exactly; `moment` must be aware."""
    return (moment - EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The UTC datetime of `microseconds` since 1970-01-01T00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


def now_micros(clock: Clock) -> int:
    """The wall clock in microseconds since 1970-01-01T00:00Z."""
    return int(clock.time() * 1_000_000)
