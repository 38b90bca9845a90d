"""Limits are refused when they are saved, with the field and what would be right."""

import math
from typing import Any

import pytest

from hookline.errors import InvalidArgument
from hookline.model import CircuitBreaker, Ordering, RateLimit, RetryPolicy, Steps, SubscriptionSpec
from hookline.validation import check_subscription

NUMBERS = (math.nan, math.inf, -1, "5", None, True)


def refused(**fields: Any) -> dict[str, str]:
    """The fields that are refused, and why."""
    try:
        check_subscription(SubscriptionSpec(url="https://example.com/", **fields), allow_http_loopback=False)
    except InvalidArgument as error:
        return {violation.field.removeprefix("subscription."): violation.description for violation in error.violations}
    return {}


@pytest.mark.parametrize("rate", [0.001, 1, 100_000])
@pytest.mark.parametrize("burst", [None, 1, 100_000])
def test_a_rate_within_its_limits_is_taken(rate: float, burst: int | None) -> None:
    assert refused(rate=RateLimit(requests_per_second=rate, burst=burst)) == {}


@pytest.mark.parametrize("rate", [0, 0.0009, 100_001, *NUMBERS])
def test_another_rate_is_refused(rate: Any) -> None:
    assert refused(rate=RateLimit(requests_per_second=rate)).keys() == {"rate.requests_per_second"}


@pytest.mark.parametrize("burst", [0, 1.5, 100_001, "5", True])
def test_another_burst_is_refused(burst: Any) -> None:
    assert refused(rate=RateLimit(requests_per_second=1, burst=burst)).keys() == {"rate.burst"}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("consecutive_failures", (1, 10_000), (0, 10_001, 1.5, True, "5")),
        ("failure_rate", (0.01, 1), (0, 1.01, *NUMBERS[:5])),
        ("open_for", (1, 60), (0.9, 3_601, *NUMBERS[:5])),
        ("open_at_most", (5, 86_400), (0.5, 86_401, *NUMBERS[:5])),
        ("off", (True, False), (0, "off", None)),
    ],
)
def test_a_breaker_has_each_field_within_its_limits(field: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        assert refused(breaker=CircuitBreaker(**{field: value})) == {}
    for value in bad:
        assert f"breaker.{field}" in refused(breaker=CircuitBreaker(**{field: value}))


def test_a_breaker_is_not_open_for_longer_at_first_than_at_most() -> None:
    assert "open_at_most" in " ".join(refused(breaker=CircuitBreaker(open_for=30, open_at_most=10)))


def test_stepping_aside_needs_an_order() -> None:
    assert refused(step_aside_after=3, ordering=Ordering.BY_KEY) == {}
    assert "ordering by key" in refused(step_aside_after=3)["step_aside_after"]
    twice = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=2)
    assert refused(step_aside_after=1, ordering=Ordering.BY_KEY, retry=twice) == {}
    for value in (2, 3):
        assert "max_attempts" in refused(step_aside_after=value, ordering=Ordering.BY_KEY, retry=twice)["step_aside_after"]
    for value in (-1, 101, 1.5, True):
        assert "step_aside_after" in refused(step_aside_after=value, ordering=Ordering.BY_KEY)


def test_spans_have_their_limits() -> None:
    for good in (None, 0, 1, 365 * 86_400):
        assert refused(hold_for=good) == {}
    for bad in (-1, 365 * 86_400 + 1, math.nan, "7d", True):
        assert "hold_for" in refused(hold_for=bad)
    for good in (0, 60, 365 * 86_400):
        assert refused(disable_after=good) == {}
    for value in (1, 59.9, -1, math.inf, "5d", None, True, False):
        assert "disable_after" in refused(disable_after=value)


def test_other_things_are_refused_by_their_kind() -> None:
    assert refused(rate=5).keys() == {"rate"}
    assert refused(breaker="off").keys() == {"breaker"}
