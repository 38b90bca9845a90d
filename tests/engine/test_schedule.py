"""When attempts are made: policies, wishes of the receiver, deadlines, pauses, scheduled events."""

import math
from email.utils import format_datetime
from itertools import accumulate, pairwise

import httpx
import pytest
from engine.virtual import OK, SLOW_HEART, Reply, Seen, World, at, now, virtual, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.model import (
    EXPONENTIAL,
    NO_RETRY,
    STANDARD,
    DeliveryState,
    ErrorClass,
    Exponential,
    HoldKind,
    Ordering,
    RetryPolicy,
    Steps,
    SubscriptionState,
)

HOUR = 3_600.0
DAY = 24 * HOUR
LATE = 0.01
"""Seconds by which an attempt may start after its time."""
FAILS = Reply(status=503)
FIVE = RetryPolicy(schedule=Steps(delays=(10.0,)), max_attempts=5, jitter=0.0)


def gaps(world: World) -> list[float]:
    return [later.at - sooner.at for sooner, later in pairwise(world.receiver.seen)]


@given(seed=st.integers(0, 1_000))
@settings(max_examples=3)
@virtual
async def test_the_standard_schedule_runs_through_its_75_hours_within_its_jitter(seed: int) -> None:
    async with world(lambda _: FAILS, config=SLOW_HEART, seed=seed) as w:
        await w.subscribe()
        await w.emit(1)
        await w.until_done(within=100 * HOUR, step=600.0)
        schedule = STANDARD.schedule
        assert isinstance(schedule, Steps)
        assert len(w.receiver.seen) == STANDARD.max_attempts == len(schedule.delays) + 1
        for delay, gap in zip(schedule.delays, gaps(w), strict=True):
            assert delay * 0.9 <= gap <= delay * 1.1 + LATE
        (delivery,) = await w.deliveries()
        assert delivery.state is DeliveryState.EXHAUSTED
        assert delivery.attempts == STANDARD.max_attempts
        assert "503" in delivery.reason
        attempts = await w.attempts()
        assert [attempt.number for attempt in attempts] == list(range(1, STANDARD.max_attempts + 1))
        assert [attempt.start_time for attempt in attempts] == [at(seen.at) for seen in w.receiver.seen]
        assert attempts[-1].next_attempt_time is None


@virtual
async def test_the_exponential_schedule_doubles_up_to_its_cap() -> None:
    async with world(lambda _: FAILS, config=SLOW_HEART) as w:
        await w.subscribe(retry=EXPONENTIAL)
        await w.emit(1)
        await w.until_done(within=100 * HOUR, step=600.0)
        for tries, gap in enumerate(gaps(w)):
            delay = min(2.0**tries, HOUR)
            assert delay * 0.9 <= gap <= delay * 1.1 + LATE
        assert len(w.receiver.seen) == EXPONENTIAL.max_attempts


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize(("wish", "gap"), [(3, 10.0), (300, 300.0), (10 * 86_400, DAY)])
def test_retry_after_is_a_lower_bound_and_bounded_by_a_day(form: str, wish: int, gap: float) -> None:
    def script(seen: Seen) -> Reply:
        value = str(wish) if form == "seconds" else format_datetime(at(math.floor(seen.at) + wish), usegmt=True)
        return Reply(status=429, headers={"Retry-After": value}) if seen.nth == 1 else OK

    @virtual
    async def run() -> None:
        async with world(script, config=SLOW_HEART) as w:
            await w.subscribe(retry=FIVE)
            await w.emit(1)
            await w.until_done(within=12 * DAY, step=600.0)
            assert gaps(w) == [pytest.approx(gap, abs=LATE)]

    run()


