"""Whether a subscription can be made. The limits are those of the contract (`proto/hookline/v1`)."""

from typing import Final

from hookline.errors import FieldViolation, quoted
from hookline.lanes import MOST_LANES, too_few
from hookline.model.policy import Exponential, RetryPolicy, Steps
from hookline.model.subscription import BodyFormat, Ordering, SubscriptionSpec
from hookline.routing import is_pattern
from hookline.validation.answers import answer_problems
from hookline.validation.authentication import authentication_problems
from hookline.validation.headers import OWN_HEADERS, OWN_PREFIXES, header_problems, scheme_headers
from hookline.validation.limits import limit_problems
from hookline.validation.profile import profile_problems, template_problems
from hookline.validation.shaping import shaping_problems
from hookline.validation.signing import signing_problems
from hookline.validation.text import (
    is_number,
    is_whole,
    label_violations,
    refuse,
    text_problem,
    wrong_type,
)
from hookline.validation.url import Problems, url_problems

LONGEST_DESCRIPTION: Final = 1024
MOST_PATTERNS: Final = 100
LONGEST_TIMEOUT: Final = 60
MOST_IN_FLIGHT: Final = 1000
MOST_STEPS: Final = 50
MOST_ATTEMPTS: Final = 100
SHORTEST_DELAY: Final = 0.001
LONGEST_DELAY: Final = 7 * 24 * 3600
LARGEST_FACTOR: Final = 10
LARGEST_JITTER: Final = 0.9
LONGEST_ELAPSED: Final = 30 * 24 * 3600


def check_subscription(spec: SubscriptionSpec, *, allow_http_loopback: bool, prefix: str = "subscription") -> None:
    """Raise InvalidArgument, with every violation, unless `spec` can be a subscription.

    With `allow_http_loopback` (development) the URL may be http, if its host is `localhost` or a
    loopback address. Whether an address may be dialled is not decided here but by the address guard,
    which sees what a name resolves to.
    """
    problems = [
        *url_problems("url", spec.url, allow_http_loopback=allow_http_loopback),
        *_event_types(spec.event_types),
        *_text("description", spec.description, LONGEST_DESCRIPTION),
        *_choices(spec),
        *signing_problems(spec),
        *header_problems(spec),
        *template_problems(spec),
        *answer_problems(spec.answers),
        *profile_problems(spec),
        *authentication_problems(spec, OWN_HEADERS | scheme_headers(spec), OWN_PREFIXES, allow_http_loopback),
        *shaping_problems(spec),
        *limit_problems(spec),
        *_retry(spec.retry),
        *_range("timeout", spec.timeout, 1, LONGEST_TIMEOUT, "seconds"),
        *_count("max_in_flight", spec.max_in_flight, MOST_IN_FLIGHT),
        *_count("lanes", spec.lanes, MOST_LANES),
    ]
    if not problems:
        problems += too_few(spec.max_in_flight, spec.rate, spec.lanes)
    violations = [FieldViolation(field=f"{prefix}.{field}", description=description) for field, description in problems]
    refuse(violations + label_violations(spec.labels, f"{prefix}.labels"))


def _event_types(patterns: object) -> Problems:
    if isinstance(patterns, str) or not isinstance(patterns, tuple | list):
        yield "event_types", wrong_type("event_types", patterns, "a tuple of patterns").description
        return
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        yield "event_types", f"has {len(patterns)} patterns; right are 1 to {MOST_PATTERNS} ('*' is every type)"
    for index, pattern in enumerate(patterns):
        if not isinstance(pattern, str) or not is_pattern(pattern):
            yield (
                f"event_types[{index}]",
                f"{quoted(pattern)} is no pattern; right is a type ('invoice.paid'), a prefix ('invoice.*') or '*'",
            )


def _text(field: str, value: object, longest: int) -> Problems:
    if not isinstance(value, str):
        yield field, wrong_type(field, value, "a string").description
    elif (problem := text_problem(value, longest)) is not None:
        yield field, problem


def _choices(spec: SubscriptionSpec) -> Problems:
    for field, value, kind in (("body_format", spec.body_format, BodyFormat), ("ordering", spec.ordering, Ordering)):
        if not isinstance(value, kind):
            yield field, f"{quoted(value)} is not right; right is one of {', '.join(repr(str(member)) for member in kind)}"


def _retry(policy: object) -> Problems:
    if not isinstance(policy, RetryPolicy):
        yield "retry", wrong_type("retry", policy, "a RetryPolicy").description
        return
    match policy.schedule:
        case Steps(delays=delays):
            yield from _steps(delays)
        case Exponential(initial=initial, factor=factor, cap=cap):
            yield from _range("retry.exponential.initial", initial, SHORTEST_DELAY, LONGEST_DELAY, "seconds")
            yield from _range("retry.exponential.factor", factor, 1, LARGEST_FACTOR)
            yield from _range("retry.exponential.cap", cap, SHORTEST_DELAY, LONGEST_DELAY, "seconds")
        case _:
            yield "retry.schedule", wrong_type("schedule", policy.schedule, "Steps or Exponential").description
    yield from _count("retry.max_attempts", policy.max_attempts, MOST_ATTEMPTS)
    yield from _range("retry.jitter", policy.jitter, 0, LARGEST_JITTER)
    if policy.max_elapsed is not None:
        yield from _range("retry.max_elapsed", policy.max_elapsed, SHORTEST_DELAY, LONGEST_ELAPSED, "seconds")


def _steps(delays: object) -> Problems:
    # A tuple and nothing else: policies are hashed.
    if not isinstance(delays, tuple) or not 1 <= len(delays) <= MOST_STEPS:
        yield "retry.steps.delays", f"{quoted(delays)} is not right; right is a tuple of 1 to {MOST_STEPS} delays"
        return
    for index, delay in enumerate(delays):
        yield from _range(f"retry.steps.delays[{index}]", delay, SHORTEST_DELAY, LONGEST_DELAY, "seconds")


def _range(field: str, value: object, lowest: float, highest: float, unit: str = "") -> Problems:
    # Not `value < lowest or value > highest`: NaN is neither.
    if not (is_number(value) and lowest <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is {lowest} to {highest} {unit}".rstrip()


def _count(field: str, value: object, highest: int) -> Problems:
    if not (is_whole(value) and 1 <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is a whole number from 1 to {highest}"
