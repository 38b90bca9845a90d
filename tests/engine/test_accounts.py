"""Every accepted event is delivered: once where receivers are well, and however often it takes where they are not."""

import asyncio
from collections import Counter, defaultdict

import pytest
from engine.virtual import LOOPBACK, OK, Reply, Seen, at, now, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import FailedPrecondition, HooklineError
from hookline.model import DeliveryState, EventSpec, Ordering, RetryPolicy, Steps, SubscriptionSpec
from hookline.routing import matches

QUICK = RetryPolicy(schedule=Steps(delays=(1.0, 5.0)), max_attempts=5, jitter=0.1)
TYPES = ("a.x", "a.y", "b.x", "b.x.z")
PATTERNS = ("*", "a.*", "b.*", "b.x.*", "a.x", "b.x")


@given(
    patterns=st.lists(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True), min_size=1, max_size=5),
    batches=st.lists(st.lists(st.sampled_from(TYPES), min_size=1, max_size=40), min_size=1, max_size=6),
    orderings=st.lists(st.sampled_from(Ordering), min_size=5, max_size=5),
    slow=st.sampled_from((0.0, 0.003, 0.2)),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
@virtual
async def test_every_accepted_event_is_attempted_exactly_once_by_each_of_its_subscriptions_when_receivers_are_well(
    patterns: list[list[str]], batches: list[list[str]], orderings: list[Ordering], slow: float, seed: int
) -> None:
    async with world(seed=seed) as w:
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        for number, wanted in enumerate(patterns):
            await w.subscribe(f"/{number}", event_types=tuple(wanted), ordering=orderings[number])
        emitted: dict[str, str] = {}
        for batch in batches:
            specs = [EventSpec(type=name, data=b"{}", ordering_key=name) for name in batch]
            for spec, outcome in zip(specs, await w.client.emit_many(specs), strict=True):
                assert not isinstance(outcome, HooklineError)
                emitted[outcome.event_id] = spec.type
        await w.until_done(within=600.0)
        for number, wanted in enumerate(patterns):
            expected = {name for name, kind in emitted.items() if any(matches(pattern, kind) for pattern in wanted)}
            assert webhook_ids(w.receiver.at(f"/{number}")) == Counter(expected)


@given(
    fails=st.dictionaries(st.integers(0, 30), st.lists(st.sampled_from((0, 301, 404, 429, 500, 503)), max_size=6)),
    ordering=st.sampled_from(Ordering),
    keys=st.lists(st.sampled_from(("", "k", "l")), min_size=1, max_size=31),
    slow=st.sampled_from((0.0, 0.01)),
)
@settings(max_examples=30)
@virtual
async def test_after_any_script_of_failures_everything_ends_delivered_or_exhausted(
    fails: dict[int, list[int]], ordering: Ordering, keys: list[str], slow: float
) -> None:
    names: dict[str, int] = {}

    def script(seen: Seen) -> Reply:
        plan = fails.get(names.setdefault(seen.webhook_id, len(names)), [])
        return Reply(status=plan[seen.nth - 1] or 599) if seen.nth <= len(plan) else OK

    async with world(script) as w:
        w.nodes["a"].store.after = w.random_delay(slow)
        await w.subscribe(retry=QUICK, ordering=ordering)
        for key in keys:
            await w.emit(1, ordering_key=key)
        await w.until_done(within=3_600.0, step=1.0)
        for delivery in await w.deliveries():
            tries = len(fails.get(names[delivery.webhook_id], [])) + 1
            ended = DeliveryState.DELIVERED if tries <= QUICK.max_attempts else DeliveryState.EXHAUSTED
            assert (delivery.state, delivery.attempts) == (ended, min(tries, QUICK.max_attempts))


@virtual
async def test_an_attempt_shows_what_was_sent_and_what_came_back() -> None:
    async with world(lambda _: Reply(status=404, after=0.25)) as w:
        subscription = await w.subscribe(retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=1))
        (event_id,) = await w.emit(1)
        await w.until_done(within=10.0)
        (attempt,) = await w.attempts()
        assert (attempt.event_id, attempt.subscription_id, attempt.url) == (event_id, subscription.id, LOOPBACK + "/")
        assert (attempt.status, attempt.start_time) == (404, at(w.receiver.seen[0].at))
        assert abs(attempt.duration - 0.25) < 1e-3
        assert not attempt.superseded