@virtual
async def test_an_exhausted_delivery_begins_a_second_run_by_hand_with_the_same_webhook_id() -> None:
    async with world(lambda seen: FAILS if seen.nth <= 7 else OK) as w:
        await w.subscribe(retry=FIVE)
        (event_id,) = await w.emit(1)
        await w.until_done(within=100.0)
        (delivery,) = await w.deliveries()
        assert delivery.state is DeliveryState.EXHAUSTED
        began = now()
        again = await w.client.deliveries.retry(delivery.id)
        assert (again.state, again.run) == (DeliveryState.PENDING, 2)
        await w.until_done(within=100.0)
        (delivery,) = await w.deliveries()
        assert (delivery.state, delivery.run, delivery.attempts) == (DeliveryState.DELIVERED, 2, 8)
        assert w.receiver.seen[5].at == pytest.approx(began, abs=LATE)
        assert {seen.webhook_id for seen in w.receiver.seen} == {event_id}
        assert [(one.run, one.number) for one in await w.attempts()] == [(1, n) for n in range(1, 6)] + [
            (2, n) for n in range(1, 4)
        ]


@virtual
async def test_a_waiting_delivery_is_tried_at_once_when_asked() -> None:
    async with world(lambda seen: FAILS if seen.nth == 1 else OK) as w:
        await w.subscribe()
        await w.emit(1)
        await w.until(lambda: bool(w.receiver.answered), within=1.0)
        (delivery,) = await w.deliveries()
        await w.client.deliveries.retry(delivery.id)
        await w.until_done(within=1.0)
        assert len(w.receiver.seen) == 2


@virtual
async def test_a_receiver_that_never_answers_is_given_up_after_the_one_deadline() -> None:
    async with world(lambda seen: Reply(after=math.inf) if seen.nth == 1 else OK) as w:
        await w.subscribe(timeout=7.0, retry=FIVE)
        await w.emit(1)
        await w.until_done(within=60.0)
        first, second = await w.attempts()
        assert (first.error, first.status, first.duration) == (ErrorClass.TIMEOUT, 0, pytest.approx(7.0))
        assert second.status == 200
        assert gaps(w) == [pytest.approx(17.0, abs=LATE)]


@virtual
async def test_a_connection_that_fails_is_tried_again() -> None:
    async with world(lambda seen: Reply(error=httpx.ConnectError) if seen.nth == 1 else OK) as w:
        await w.subscribe(retry=FIVE)
        await w.emit(1)
        await w.until_done(within=60.0)
        assert [attempt.error for attempt in await w.attempts()] == [ErrorClass.CONNECTION, None]


@virtual
async def test_a_410_disables_the_subscription_and_holds_what_is_pending_until_it_is_resumed() -> None:
    gone = True
    async with world(lambda _: Reply(status=410 if gone else 200)) as w:
        subscription = await w.subscribe(max_in_flight=1)
        await w.emit(20)
        await w.until(lambda: bool(w.receiver.answered), within=1.0)
        before = len(w.receiver.seen)
        await w.emit(5)
        await w.live(DAY / 24)
        assert len(w.receiver.seen) <= before + 1
        stands = await w.client.subscriptions.get(subscription.id)
        assert stands.state is SubscriptionState.DISABLED
        assert "410" in stands.state_reason
        deliveries = await w.deliveries()
        assert {one.state for one in deliveries} == {DeliveryState.PENDING}
        assert {one.hold.kind for one in deliveries if one.hold} == {HoldKind.DISABLED}
        assert len(deliveries) == 25
        gone = False
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.DELIVERED: 25}


@virtual
async def test_a_subscription_that_is_paused_for_a_day_keeps_what_comes_and_delivers_it_afterwards() -> None:
    async with world(lambda seen: FAILS if seen.nth == 1 else OK, config=SLOW_HEART) as w:
        subscription = await w.subscribe()
        await w.emit(10)
        await w.until(lambda: len(w.receiver.answered) == 10, within=1.0)
        await w.client.subscriptions.pause(subscription.id, reason="they are moving")
        await w.emit(10)
        await w.live(DAY)
        assert len(w.receiver.seen) == 10
        held = [one.hold for one in await w.deliveries()]
        assert {hold.kind for hold in held if hold} == {HoldKind.PAUSED}
        assert len(held) == 20
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.DELIVERED: 20}
        assert len(w.receiver.seen) == 40


