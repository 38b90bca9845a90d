"""The laws of the token bucket."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hookline.model import RateLimit
from hookline.rate import bounded, burst_of, earliest, spent

SECOND = 1_000_000
NOON = 1_800_000_000 * SECOND
LIMITS = st.builds(
    RateLimit,
    requests_per_second=st.floats(0.01, 5_000),
    burst=st.none() | st.integers(1, 500),
)


def starts(limit: RateLimit, wishes: list[int], state: float = 0.0) -> list[int]:
    """When requests start that are wished for at these times, each as early as it may."""
    now, found = NOON, []
    for wish in wishes:
        now = max(now, wish, math.ceil(earliest(limit, state)))
        state = spent(limit, state, now)
        found.append(now)
    return found


@given(LIMITS, st.lists(st.integers(0, 60 * SECOND), max_size=300), st.integers(0, 60), st.integers(1, 60))
def test_in_no_span_start_more_than_the_rate_and_one_burst(limit: RateLimit, offsets: list[int], start: int, length: int) -> None:
    found = starts(limit, sorted(NOON + offset for offset in offsets))
    first, last = NOON + start * SECOND, NOON + (start + length) * SECOND
    inside = sum(first <= when < last for when in found)
    assert inside <= burst_of(limit) + limit.requests_per_second * length + 1


@given(LIMITS)
def test_a_burst_goes_at_once_after_a_quiet_time_and_then_one_a_period(limit: RateLimit) -> None:
    found = starts(limit, [NOON] * (burst_of(limit) + 3))
    rounding = len(found)  # microseconds
    assert max(found[: burst_of(limit)]) - NOON <= rounding
    period = SECOND / limit.requests_per_second
    for number, when in enumerate(found[burst_of(limit) :], 1):
        assert abs(when - NOON - number * period) <= rounding


@given(LIMITS)
def test_without_a_burst_of_its_own_it_is_one_seconds_worth_and_at_least_one(limit: RateLimit) -> None:
    usual = burst_of(RateLimit(requests_per_second=limit.requests_per_second))
    assert usual == max(1, math.ceil(limit.requests_per_second))


@given(LIMITS, st.integers(0, 1_000), st.integers(0, 48 * 3_600))
def test_a_clock_that_is_set_back_for_hours_costs_one_period_at_most(limit: RateLimit, requests: int, back: int) -> None:
    state = 0.0
    for _ in range(requests):
        state = spent(limit, state, max(NOON, math.ceil(earliest(limit, state))))
    earlier = NOON - back * SECOND
    held = bounded(limit, state, earlier)
    assert earliest(limit, held) - earlier <= SECOND / limit.requests_per_second + 1_000


@given(LIMITS, st.integers(1, 1_000))
def test_a_clock_that_runs_on_forgives_nothing(limit: RateLimit, requests: int) -> None:
    state, now = 0.0, NOON
    for _ in range(requests):
        now = max(now, math.ceil(earliest(limit, state)))
        state = spent(limit, state, now)
    assert bounded(limit, state, now) >= state - 1_000
