"""Shaped deliveries: who gets what, what fails visibly, and that nobody is held up by somebody else's expression."""

import asyncio
import json
from contextlib import suppress

import httpx
import pytest
from engine.virtual import CONFIG, virtual, world

from hookline.body.cel_values import ShapingError
from hookline.clock import SystemClock
from hookline.embedded import EmbeddedClient
from hookline.engine.evaluators import Evaluators
from hookline.errors import FailedPrecondition
from hookline.model import (
    BodyFormat,
    Delivery,
    DeliveryState,
    ErrorClass,
    Event,
    EventSpec,
    RetryPolicy,
    Steps,
    SubscriptionSpec,
)
from hookline.store import MemoryStore
from hookline.store.protocol import Result, Settlement

ONCE = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=1)


@virtual
async def test_events_that_a_filter_refuses_make_no_delivery() -> None:
    async with world() as w:
        await w.subscribe("/large", filter="event.data.amount > 100")
        await w.subscribe("/all")
        for amount in (50, 150, 100, 101):
            await w.client.emit_event(EventSpec(type="invoice.paid", data=b'{"amount":%d}' % amount))
        await w.until_done(within=10.0)
        amounts = [json.loads(seen.body)["data"]["amount"] for seen in w.receiver.at("/large")]
        assert sorted(amounts) == [101, 150]
        assert len(w.receiver.at("/all")) == 4
        assert await w.states() == {DeliveryState.DELIVERED: 6}


@virtual
async def test_a_filter_without_a_value_fails_its_delivery_and_says_why() -> None:
    async with world() as w:
        await w.subscribe("/", filter="event.data.amount > 100", retry=ONCE)
        await w.client.emit_event(EventSpec(type="a", data=b"{}"))
        await w.client.emit_event(EventSpec(type="a", data=b"text", data_content_type="text/plain"))
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.EXHAUSTED: 2}
        attempts = await w.attempts()
        assert {attempt.error for attempt in attempts} == {ErrorClass.BODY}
        assert "amount" in attempts[0].detail
        assert "text/plain" in attempts[1].detail
        assert w.receiver.seen == []


@virtual
async def test_a_pending_delivery_that_a_new_filter_refuses_is_cancelled_with_the_reason() -> None:
    async with world() as w:
        subscription = await w.subscribe("/")
        await w.client.subscriptions.pause(subscription.id)
        await w.emit(1, type="old.kind")
        spec = SubscriptionSpec(url=subscription.url, filter="event.type == 'new.kind'")
        await w.client.subscriptions.update(subscription.id, spec, fields=("filter",))
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=10.0)
        (delivery,) = await w.deliveries()
        assert delivery.state is DeliveryState.CANCELLED
        assert "filter" in delivery.reason
        assert delivery.attempts == 0
        assert w.receiver.seen == []


