"""When to try a delivery again.

A policy is stored with its subscription and outlives every process, so nothing here sleeps, reads a
clock or remembers: each answer follows from the policy, the attempts already made, and what the
receiver said. This module alone knows tenacity; the rest of the house knows `RetryPolicy`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, assert_never

from tenacity import RetryCallState, stop_after_attempt, stop_after_delay, stop_any, wait_chain, wait_exponential, wait_fixed
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from hookline.clock import EPOCH
from hookline.model.policy import HOUR, Exponential, RetryPolicy, Steps

LONGEST_RETRY_AFTER: Final = 24 * HOUR
"""Seconds. A receiver may ask for more, but then it should pause its subscription."""

_REMEMBERED_POLICIES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a run has behind it: attempts made (≥ 1) and seconds since the first one began."""

    attempts: int
    elapsed: float


def next_delay(
    policy: RetryPolicy,
    progress: Progress,
    *,
    retry_after: float | None,
    uniform: Callable[[float, float], float],
) -> float | None:
    """Seconds from now to the next attempt, or None when the delivery is exhausted.

    `retry_after` is the receiver's wish in seconds (RFC 9110, section 10.2.3): a lower bound, itself
    bounded by `LONGEST_RETRY_AFTER`. `uniform` is the source of randomness, `random.uniform` or a
    seeded twin.

    `max_elapsed` decides whether another attempt is planned, not when it is made: the last one may come
    later by its own delay. So a receiver whose wish reaches beyond `max_elapsed` still gets the attempt
    that it asked for; it said when it will be ready, and giving up before that would lose the event.
    """
    stop, wait = _compiled(policy)
    state = _state(progress)
    if stop(state):
        return None
    delay = wait(state) * uniform(1 - policy.jitter, 1 + policy.jitter)
    return max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


@lru_cache(maxsize=_REMEMBERED_POLICIES)
def _compiled(policy: RetryPolicy) -> tuple[stop_base, wait_base]:
    return _stop(policy), _wait(policy.schedule)


def _wait(schedule: Steps | Exponential) -> wait_base:
    match schedule:
        case Steps():
            return wait_chain(*map(wait_fixed, schedule.delays))
        case Exponential():
            return wait_exponential(multiplier=schedule.initial, exp_base=schedule.factor, max=schedule.cap)
        case _:
            assert_never(schedule)


def _stop(policy: RetryPolicy) -> stop_base:
    attempts = stop_after_attempt(policy.max_attempts)
    return attempts if policy.max_elapsed is None else stop_any(attempts, stop_after_delay(policy.max_elapsed))


def _state(progress: Progress) -> RetryCallState:
    """The state that tenacity would have kept, had it slept through the whole run in memory."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # tenacity's waits read no retry object
    state.attempt_number = progress.attempts
    state.start_time, state.outcome_timestamp = 0.0, progress.elapsed
    return state


_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_DATES: Final = tuple(
    re.compile(form)
    for form in (
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_LEAP_SECOND: Final = 60
_CENTURY: Final = 100


def parse_retry_after(value: str, now: float) -> float | None:
    """The seconds that a Retry-After header asks for, or None if it says nothing that can be understood.

    It is a number of seconds or a date in one of the three forms of RFC 9110, section 5.6.7; a date in
    the past is 0. `now` is in seconds since 1970. Never raises, whatever the receiver sent.
    """
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return float(text)
    for form in _DATES:
        found = form.fullmatch(text)
        if found is not None:
            moment = _moment(found, now)
            return None if moment is None else max(0.0, moment - now)
    return None


def _moment(found: re.Match[str], now: float) -> float | None:
    """Seconds since 1970 of a date, or None if the calendar has no such date."""
    year = int(found["year"])
    if len(found["year"]) == 2:
        year = _full_year(year, now)
    second = int(found["second"])
    try:
        moment = datetime(
            year,
            _MONTHS.index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(second, _LEAP_SECOND - 1),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    if second > _LEAP_SECOND:
        return None
    return (moment - EPOCH).total_seconds() + (second == _LEAP_SECOND)


def _full_year(year: int, now: float) -> int:
    """Two digits mean the year that is at most 50 years ahead (RFC 9110, section 5.6.7)."""
    this_year = (EPOCH + timedelta(seconds=now)).year
    ahead = (year - this_year) % _CENTURY
    return this_year + ahead if ahead <= _CENTURY // 2 else this_year + ahead - _CENTURY
