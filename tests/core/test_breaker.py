"""The laws of the circuit breaker."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hookline.breaker import CLOSED, WINDOW, Circuit, failed, restored, succeeded
from hookline.model import CircuitBreaker

SECOND = 1_000_000
NOON = 1_800_000_000 * SECOND
POLICY = CircuitBreaker(consecutive_failures=5, failure_rate=0.5, open_for=2.0, open_at_most=16.0)
OUTCOMES = st.lists(st.booleans(), max_size=300)


def run(outcomes: list[bool], policy: CircuitBreaker = POLICY, circuit: Circuit = CLOSED) -> Circuit:
    """The state after attempts that all began before anything opened."""
    for well in outcomes:
        circuit = succeeded(circuit) if well else failed(circuit, policy, NOON, probe=False)
    return circuit


@given(st.integers(1, 50))
def test_it_opens_at_the_failure_that_makes_the_row_full_and_not_before(count: int) -> None:
    policy = replace(POLICY, consecutive_failures=count)
    assert not run([False] * (count - 1), policy).openings
    opened = run([False] * count, policy)
    assert (opened.openings, opened.until) == (1, NOON + 2 * SECOND)


@given(OUTCOMES)
def test_a_success_closes_it_whatever_was_before(outcomes: list[bool]) -> None:
    after = succeeded(run(outcomes))
    assert (after.openings, after.failures, after.until) == (0, 0, 0)


@given(OUTCOMES)
def test_it_never_opens_when_it_is_off(outcomes: list[bool]) -> None:
    assert not run(outcomes, replace(POLICY, off=True)).openings


@given(OUTCOMES)
def test_a_row_is_counted_from_the_last_success(outcomes: list[bool]) -> None:
    after = run(outcomes, replace(POLICY, off=True))
    row = next((index for index, well in enumerate(reversed(outcomes)) if well), len(outcomes))
    assert after.failures == row


def test_it_opens_by_rate_only_over_a_whole_window() -> None:
    policy = replace(POLICY, consecutive_failures=10_000)
    often = [False, False, True]
    circuit = run(often * 33, policy)
    assert (circuit.counted, circuit.openings) == (99, 0)
    assert failed(circuit, policy, NOON, probe=False).openings == 1
    rarely = run([False, True, True] * WINDOW, policy)
    assert not rarely.openings


def test_one_failure_after_long_success_says_little() -> None:
    policy = replace(POLICY, consecutive_failures=10_000)
    assert not run([True] * WINDOW + [False] * 49, policy).openings


@given(st.integers(1, 20))
def test_each_probe_that_fails_doubles_the_time_up_to_its_limit(probes: int) -> None:
    circuit = run([False] * 5)
    for _ in range(probes):
        circuit = failed(circuit, POLICY, NOON, probe=True)
    assert circuit.until - NOON == min(2 * 2**probes, 16) * SECOND
    assert circuit.openings == probes + 1


@given(OUTCOMES)
def test_an_attempt_that_began_before_it_opened_neither_lengthens_nor_counts_as_a_probe(outcomes: list[bool]) -> None:
    opened = run([False] * 5)
    after = opened
    for _ in outcomes:
        after = failed(after, POLICY, NOON + 90 * SECOND, probe=False)
    assert (after.openings, after.until) == (opened.openings, opened.until)


@given(OUTCOMES, st.integers(-(10**13), 10**13))
def test_a_state_that_is_restored_is_open_no_longer_than_it_could_be(outcomes: list[bool], shift: int) -> None:
    now = NOON + shift
    after = restored(run(outcomes), POLICY, now)
    assert after.until <= now + 16 * SECOND
    assert not restored(run(outcomes), replace(POLICY, off=True), now).openings
