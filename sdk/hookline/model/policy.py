"""Retry policies as they are stored; `hookline.retry` says what they mean."""

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A list of delays, in seconds; after the last one it stays at the last one."""

    delays: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Delays of `initial`, `initial * factor`, `initial * factor²`, … seconds, at most `cap`."""

    initial: float
    factor: float = 2.0
    cap: float = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long, how often and how far apart a delivery is tried.

    `max_elapsed` is in seconds from the start of the run's first attempt; after it no other attempt
    is planned. `jitter` is a fraction: 0.1 spreads each delay evenly over ±10 %, so that receivers
    that failed together are not called together. With `count_paused`, time during which the
    subscription was paused or disabled counts against `max_elapsed`.
    """

    schedule: Steps | Exponential
    max_attempts: int
    max_elapsed: float | None = None
    jitter: float = 0.1
    count_paused: bool = True


STANDARD: Final = RetryPolicy(
    schedule=Steps(delays=(5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)),
    max_attempts=10,
)
"""The example schedule of Standard Webhooks ("Deliverability and reliability"): about 75 hours."""

EXPONENTIAL: Final = RetryPolicy(schedule=Exponential(initial=1.0, factor=2.0, cap=HOUR), max_attempts=20)
"""One second, doubling up to an hour, twenty attempts: about eight hours."""

NO_RETRY: Final = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=1, jitter=0.0)
"""One attempt; what fails is retried by hand."""

PRESETS: Final = {"standard": STANDARD, "exponential": EXPONENTIAL, "none": NO_RETRY}
