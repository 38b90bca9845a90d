"""What a receiver is spared: rate, breaker, and when to stop or to step aside."""

from typing import Final

from hookline.errors import quoted
from hookline.model.limits import CircuitBreaker, RateLimit
from hookline.model.policy import RetryPolicy
from hookline.model.subscription import Ordering, SubscriptionSpec
from hookline.validation.text import is_number, is_whole, wrong_type
from hookline.validation.url import Problems

LOWEST_RATE: Final = 0.001
HIGHEST_RATE: Final = 100_000
MOST_FAILURES: Final = 10_000
SHORTEST_OPEN: Final = 1
LONGEST_FIRST_OPEN: Final = 3_600
LONGEST_OPEN: Final = 24 * 3_600
LATEST_STEP_ASIDE: Final = 100
LONGEST_HOLD: Final = 365 * 24 * 3_600
SHORTEST_FAILING: Final = 60
LONGEST_FAILING: Final = 365 * 24 * 3_600


def limit_problems(spec: SubscriptionSpec) -> Problems:
    """What is wrong with the limits of a subscription."""
    yield from _rate(spec.rate)
    yield from _breaker(spec.breaker)
    yield from _step_aside(spec)
    if spec.hold_for is not None:
        yield from _between("hold_for", spec.hold_for, 0, LONGEST_HOLD, "seconds (365 days), or None to hold for ever")
    never = is_number(spec.disable_after) and spec.disable_after == 0
    if not never:
        yield from _between(
            "disable_after", spec.disable_after, SHORTEST_FAILING, LONGEST_FAILING, "seconds (365 days), or 0: never"
        )


def _rate(rate: object) -> Problems:
    if rate is None:
        return
    if not isinstance(rate, RateLimit):
        yield "rate", wrong_type("rate", rate, "a RateLimit, or None").description
        return
    yield from _between("rate.requests_per_second", rate.requests_per_second, LOWEST_RATE, HIGHEST_RATE)
    if rate.burst is not None:
        yield from _count("rate.burst", rate.burst, HIGHEST_RATE)


def _breaker(breaker: object) -> Problems:
    if not isinstance(breaker, CircuitBreaker):
        yield "breaker", wrong_type("breaker", breaker, "a CircuitBreaker").description
        return
    if not isinstance(breaker.off, bool):
        yield "breaker.off", wrong_type("off", breaker.off, "True or False").description
    yield from _count("breaker.consecutive_failures", breaker.consecutive_failures, MOST_FAILURES)
    part = breaker.failure_rate
    if not (is_number(part) and 0 < part <= 1):
        yield "breaker.failure_rate", f"{quoted(part)} is out of range; right is more than 0 to 1"
    first, longest = breaker.open_for, breaker.open_at_most
    yield from _between("breaker.open_for", first, SHORTEST_OPEN, LONGEST_FIRST_OPEN, "seconds")
    yield from _between("breaker.open_at_most", longest, SHORTEST_OPEN, LONGEST_OPEN, "seconds")
    if is_number(first) and is_number(longest) and SHORTEST_OPEN <= longest < first:
        yield "breaker.open_at_most", f"{quoted(longest)} is less than open_for ({quoted(first)}); right is as long or longer"


def _step_aside(spec: SubscriptionSpec) -> Problems:
    after = spec.step_aside_after
    if not (is_whole(after) and 0 <= after <= LATEST_STEP_ASIDE):
        yield "step_aside_after", f"{quoted(after)} is out of range; right is 1 to {LATEST_STEP_ASIDE} attempts, or 0: never"
    elif after and spec.ordering is not Ordering.BY_KEY:
        yield "step_aside_after", "says when to leave the order, and there is none; right is ordering by key, or 0"
    elif after and _ends_before(spec.retry, after):
        yield (
            "step_aside_after",
            f"{after} attempts are the last ones, by the retry policy; right is less than its max_attempts, or 0",
        )


def _ends_before(retry: object, attempts: int) -> bool:
    """Whether after so many attempts there is no other."""
    return isinstance(retry, RetryPolicy) and is_whole(retry.max_attempts) and retry.max_attempts <= attempts


def _between(field: str, value: object, lowest: float, highest: float, unit: str = "") -> Problems:
    # Not `value < lowest or value > highest`: NaN is neither.
    if not (is_number(value) and lowest <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is {lowest} to {highest} {unit}".rstrip()


def _count(field: str, value: object, highest: int) -> Problems:
    if not (is_whole(value) and 1 <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is a whole number from 1 to {highest}"
