"""What a receiver is spared, and what its answers mean."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """What a receiver's answer means. A status is a number (`"204"`) or a class (`"2xx"`).

    `delivered`: the event was taken. `final`: it never will be, so it is not tried again. `disabling`: the
    receiver wants no more, and the subscription is disabled. `final_header` is the `Name: value` of a header
    with which the receiver asks not to be tried again; empty: there is none.
    """

    delivered: tuple[str, ...] = ("2xx",)
    final: tuple[str, ...] = ()
    disabling: tuple[str, ...] = ("410",)
    final_header: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests a receiver gets: so many a second in the long run, and `burst` at once after a quiet time.

    Without `burst` that is one second's worth, and at least one.
    """

    requests_per_second: float
    burst: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """When a receiver that only fails is left alone, and for how long.

    It opens after `consecutive_failures`, or when `failure_rate` of the last 100 attempts failed. It stays
    open for `open_for` seconds; then one request probes, and each probe that fails doubles that, up to
    `open_at_most` seconds. With `off` it never opens.
    """

    off: bool = False
    consecutive_failures: int = 20
    failure_rate: float = 0.9
    open_for: float = 5.0
    open_at_most: float = 60.0


USUAL_ANSWERS: Final = AnswerRules()
USUAL_BREAKER: Final = CircuitBreaker()
