"""A token bucket: so many requests a second in the long run, and a burst after a quiet time. Values in, values out.

The state is one number, the time at which the bucket would be empty of debts (the generic cell rate
algorithm: ITU-T I.371, annex A, in its virtual scheduling form). Times are microseconds.
"""

import math

from hookline.model.limits import RateLimit

_SECOND = 1_000_000


def burst_of(limit: RateLimit) -> int:
    """How many requests may go at once after a quiet time."""
    return limit.burst if limit.burst is not None else max(1, math.ceil(limit.requests_per_second))


def earliest(limit: RateLimit, state: float) -> float:
    """When the next request may go."""
    return state - (burst_of(limit) - 1) * _SECOND / limit.requests_per_second


def bounded(limit: RateLimit, state: float, now: int) -> float:
    """The state, no greater than requests at or before `now` could have made it: a clock may be set back, a limit raised."""
    return min(state, now + burst_of(limit) * _SECOND / limit.requests_per_second)


def spent(limit: RateLimit, state: float, now: int) -> float:
    """The state after a request at `now`."""
    return max(state, now) + _SECOND / limit.requests_per_second


def returned(limit: RateLimit, state: float) -> float:
    """The state as if one of the requests had not been made."""
    return state - _SECOND / limit.requests_per_second
