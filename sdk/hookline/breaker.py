"""The circuit breaker: when a receiver that only fails is left alone. Values in, values out.

Closed, attempts go on. It opens after so many failures in a row, or when too large a part of the last
attempts failed; open, nothing starts until a time. Then it is half open: one attempt probes. A success
closes it, whenever it comes; a probe that fails opens it again for twice as long, up to a limit.

Times are microseconds since 1970-01-01T00:00Z.
"""

from typing import Final, NamedTuple

from hookline.model.limits import CircuitBreaker

WINDOW: Final = 100
"""Attempts over which the failure rate is taken; none is taken of fewer."""
_MASK: Final = (1 << WINDOW) - 1
_SECOND: Final = 1_000_000


class Circuit(NamedTuple):
    """A breaker's state. `openings` counts in a row, 0 is closed; `until` is when the last one ends.

    `recent` has a bit for each of the last attempts since something failed, at most `WINDOW`, `counted` of
    them; the lowest is the latest, 1 is a failure.
    """

    failures: int = 0
    recent: int = 0
    counted: int = 0
    openings: int = 0
    until: int = 0


CLOSED: Final = Circuit()
"""Nothing failed of late."""


def succeeded(circuit: Circuit) -> Circuit:
    """After an attempt that succeeded: closed, whatever was before."""
    if circuit is CLOSED:
        return circuit
    recent = circuit.recent << 1 & _MASK
    if circuit.openings or not recent:
        return CLOSED
    return Circuit(0, recent, min(WINDOW, circuit.counted + 1))


def failed(circuit: Circuit, policy: CircuitBreaker, now: int, *, probe: bool) -> Circuit:
    """After an attempt that failed at `now`. One that began before the breaker opened says nothing new."""
    if circuit.openings and not probe:
        return circuit._replace(failures=circuit.failures + 1)
    failures = circuit.failures + 1
    recent = (circuit.recent << 1 | 1) & _MASK
    counted = min(WINDOW, circuit.counted + 1)
    openings = circuit.openings
    often = counted == WINDOW and recent.bit_count() >= policy.failure_rate * WINDOW
    if policy.off or not (openings or failures >= policy.consecutive_failures or often):
        return Circuit(failures, recent, counted)
    longer = policy.open_for * 2.0 ** min(openings, 30)
    return Circuit(failures, recent, counted, openings + 1, now + int(min(longer, policy.open_at_most) * _SECOND))


def restored(circuit: Circuit, policy: CircuitBreaker, now: int) -> Circuit:
    """A state as it was kept, under the policy of now and by another clock: it is open no longer than it could be."""
    if policy.off:
        return circuit._replace(openings=0, until=0)
    return circuit._replace(until=min(circuit.until, now + int(policy.open_at_most * _SECOND)))
