"""Rate, breaker and width of a lane, in virtual time: over restarts, over handovers, over clocks that are set back."""

import asyncio
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from engine.virtual import EPOCH, LOOPBACK, OK, Reply, Seen, World, at, now, standing, virtual, world
from hypothesis import given
from hypothesis import strategies as st

from hookline.clock import moment
from hookline.engine.pace import NOTHING, Outcome, Pace
from hookline.model import (
    CircuitBreaker,
    DeliveryState,
    ErrorClass,
    HoldKind,
    Pause,
    RateLimit,
    RetryPolicy,
    Steps,
    SubscriptionSpec,
    SubscriptionState,
)

SECOND = 1_000_000
KEPT = st.dictionaries(st.sampled_from(["circuit", "rest", "since", "debt", "told"]), st.integers() | st.text()).map(json.dumps)
NOON = 1_800_000_000 * SECOND
OFTEN = RetryPolicy(schedule=Steps(delays=(1.0,) * 50), max_attempts=51, jitter=0.0)
BREAKER = CircuitBreaker(consecutive_failures=5, open_for=10.0, open_at_most=40.0)


def fails(_: Seen) -> Reply:
    return Reply(status=500)


def times(w: World) -> list[float]:
    return [seen.at for seen in w.receiver.seen]


def most_in_a_second(starts: Sequence[float]) -> int:
    return max(sum(first <= start < first + 1.0 for start in starts) for first in starts)


@virtual
async def test_no_second_has_more_requests_than_rate_and_burst_and_none_is_lost() -> None:
    async with world() as w:
        await w.subscribe(rate=RateLimit(requests_per_second=5, burst=3))
        await w.emit(100)
        await w.until_done(within=60.0)
        assert most_in_a_second(times(w)) <= 8
        assert (100 - 3) / 5 - 1 <= times(w)[-1] - times(w)[0] <= (100 - 3) / 5 + 1


@virtual
async def test_the_rate_holds_over_a_handover() -> None:
    async with world() as w:
        await w.subscribe(rate=RateLimit(requests_per_second=5, burst=5))
        await w.emit(60)
        await w.live(2.0)
        b = await w.node("b")
        await w.nodes["a"].client.close()
        await w.until(lambda: len(w.receiver.seen) == 60, within=60.0)
        assert {seen.node for seen in w.receiver.seen} == {"a", "b"}
        assert most_in_a_second(times(w)) <= 10
        assert times(w)[-1] - times(w)[0] >= (60 - 5) / 5 - 1
        await b.client.close()


@virtual
async def test_a_clock_that_is_set_back_for_hours_does_not_stop_a_lane_with_a_rate() -> None:
    async with world() as w:
        await w.subscribe(rate=RateLimit(requests_per_second=2, burst=1))
        await w.emit(10)
        await w.live(1.0)
        clock = w.nodes["a"].clock
        clock.time = lambda: EPOCH + clock.monotonic() - 6 * 3_600.0  # type: ignore[method-assign]
        await w.until(lambda: len(w.receiver.seen) == 10, within=15.0)


@virtual
async def test_a_clock_that_is_set_back_for_hours_holds_an_open_breaker_no_longer_than_its_limit() -> None:
    async with world(lambda seen: Reply(status=500) if seen.at < 3 else OK) as w:
        await w.subscribe(breaker=BREAKER, retry=replace(OFTEN, schedule=Steps(delays=(0.1,))))
        await w.emit(10)
        await w.live(1.0)
        clock = w.nodes["a"].clock
        clock.time = lambda: EPOCH + clock.monotonic() - 6 * 3_600.0  # type: ignore[method-assign]
        before = len(w.receiver.seen)
        await w.until(lambda: len(w.receiver.seen) > before, within=60.0)


@virtual
async def test_a_breaker_lets_one_probe_through_at_a_time_and_waits_twice_as_long_after_each_that_fails() -> None:
    async with world(fails) as w:
        await w.subscribe(breaker=BREAKER, retry=OFTEN, max_in_flight=1)
        await w.emit(20)
        await w.live(140.0)
        starts = times(w)
        probes = starts[5:]
        gaps = [round(later - earlier) for earlier, later in zip(starts[4:], probes, strict=False)]
        assert gaps[:4] == [10, 20, 40, 40]
        assert starts[4] < 1.0


@virtual
async def test_what_was_under_way_when_it_opened_ends_and_then_only_probes_start() -> None:
    async with world(lambda _: Reply(status=500, after=2.0)) as w:
        await w.subscribe(breaker=BREAKER, retry=OFTEN, max_in_flight=30)
        await w.emit(200)
        await w.live(2.5)
        assert 30 <= len(w.receiver.seen) <= 30 + BREAKER.consecutive_failures
        await w.live(3.0)
        w.receiver.most.clear()
        await w.live(100.0)
        assert w.receiver.most[""] == 1