@given(when=st.floats(0.0, 3.0), slow=st.sampled_from((0.0, 0.02)), ordering=st.sampled_from(Ordering), which=st.integers(0, 9))
@settings(max_examples=25)
@virtual
async def test_after_a_cancel_is_answered_no_attempt_of_it_starts(when: float, slow: float, ordering: Ordering, which: int) -> None:
    async with world(lambda _: Reply(status=500, after=0.1)) as w:
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        await w.subscribe(retry=QUICK, max_in_flight=2, ordering=ordering)
        await w.emit(10, ordering_key="k")
        await w.live(when)
        victim = (await w.deliveries())[which]
        try:
            answer = await w.client.deliveries.cancel(victim.id, reason="no longer true")
        except FailedPrecondition:
            return  # it had ended
        answered = now()
        assert (answer.state, answer.reason) == (DeliveryState.CANCELLED, "no longer true")
        await w.until_done(within=600.0, step=1.0)
        assert [seen.at for seen in w.receiver.seen if seen.webhook_id == victim.webhook_id and seen.at > answered] == []
        states = await w.states()
        assert states == {DeliveryState.CANCELLED: 1, DeliveryState.EXHAUSTED: 9}


@virtual
async def test_cancelling_a_delivered_one_is_refused() -> None:
    async with world() as w:
        await w.subscribe()
        await w.emit(1)
        await w.until_done(within=1.0)
        (delivery,) = await w.deliveries()
        with pytest.raises(FailedPrecondition, match="delivered already"):
            await w.client.deliveries.cancel(delivery.id)


@pytest.mark.parametrize("ordering", Ordering)
@pytest.mark.parametrize("read", ["before the cancel", "while it is under way"])
def test_a_cancel_reaches_what_is_just_being_read_even_if_no_wake_is_heard(ordering: Ordering, read: str) -> None:
    @virtual
    async def run() -> None:
        async with world() as w:
            subscription = await w.subscribe(ordering=ordering)
            await w.client.subscriptions.pause(subscription.id)
            await w.emit(3, ordering_key="k")
            victim = (await w.deliveries())[1]
            store = w.nodes["a"].store
            store.deaf = True
            store.slow = {"claim": (0.0, 1.0), "cancel": (0.5, 0.0)}
            if read == "before the cancel":
                await w.client.subscriptions.resume(subscription.id)
                await w.live(0.1)
                await w.client.deliveries.cancel(victim.id)
            else:
                cancelling = asyncio.create_task(w.client.deliveries.cancel(victim.id))
                await w.live(0.1)
                await w.client.subscriptions.resume(subscription.id)
                await cancelling
            assert w.receiver.seen == []
            await w.until_done(within=10.0)
            assert len(w.receiver.seen) == 2
            assert victim.webhook_id not in webhook_ids(w.receiver.seen)

    run()


@virtual
async def test_events_that_nobody_wants_are_kept_and_sent_nowhere() -> None:
    async with world() as w:
        await w.subscribe(event_types=("a.*",))
        await w.emit(10, type="b.x")
        await w.live(5.0)
        assert w.receiver.seen == []
        assert len((await w.client.events.list()).items) == 10


@virtual
async def test_a_changed_url_holds_from_the_next_attempt_on() -> None:
    async with world(lambda seen: Reply(status=500 if seen.path == "/old" else 200)) as w:
        subscription = await w.subscribe("/old", retry=QUICK)
        await w.emit(50)
        await w.until(lambda: len(w.receiver.answered) == 50, within=1.0)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=LOOPBACK + "/new"), fields=["url"])
        await w.until_done(within=60.0)
        assert len(w.receiver.at("/old")) == 50
        assert set(webhook_ids(w.receiver.at("/new")).values()) == {1}


@given(
    when=st.lists(st.floats(0.0, 4.0), min_size=1, max_size=4).map(sorted),
    slow=st.sampled_from((0.0, 0.01)),
    seed=st.integers(0, 99),
)
@settings(max_examples=20)
@virtual
async def test_events_emitted_while_subscriptions_come_and_pause_reach_each_that_stood_when_they_were_accepted(
    when: list[float], slow: float, seed: int
) -> None:
    async with world(seed=seed) as w:
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        expected: defaultdict[str, set[str]] = defaultdict(set)
        stand: list[str] = []
        for number, pause in enumerate(when):
            subscription = await w.subscribe(f"/{number}")
            stand.append(f"/{number}")
            for _ in range(3):
                for event_id in await w.emit(2):
                    for path in stand:
                        expected[path].add(event_id)
                await w.live(pause / 3)
            await w.client.subscriptions.pause(subscription.id)
            for event_id in await w.emit(2):
                for path in stand:
                    expected[path].add(event_id)
            await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=60.0)
        for path in stand:
            assert webhook_ids(w.receiver.at(path)) == Counter(expected[path])