@virtual
async def test_a_replay_and_a_large_fan_out_heed_filters() -> None:
    async with world() as w:
        for path in range(CONFIG.fanout_limit + 2):
            await w.subscribe(f"/{path}", filter="event.data > 1" if path % 2 else "event.data <= 1")
        await w.emit(3)
        await w.until_done(within=60.0)
        assert len(w.receiver.seen) == 3 * (CONFIG.fanout_limit // 2 + 1)
        odd = next(one for one in (await w.client.subscriptions.list(page_size=2)).items if one.filter == "event.data > 1")
        before = len(w.receiver.seen)
        await w.client.events.replay(odd.id)
        await w.until(lambda: len(w.receiver.seen) > before, within=60.0)
        await w.until_done(within=60.0)
        assert [json.loads(seen.body)["data"] for seen in w.receiver.seen[before:]] == [2]


@pytest.mark.parametrize("body_format", [BodyFormat.STANDARD, BodyFormat.RAW, BodyFormat.CLOUDEVENTS_STRUCTURED])
def test_what_leaves_the_house_is_what_is_allowed_and_what_was_made(body_format: BodyFormat) -> None:
    @virtual
    async def run() -> None:
        async with world() as w:
            await w.subscribe("/fields", fields=("customer.id", "net"), body_format=body_format)
            await w.subscribe(
                "/made", transform="{'sum': event.data.net + 1.0, 'who': event.data.customer.id}", body_format=body_format
            )
            data = b'{"net": 1.10, "customer": {"id": 12345678901234567890123, "name": "secret"}, "card": "4111"}'
            await w.client.emit_event(EventSpec(type="a", data=data))
            await w.client.emit_event(EventSpec(type="a", data=data.replace(b"12345678901234567890123", b"7")))

            async def all_tried() -> bool:
                return len(await w.attempts()) >= 4

            await w.until(all_tried, within=10.0)
            fields = w.receiver.at("/fields")
            assert b'{"net":1.10,"customer":{"id":12345678901234567890123}}' in fields[0].body
            assert all(b"secret" not in seen.body and b"4111" not in seen.body for seen in w.receiver.seen)
            (made,) = w.receiver.at("/made")
            assert b'{"sum":2.1,"who":7}' in made.body
            refused = [attempt for attempt in await w.attempts() if attempt.error is not None]
            assert {attempt.error for attempt in refused} == {ErrorClass.BODY}
            assert "12345678901234567890123" in refused[0].detail

    run()


@virtual
async def test_a_test_shows_what_would_be_sent_and_sends_nothing() -> None:
    async with world() as w:
        subscription = await w.subscribe("/", filter="event.data.a == 1", fields=("a",))
        event = EventSpec(type="a", data=b'{"a": 1, "b": 2}')
        shown = await w.client.subscriptions.test(subscription.id, event, dry_run=True)
        assert json.loads(shown.body)["data"] == {"a": 1}
        assert dict(shown.headers)["webhook-signature"].startswith("v1,")
        with pytest.raises(FailedPrecondition, match="filter"):
            await w.client.subscriptions.test(subscription.id, EventSpec(type="a", data=b'{"a": 2}'), dry_run=True)
        assert w.receiver.seen == []


@virtual
async def test_filters_beyond_what_one_event_may_take_are_asked_when_it_is_sent() -> None:
    async with world() as w:
        for path in range(40):  # each by its upper bound a 25th of what one event may take
            await w.subscribe(f"/{path}", filter="event.data.s.matches('[a-z]*!')")
        await w.subscribe("/all", filter="event.data.s.matches('[a-z]*')")
        await w.client.emit_event(EventSpec(type="a", data=b'{"s": "%s"}' % (b"a" * 1_900)))
        await w.until_done(within=10.0)
        assert [seen.path for seen in w.receiver.seen] == ["/all"]
        states = await w.states()
        assert states[DeliveryState.DELIVERED] == 1
        assert 0 < states[DeliveryState.CANCELLED] < 40


# What follows runs in real processes, and so in real time.

HOSTILE = {
    "a list that is copied for each of its elements": "event.data.n.map(i, i + 1).map(i, i + 1).size() == 0",
    "strings that double": "[event.data.s]" + ".map(x, x + x)" * 12 + ".size() == 0",
    "one string many times": "event.data.n.map(i, event.data.s + event.data.s).size() == 0",
    "a pattern that is large": "event.data.s.matches('((a{0,90}){0,90}){0,90}b')",
    "a pattern of every letter there is": "event.data.s.matches('" + r"\\w*" * 33 + "!')",
    "a pattern whose automaton is large": "event.data.s.matches('(a|b)*a" + "(a|b)" * 25 + "c')",
    "many patterns": " || ".join([r"event.data.s.matches('\\pL*!')"] * 40),
    "a list within itself": "event.data.n.all(i, event.data.n == event.data.n)",
}


def of(data: bytes) -> Event:
    from core.test_shaping import event

    return event(data)


HEAVY = b'{"s": "%s", "n": [%s]}' % (b"a" * 50_000, b"1," * 49_999 + b"1")


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
async def test_whatever_an_expression_does_it_ends_and_the_next_one_is_evaluated(source: str) -> None:
    evaluators = Evaluators(processes=1, deadline=1.0)
    try:
        with suppress(ShapingError):
            await evaluators.perform(("t", "s"), "filter", (source,), of(HEAVY), patience=60.0)
        evaluators._deadline = 60.0  # this one only has to succeed
        assert (await evaluators.perform(("t", "s"), "filter", ("event.data == 1",), of(b"1"), patience=60.0)).admitted
        assert evaluators.started <= 2
    finally:
        await evaluators.close()


async def test_an_expression_that_does_not_end_is_stopped_and_says_so() -> None:
    evaluators = Evaluators(processes=1, deadline=0.5)
    try:
        with pytest.raises(ShapingError, match=r"longer than 0\.5 s"):
            await evaluators.perform(("t", "s"), "filter", ("event.data.n.map(i, i).size() > 0",), of(HEAVY), patience=60.0)
    finally:
        await evaluators.close()


async def test_while_one_subscription_waits_for_its_own_the_others_are_evaluated() -> None:
    evaluators = Evaluators(processes=2, deadline=600.0)
    slow = [
        asyncio.create_task(
            evaluators.perform(("t", "slow"), "filter", ("event.data.n.map(i, i).size() > 0",), of(HEAVY), patience=60.0)
        )
        for _ in range(3)
    ]
    try:
        for number in range(20):
            asked = evaluators.perform(("u", "quick"), "transform", ("event.data + 1",), of(b"%d" % number), patience=60.0)
            assert (await asked).data == b"%d" % (number + 1)
        assert not any(task.done() for task in slow)
        assert evaluators.started <= 2
    finally:
        await evaluators.close()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_who_waits_too_long_for_its_turn_fails_visibly() -> None:
    evaluators = Evaluators(processes=2, deadline=20.0)
    perform = evaluators.perform
    slow = asyncio.create_task(perform(("t", "s"), "filter", ("event.data.n.map(i, i).size() > 0",), of(HEAVY), patience=60.0))
    try:
        await asyncio.sleep(0)
        with pytest.raises(ShapingError, match=r"not evaluated within 0\.1 s"):
            await perform(("t", "s"), "filter", ("event.data == 1",), of(b"1"), patience=0.1)
    finally:
        await evaluators.close()
        await asyncio.gather(slow, return_exceptions=True)


class Counting(httpx.AsyncBaseTransport):
    """A receiver that takes everything."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._more = asyncio.Condition()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._more:
            self.paths.append(request.url.path)
            self._more.notify_all()
        return httpx.Response(200)

    async def had(self, count: int) -> None:
        async with self._more:
            await self._more.wait_for(lambda: len(self.paths) >= count)


async def test_deliveries_of_others_go_on_while_a_hostile_expression_runs_and_until_it_is_stopped() -> None:
    receiver = Counting()
    exhausted: asyncio.Future[Settlement] = asyncio.get_running_loop().create_future()

    def observe(settlement: Settlement) -> None:
        if settlement.result is Result.EXHAUSTED:
            exhausted.set_result(settlement)

    client = EmbeddedClient(
        lambda: MemoryStore(SystemClock()), config=CONFIG, deliver=True, tenant="acme", transport=receiver, observer=observe
    )
    await client.start()
    try:
        engine = await client.engine()
        evaluators = engine.sender.preparation.evaluators = Evaluators(processes=2, deadline=600.0)
        await evaluators.perform(("acme", "first"), "filter", ("event.data == 1",), of(b"1"), patience=60.0)  # one has started
        hostile = await client.subscriptions.create(
            SubscriptionSpec(url="http://127.0.0.1:1/hostile", filter="event.data.n.map(i, i).size() > 0", retry=ONCE)
        )
        await client.subscriptions.create(
            SubscriptionSpec(url="http://127.0.0.1:1/quiet", filter="event.type != 'heavy'", event_types=("light",))
        )
        await client.emit_event(EventSpec(type="heavy", data=HEAVY))
        for number in range(50):
            await client.emit_event(EventSpec(type="light", data=b'{"n": [%d]}' % number))

        async def heavy() -> Delivery:
            found = (await client.deliveries.list(subscription_id=hostile.id, page_size=1_000)).items
            return next(one for one in found if one.event_type == "heavy")

        async with asyncio.timeout(100):
            await receiver.had(100)
            assert receiver.paths.count("/hostile") == receiver.paths.count("/quiet") == 50
            assert (await heavy()).state is DeliveryState.PENDING
            await evaluators.close()
            ended = await exhausted
        assert ended.work.event.type == "heavy"
        assert "ended the process" in ended.reason
    finally:
        await client.close()