@pytest.mark.parametrize(("counted", "attempts"), [(True, 2), (False, 5)])
def test_paused_time_counts_against_the_policy_only_if_it_says_so(counted: bool, attempts: int) -> None:
    """A retry each 10 s until 25 s are over, and a pause from second 1 to 3,601: of that, all or nothing counts."""
    policy = RetryPolicy(schedule=Steps(delays=(10.0,)), max_attempts=100, max_elapsed=25.0, jitter=0.0, count_paused=counted)

    @virtual
    async def run() -> None:
        async with world(lambda _: FAILS) as w:
            subscription = await w.subscribe(retry=policy)
            await w.emit(1)
            await w.live(1.0)
            await w.client.subscriptions.pause(subscription.id)
            await w.live(HOUR)
            await w.client.subscriptions.resume(subscription.id)
            await w.until_done(within=HOUR)
            assert len(w.receiver.seen) == attempts

    run()


@given(delays=st.lists(st.floats(0.0, 2 * DAY), min_size=1, max_size=10), ordering=st.sampled_from(Ordering))
@settings(max_examples=10)
@virtual
async def test_no_event_is_delivered_before_its_time_and_each_soon_after(delays: list[float], ordering: Ordering) -> None:
    async with world(config=SLOW_HEART) as w:
        await w.subscribe(ordering=ordering)
        times: dict[str, float] = {}
        for delay in delays:
            (event_id,) = await w.emit(1, not_before_time=at(delay))
            times[event_id] = delay
        waiting = [one for one in await w.deliveries() if one.hold]
        assert {one.hold.kind for one in waiting if one.hold} <= {HoldKind.SCHEDULED}
        await w.until_done(within=3 * DAY, step=HOUR)
        assert len(w.receiver.seen) == len(delays)
        for seen in w.receiver.seen:
            assert times[seen.webhook_id] - 1e-5 <= seen.at <= times[seen.webhook_id] + LATE


@virtual
async def test_a_run_begins_when_a_scheduled_event_is_due() -> None:
    policy = RetryPolicy(schedule=Steps(delays=(10.0,)), max_attempts=3, max_elapsed=60.0, jitter=0.0)
    async with world(lambda _: FAILS) as w:
        await w.subscribe(retry=policy)
        await w.emit(1, not_before_time=at(HOUR))
        await w.until_done(within=2 * HOUR, step=10.0)
        assert [seen.at for seen in w.receiver.seen] == [pytest.approx(HOUR + wait, abs=3 * LATE) for wait in (0.0, 10.0, 20.0)]


@given(
    policy=st.builds(
        RetryPolicy,
        schedule=st.one_of(
            st.builds(Steps, delays=st.lists(st.floats(0.1, DAY), min_size=1, max_size=5).map(tuple)),
            st.builds(Exponential, initial=st.floats(0.1, 100.0), factor=st.floats(1.0, 5.0), cap=st.floats(100.0, DAY)),
        ),
        max_attempts=st.integers(1, 12),
        jitter=st.floats(0.0, 0.5),
    )
)
@settings(max_examples=10)
@virtual
async def test_every_attempt_starts_at_the_time_that_the_one_before_announced(policy: RetryPolicy) -> None:
    async with world(lambda _: FAILS, config=SLOW_HEART) as w:
        await w.subscribe(retry=policy)
        await w.emit(1)
        await w.until_done(within=30 * DAY, step=HOUR)
        attempts = await w.attempts()
        assert len(attempts) == policy.max_attempts == len(w.receiver.seen)
        for before, after in pairwise(attempts):
            assert before.next_attempt_time is not None
            assert 0.0 <= (after.start_time - before.next_attempt_time).total_seconds() <= LATE


@virtual
async def test_without_retries_one_attempt_decides() -> None:
    async with world(lambda _: FAILS) as w:
        await w.subscribe(retry=NO_RETRY)
        await w.emit(3)
        await w.until_done(within=1.0)
        assert await w.states() == {DeliveryState.EXHAUSTED: 3}
        assert len(w.receiver.seen) == 3


def test_the_standard_schedule_is_about_75_hours_long() -> None:
    schedule = STANDARD.schedule
    assert isinstance(schedule, Steps)
    assert [*accumulate(schedule.delays)][-1] / HOUR == pytest.approx(75.6, abs=0.1)