@virtual
async def test_a_probe_that_succeeds_closes_it_and_everything_goes_on() -> None:
    async with world(lambda seen: Reply(status=500) if seen.at < 15 else OK) as w:
        await w.subscribe(breaker=BREAKER, retry=OFTEN)
        await w.emit(200)
        await w.until_done(within=100.0)
        assert await w.states() == {DeliveryState.DELIVERED: 200}


@virtual
async def test_a_success_that_closes_it_lets_everything_go_on_at_once_though_it_was_under_way_before() -> None:
    requests = itertools.count()

    def script(_: Seen) -> Reply:
        number = next(requests)
        return Reply(after=5.0) if number == 0 else Reply(status=500) if number <= 5 else OK

    async with world(script) as w:
        await w.subscribe(breaker=replace(BREAKER, open_for=100.0, open_at_most=100.0), retry=OFTEN, max_in_flight=30)
        await w.emit(6)
        await w.live(2.0)
        await w.emit(6)
        await w.live(2.0)
        assert len(w.receiver.seen) == 6
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.DELIVERED: 12}


@virtual
async def test_an_open_breaker_survives_a_restart() -> None:
    async with world(fails) as w:
        await w.subscribe(breaker=BREAKER, retry=OFTEN, max_in_flight=1)
        await w.emit(20)
        await w.live(3.0)
        await w.nodes["a"].client.close()
        b = await w.node("b")
        assert len(w.receiver.seen) == 5
        await w.live(25.0)
        starts = times(w)[4:]
        assert [round(later - earlier) for earlier, later in itertools.pairwise(starts)] == [10]
        await b.client.close()


@virtual
async def test_an_open_breaker_moves_to_the_node_that_takes_over_from_one_that_died() -> None:
    async with world(fails) as w:
        await w.subscribe(breaker=replace(BREAKER, open_for=40.0), retry=OFTEN, max_in_flight=1)
        await w.emit(20)
        b = await w.node("b", deliver=True)
        await w.live(3.0)
        opened = len(w.receiver.seen)
        holder = next(iter({seen.node for seen in w.receiver.seen}))
        await w.nodes[holder].kill()
        await w.live(30.0)
        assert len(w.receiver.seen) == opened, "the new owner knows that it is open"
        await w.live(30.0)
        assert len(w.receiver.seen) == opened + 1
        del b


@virtual
async def test_a_change_while_a_probe_is_under_way_leaves_no_lane_stuck() -> None:
    async with world(lambda seen: Reply(status=500, after=3.0) if seen.at < 25 else OK) as w:
        subscription = await w.subscribe(breaker=BREAKER, retry=OFTEN)
        await w.emit(30)
        await w.live(14.5)  # the first probe is on the wire
        for off in (True, False, True, False):
            spec = SubscriptionSpec(url=subscription.url, breaker=replace(BREAKER, off=off))
            await w.client.subscriptions.update(subscription.id, spec, fields=["breaker"])
        await w.client.subscriptions.pause(subscription.id)
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=300.0)


@virtual
async def test_a_resumed_subscription_begins_with_a_closed_breaker() -> None:
    async with world(fails) as w:
        subscription = await w.subscribe(breaker=replace(BREAKER, open_for=3_600.0, open_at_most=7_200.0), retry=OFTEN)
        await w.emit(20)
        await w.live(5.0)
        w.receiver.script = lambda _: OK
        await w.client.subscriptions.pause(subscription.id)
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=10.0)


@virtual
async def test_a_new_url_begins_with_a_closed_breaker() -> None:
    async with world(lambda seen: OK if seen.path == "/new" else Reply(status=500)) as w:
        subscription = await w.subscribe("/old", breaker=replace(BREAKER, open_for=3_600.0, open_at_most=7_200.0), retry=OFTEN)
        await w.emit(20)
        await w.live(5.0)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=LOOPBACK + "/new"), fields=["url"])
        await w.until_done(within=10.0)


@virtual
async def test_retry_after_keeps_the_whole_lane_and_not_only_its_delivery() -> None:
    async with world(lambda seen: Reply(status=429, headers={"retry-after": "30"}) if seen.at < 1 else OK) as w:
        await w.subscribe(retry=OFTEN, max_in_flight=1)
        await w.emit(5)
        await w.live(25.0)
        assert len(w.receiver.seen) == 1
        (held, *_) = [one for one in await w.deliveries() if one.hold is not None and one.hold.kind is HoldKind.RATE]
        assert held.hold is not None
        assert "Retry-After" in held.hold.reason
        await w.until_done(within=60.0)


