"""The laws of `retry`: each test is one sentence about every policy."""

import random
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import pairwise

import pytest
from core.strategies import policies, seconds
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.model import EXPONENTIAL, NO_RETRY, STANDARD, Exponential, RetryPolicy
from hookline.model.policy import HOUR
from hookline.retry import LONGEST_RETRY_AFTER, Progress, next_delay, parse_retry_after

progresses = st.builds(Progress, attempts=st.integers(1, 120), elapsed=st.floats(0, 1e7))
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()


def middle(low, high):
    """A source without randomness: the middle of the range."""
    return (low + high) / 2


def schedule(policy):
    return [
        next_delay(policy, Progress(attempts=n, elapsed=0), retry_after=None, uniform=middle)
        for n in range(1, policy.max_attempts + 1)
    ]


@given(policies, progresses, st.none() | st.floats(0, 1e7), st.randoms(use_true_random=False))
def test_a_retry_never_comes_before_the_receiver_asked(policy, progress, retry_after, source):
    delay = next_delay(policy, progress, retry_after=retry_after, uniform=source.uniform)
    assert delay is None or delay >= min(retry_after or 0.0, LONGEST_RETRY_AFTER)


@given(policies, progresses, st.none() | st.floats(0, 1e7))
def test_a_run_ends_exactly_when_the_policy_says_whatever_the_receiver_asked(policy, progress, retry_after):
    over = progress.attempts >= policy.max_attempts or (policy.max_elapsed is not None and progress.elapsed >= policy.max_elapsed)
    assert (next_delay(policy, progress, retry_after=retry_after, uniform=middle) is None) == over


@given(policies, progresses, st.randoms(use_true_random=False))
def test_jitter_stays_within_its_fraction(policy, progress, source):
    plain = next_delay(policy, progress, retry_after=None, uniform=middle)
    spread = next_delay(policy, progress, retry_after=None, uniform=source.uniform)
    if plain is None:
        assert spread is None
    else:
        assert plain * (1 - policy.jitter) * 0.999 <= spread <= plain * (1 + policy.jitter) * 1.001


@given(st.builds(Exponential, initial=seconds, factor=st.floats(1, 10), cap=seconds), st.integers(2, 100))
@example(Exponential(initial=5, factor=2, cap=HOUR), 30)
def test_exponential_delays_grow_up_to_the_cap(exponential, attempts):
    delays = schedule(RetryPolicy(schedule=exponential, max_attempts=attempts, jitter=0))[:-1]
    assert all(a <= b for a, b in pairwise(delays))
    assert max(delays) <= exponential.cap


@given(policies, progresses, st.integers())
def test_the_same_seed_gives_the_same_delay(policy, progress, seed):
    first, second = (next_delay(policy, progress, retry_after=None, uniform=random.Random(seed).uniform) for _ in range(2))
    assert first == second


def test_the_standard_schedule_spans_75_hours_35_minutes_and_5_seconds():
    *delays, last = schedule(STANDARD)
    assert last is None
    assert sum(delays) == 75 * HOUR + 35 * 60 + 5


def test_the_other_presets_are_what_they_say():
    assert schedule(NO_RETRY) == [None]
    assert schedule(EXPONENTIAL)[:4] == [1, 2, 4, 8]
    assert schedule(EXPONENTIAL)[-2:] == [HOUR, None]


@given(st.text() | st.text("0123456789 :,-GMTSunovJa"), st.floats(0, 4e9))
def test_retry_after_never_raises_and_is_never_negative(value, now):
    asked = parse_retry_after(value, now)
    assert asked is None or 0 <= asked < 4e11


@given(st.integers(0, 9_999_999_999))
def test_retry_after_in_seconds_is_taken_as_it_is(asked):
    assert parse_retry_after(f" {asked}\t", NOW) == asked


@given(st.integers(0, 4_000_000_000))
def test_retry_after_is_understood_in_all_three_forms_of_a_date(moment):
    when = datetime.fromtimestamp(moment, UTC)
    expected = max(0, moment - NOW)
    assert parse_retry_after(formatdate(moment, usegmt=True), NOW) == expected
    assert parse_retry_after(f"{when:%a %b} {when.day:2} {when:%H:%M:%S %Y}", NOW) == expected
    if -50 < when.year - 2025 < 50:
        assert parse_retry_after(f"{when:%A, %d-%b-%y %H:%M:%S} GMT", NOW) == expected


@pytest.mark.parametrize(
    "value",
    ["", "-1", "1.5", "\u0661", "1e3", "inf", "nan", "9" * 11, "Sun, 31 Feb 2025 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT"],
)
def test_a_retry_after_that_says_nothing_sensible_is_passed_over(value):
    assert parse_retry_after(value, NOW) is None


def test_a_leap_second_is_a_time():
    assert parse_retry_after("Thu, 31 Dec 2026 23:59:60 GMT", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) == 1