@virtual
async def test_a_stopped_process_does_not_spin_while_its_lanes_rest() -> None:
    async with world(fails) as w:
        await w.subscribe(breaker=BREAKER, retry=OFTEN)
        await w.emit(20)
        await w.live(3.0)
        w.nodes["a"].clock.stopped_at = now()
        loop = asyncio.get_running_loop()
        looks = 0
        plain = loop.call_later

        def counted(*args: Any, **kwargs: Any) -> asyncio.TimerHandle:
            nonlocal looks
            looks += 1
            return plain(*args, **kwargs)

        loop.call_later = counted  # type: ignore[method-assign]
        await w.live(60.0)
        assert looks < 60 * 100


@virtual
async def test_a_clock_that_is_set_forward_for_days_disables_nothing() -> None:
    async with world(fails) as w:
        subscription = await w.subscribe(disable_after=5 * 86_400.0, retry=OFTEN)
        await w.emit(5)
        await w.live(20.0)
        clock = w.nodes["a"].clock
        clock.time = lambda: EPOCH + clock.monotonic() + 6 * 86_400.0  # type: ignore[method-assign]
        await w.live(20.0)
        assert (await w.client.subscriptions.get(subscription.id)).state is SubscriptionState.ACTIVE


@virtual
async def test_failures_of_a_url_that_was_left_while_nobody_held_the_lane_do_not_count() -> None:
    async with world(lambda seen: OK if seen.path == "/new" and seen.nth > 1 else Reply(status=500)) as w:
        subscription = await w.subscribe("/old", retry=replace(OFTEN, schedule=Steps(delays=(4.0,))), disable_after=100.0)
        other = await w.node("other", deliver=False)
        await w.emit(5)
        await w.live(90.0)
        await w.nodes["a"].kill()
        await other.client.subscriptions.update(subscription.id, SubscriptionSpec(url=LOOPBACK + "/new"), fields=["url"])
        await w.live(15.0)
        await w.node("heir")
        await w.live(20.0)
        stands = await other.client.subscriptions.get(subscription.id)
        assert stands.state is SubscriptionState.ACTIVE
        assert len(w.receiver.at("/new")) == 10


@virtual
async def test_what_is_scheduled_or_filtered_uses_up_nothing_of_the_rate() -> None:
    async with world() as w:
        await w.subscribe(rate=RateLimit(requests_per_second=1, burst=1), filter='event.type != "thing.unwanted"')
        await w.emit(300, not_before_time=at(86_400.0))
        await w.emit(300, type="thing.unwanted")
        (event_id,) = await w.emit(1)
        await w.until(lambda: [seen.webhook_id for seen in w.receiver.seen] == [event_id], within=2.0)


def settlement(pos: int, at: int, error: ErrorClass | None, url: str = LOOPBACK, seconds: float = 0.1) -> Any:
    attempt = SimpleNamespace(error=error, url=url, duration=seconds)
    return SimpleNamespace(attempt=attempt, work=SimpleNamespace(pos=pos), at=at, reason="as said")


def test_a_receiver_is_proven_by_three_attempts_in_a_row_that_are_over_at_once_until_one_is_not_or_it_moves() -> None:
    pace = Pace(standing(), "", 0, 0.0)

    def finish(*seconds: float, url: str = LOOPBACK) -> bool:
        for each in seconds:
            pace.finished(settlement(1, 0, None, url, each), Outcome(), 0, 0.0)
        return pace.proven

    assert not finish(0.1, 0.9)
    assert finish(0.1)
    assert not finish(1.0)
    assert not finish(0.1, 0.1)
    assert finish(0.1)
    pace.configure(replace(standing(), url=LOOPBACK + "/moved"), 0)
    assert not pace.proven
    assert not finish(0.1, 0.1, 0.1)  # they left for the former URL
    assert finish(0.1, 0.1, 0.1, url=LOOPBACK + "/moved")


def test_the_width_halves_once_for_all_that_were_under_way_and_grows_again() -> None:
    pace = Pace(standing(max_in_flight=64, breaker=CircuitBreaker(off=True)), "", NOON, 0.0)
    assert pace.limit == 64
    for left in range(63, -1, -1):  # one flight of 64, all told to slow down
        pace.finished(settlement(left, NOON, ErrorClass.STATUS), Outcome(slow=True), left, 0.0)
    assert pace.limit == 32
    pace.finished(settlement(1, NOON, ErrorClass.STATUS), Outcome(slow=True), 31, 0.0)
    assert pace.limit == 16
    for _ in range(4 * 48):
        pace.finished(settlement(1, NOON, None), Outcome(), 3, 0.0)
    assert pace.limit == 64
    assert pace.finished(settlement(1, NOON, None), Outcome(), 3, 0.0) == NOTHING


@given(st.lists(st.tuples(st.sampled_from([None, *ErrorClass]), st.booleans()), max_size=200), st.integers(1, 100))
def test_the_width_is_never_less_than_one_nor_more_than_the_subscription_says(
    outcomes: list[tuple[ErrorClass | None, bool]], full: int
) -> None:
    pace = Pace(standing(max_in_flight=full), "", NOON, 0.0)
    for number, (error, slow) in enumerate(outcomes):
        pace.finished(settlement(number, NOON, error), Outcome(slow=slow and error is not None), full, 0.0)
        assert 1 <= pace.limit <= full


def test_a_lane_that_was_not_slowed_takes_a_higher_limit_at_once() -> None:
    pace = Pace(standing(max_in_flight=4), "", NOON, 0.0)
    pace.configure(standing(max_in_flight=50), NOON)
    assert pace.limit == 50
    pace.configure(standing(max_in_flight=3), NOON)
    assert pace.limit == 3


def test_an_outcome_of_the_former_url_says_nothing_of_the_new_one() -> None:
    pace = Pace(standing(breaker=CircuitBreaker(consecutive_failures=1)), "", NOON, 0.0)
    pace.configure(replace(standing(breaker=CircuitBreaker(consecutive_failures=1)), url="https://new.example"), NOON)
    pace.finished(settlement(1, NOON, ErrorClass.STATUS), Outcome(), 0, 0.0)
    assert pace.wait(NOON) == 0


def failing(count: int, url: str = LOOPBACK) -> Pace:
    pace = Pace(replace(standing(), url=url), "", NOON, 0.0)
    for number in range(count):
        pace.finished(settlement(number, NOON, ErrorClass.STATUS, url), Outcome(), 0, 0.0)
    return pace


def test_what_is_kept_tells_urls_apart_and_gives_none_away() -> None:
    kept = failing(30, "https://old.example/?token=hidden").text()
    assert "old.example" not in kept
    assert "hidden" not in kept
    old = Pace(replace(standing(), url="https://old.example/?token=hidden"), kept, NOON, 0.0)
    new = Pace(replace(standing(), url="https://old.example/?token=other"), kept, NOON, 0.0)
    assert old.wait(NOON) > NOON
    assert (new.wait(NOON), new.failures, new.failing_since) == (0, 0, 0)


def test_what_was_kept_without_a_url_counts() -> None:
    kept = json.loads(failing(30).text())
    del kept["url"]
    assert Pace(standing(), json.dumps(kept), NOON, 0.0).wait(NOON) > NOON


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-1_000_000, 1_000_000)), min_size=1, max_size=50))
def test_the_span_of_failures_is_as_long_as_the_time_that_passed_wherever_the_clock_is_set(steps: list[tuple[int, int]]) -> None:
    pace = Pace(standing(disable_after=0.0), "", NOON, 0.0)
    passed, jumps = 0, 0
    for seconds, jump in [(0, 0), *steps]:
        passed, jumps = passed + seconds, jumps + jump
        wall = NOON + (passed + jumps) * SECOND
        pace.finished(settlement(1, wall, ErrorClass.STATUS), Outcome(), 0, float(passed))
    assert abs((NOON + (passed + jumps) * SECOND - pace.failing_since) - passed * SECOND) <= SECOND * (
        1 + sum(j == 1 for _, j in steps)
    )


def test_what_failed_before_a_resume_that_nobody_saw_does_not_count() -> None:
    kept = failing(30).text()
    assert Pace(standing(), kept, NOON, 0.0).wait(NOON) > NOON
    pauses = (Pause(start=moment(NOON + SECOND), end=moment(NOON + 2 * SECOND)),)
    resumed = Pace(replace(standing(), pauses=pauses), kept, NOON + 3 * SECOND, 0.0)
    assert (resumed.wait(NOON + 3 * SECOND), resumed.failing_since) == (0, 0)


@given(st.text(max_size=60) | KEPT)
def test_a_state_that_cannot_be_read_counts_as_none(text: str) -> None:
    pace = Pace(standing(), text, NOON, 0.0)
    assert pace.limit >= 1
    until = pace.wait(NOON)
    assert until == 0 or NOON < until < NOON + 3_600 * SECOND
    assert not math.isnan(pace.limit)
