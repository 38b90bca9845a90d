"""Each profile on the wire: a receiver that only fails, the whole schedule in virtual time, every request judged."""

import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import httpx
import pytest
import stripe
import time_machine
from engine.virtual import EPOCH, OK, Reply, virtual
from interop import foreign

import hookline
from hookline.model import DeliveryState, ErrorClass, SubscriptionState

from .receiving import DATA, GIVEN, Got, accepted, scene

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LATE = 0.05
"""Seconds by which an attempt may start after its time."""
FAILS = Reply(status=500)
REFUSES = Reply(error=httpx.ConnectError)
DOUBLING = [min(10.0 * 2**n, HOUR) for n in range(12)]

# What the platforms' documents say, or what was chosen where they say nothing: the distances between attempts,
# by how much each may vary, the timeout, and by when it is all over.
SCHEDULES: dict[str, tuple[list[float], float, float, float]] = {
    "standard": (
        [5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
        0.1,
        15.0,
        4 * DAY,
    ),
    "stripe": (
        [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 18 * HOUR, 20 * HOUR],
        0.03,
        30.0,
        3 * DAY,
    ),
    "hubspot": ([MINUTE, 2 * MINUTE], 0.2, 5.0, HOUR),
    "segment": ([MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 9 * HOUR], 0.05, 10.0, DAY),
    "saber": ([5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR], 0.1, 15.0, 4 * DAY),
    "github": ([], 0.0, 10.0, MINUTE),
    "slack": ([0.0, MINUTE, 5 * MINUTE], 0.0, 3.0, 10 * MINUTE),
    "shopify": ([53.0 * 2**n for n in range(8)], 0.05, 5.0, 4 * HOUR),
    "twilio": ([0.0], 0.0, 15.0, MINUTE),
    "salesforce": (DOUBLING, 0.1, 30.0, 6 * HOUR),
    "zapier": (DOUBLING, 0.1, 30.0, 6 * HOUR),
    "make": (DOUBLING, 0.1, 45.0, 6 * HOUR),
    "n8n": (DOUBLING, 0.1, 30.0, 6 * HOUR),
}
ENVELOPES: dict[str, Callable[[Got], object]] = {
    "stripe": lambda got: json.loads(got.request.body)["data"]["object"],
    "slack": lambda got: json.loads(got.request.body)["event"],
    "hubspot": lambda got: json.loads(got.request.body)[0]["data"],
    **dict.fromkeys(("segment", "github", "shopify", "twilio", "salesforce"), lambda got: json.loads(got.request.body)),
    **dict.fromkeys(("standard", "saber", "zapier", "make", "n8n"), lambda got: json.loads(got.request.body)["data"]),
}


@pytest.fixture(scope="module", autouse=True)
def judges() -> Iterator[None]:
    yield
    foreign.stop()


def test_every_profile_has_a_schedule_to_be_held_to() -> None:
    assert set(SCHEDULES) == set(ENVELOPES) == set(hookline.PROFILE_NAMES)


@pytest.mark.parametrize("name", hookline.PROFILE_NAMES)
def test_a_receiver_that_only_fails_gets_every_attempt_at_its_time_with_a_signature_that_the_platform_takes(name: str) -> None:
    delays, jitter, _, end = SCHEDULES[name]

    @virtual
    async def run() -> None:
        async with scene(name, lambda _: REFUSES if name == "twilio" else FAILS) as s:
            delivery, attempts = await s.deliver(end)
            got = s.keeper.got
            assert delivery.state is DeliveryState.EXHAUSTED
            assert len(got) == len(attempts) == len(delays) + 1
            for delay, (before, after) in zip(delays, pairwise(got), strict=True):
                assert delay * (1 - jitter) <= after.at - before.at <= delay * (1 + jitter) + LATE
            assert [accepted(name, one, s.secret) for one in got] == [True] * len(got)
            assert [ENVELOPES[name](one) for one in got] == [json.loads(DATA)] * len(got)
            assert DATA in got[0].request.body

    run()


@pytest.mark.parametrize("name", hookline.PROFILE_NAMES)
def test_a_receiver_that_never_answers_is_given_up_after_the_profiles_timeout(name: str) -> None:
    _, _, timeout, end = SCHEDULES[name]

    @virtual
    async def run() -> None:
        async with scene(name, lambda number: Reply(after=math.inf) if number == 1 else OK) as s:
            _, attempts = await s.deliver(end)
            assert attempts[0].error is ErrorClass.TIMEOUT
            assert attempts[0].duration == pytest.approx(timeout)

    run()


@virtual
async def test_slack_is_told_which_retry_it_is_and_why() -> None:
    replies = [Reply(after=math.inf), FAILS, REFUSES, Reply(status=302)]
    async with scene("slack", lambda number: replies[number - 1]) as s:
        await s.deliver(HOUR)
        told = [(got.headers.get("x-slack-retry-num"), got.headers.get("x-slack-retry-reason")) for got in s.keeper.got]
        assert told == [(None, None), ("1", "http_timeout"), ("2", "http_error"), ("3", "connection_failed")]


@virtual
async def test_slack_takes_no_retry_from_a_receiver_that_asks_for_none() -> None:
    async with scene("slack", lambda _: Reply(status=500, headers={"x-slack-no-retry": "1"})) as s:
        delivery, attempts = await s.deliver(HOUR)
        assert (delivery.state, len(attempts)) == (DeliveryState.EXHAUSTED, 1)
        assert "asks not to be tried again" in delivery.reason


@virtual
async def test_github_delivers_again_by_hand() -> None:
    async with scene("github", lambda number: FAILS if number == 1 else OK) as s:
        delivery, _ = await s.deliver(MINUTE)
        await s.world.client.deliveries.retry(delivery.id)
        await s.world.until_done(within=MINUTE)
        first, second = s.keeper.got
        assert first.headers["x-github-delivery"] == second.headers["x-github-delivery"] == delivery.event_id
        assert first.headers["x-github-event"] == "invoice.paid"
        assert accepted("github", second, s.secret)


@virtual
async def test_twilio_ends_with_any_answer_and_signs_forms() -> None:
    form = {"data": b"From=%2B15551234&Body=a+b", "data_content_type": "application/x-www-form-urlencoded"}
    async with scene("twilio", lambda _: FAILS) as s:
        delivery, attempts = await s.deliver(MINUTE, **form)
        assert (delivery.state, len(attempts)) == (DeliveryState.EXHAUSTED, 1)
        assert "final" in delivery.reason
        (got,) = s.keeper.got
        assert accepted("twilio", got, s.secret)


@virtual
async def test_stripes_library_makes_an_event_of_the_body() -> None:
    async with scene("stripe", lambda _: OK) as s:
        delivery, _ = await s.deliver(MINUTE)
        (got,) = s.keeper.got
        with time_machine.travel(EPOCH + got.at, tick=False):
            event = stripe.Webhook.construct_event(got.request.body, got.headers["stripe-signature"], s.secret)
        assert (event.id, event.type, event.created) == (delivery.event_id, "invoice.paid", int(EPOCH + got.at))
        assert event.data.object["cents"] == 1250


@virtual
async def test_hubspot_counts_its_attempts_in_the_body() -> None:
    async with scene("hubspot", lambda _: FAILS) as s:
        await s.deliver(HOUR)
        assert [json.loads(got.request.body)[0]["attemptNumber"] for got in s.keeper.got] == [0, 1, 2]


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (408, 2), (429, 2), (500, 2), (501, 1), (505, 1)])
def test_segment_drops_what_its_documents_call_permanent(status: int, attempts: int) -> None:
    @virtual
    async def run() -> None:
        async with scene("segment", lambda number: Reply(status=status) if number == 1 else OK) as s:
            _, made = await s.deliver(HOUR)
            assert len(made) == attempts

    run()


@virtual
async def test_zapier_has_taken_an_event_with_200_and_nothing_else() -> None:
    async with scene("zapier", lambda number: Reply(status=202) if number == 1 else OK) as s:
        delivery, attempts = await s.deliver(HOUR)
        assert (delivery.state, [one.status for one in attempts]) == (DeliveryState.DELIVERED, [202, 200])
        assert "no success by the subscription's rules" in attempts[0].detail


@virtual
async def test_a_hook_that_is_gone_disables_its_subscription() -> None:
    async with scene("zapier", lambda _: Reply(status=410)) as s:
        await s.world.client.emit("invoice.paid", {"cents": 1})
        await s.world.live(MINUTE)
        assert (await s.world.client.subscriptions.get(s.subscription.id)).state is SubscriptionState.DISABLED


@virtual
async def test_a_body_that_n8n_finds_too_large_is_not_sent_again() -> None:
    async with scene("n8n", lambda _: Reply(status=413)) as s:
        delivery, attempts = await s.deliver(HOUR)
        assert (delivery.state, len(attempts)) == (DeliveryState.EXHAUSTED, 1)


@virtual
async def test_sabers_key_is_never_shown() -> None:
    async with scene("saber", lambda _: OK) as s:
        assert GIVEN["saber"]["signature_parameters"]["api_key"] not in repr(s.subscription)
        assert "api_key" not in s.subscription.signature_parameters


@virtual
async def test_a_retry_goes_out_with_no_known_reason_while_the_store_does_not_tell() -> None:
    async with scene("slack", lambda number: FAILS if number < 3 else OK) as s:
        s.world.nodes["a"].store.refuses = lambda verb: verb == "attempts"
        await s.world.client.emit("message", {"text": "hi"})
        await s.world.until(lambda: len(s.keeper.got) == 3, within=HOUR, step=1.0)
        assert [got.headers.get("x-slack-retry-reason") for got in s.keeper.got] == [None, "unknown_error", "unknown_error"]


@virtual
async def test_a_retry_by_hand_begins_anew_without_the_headers_of_a_retry() -> None:
    async with scene("slack", lambda _: FAILS) as s:
        delivery, _ = await s.deliver(HOUR)
        await s.world.client.deliveries.retry(delivery.id)
        await s.world.until_done(within=HOUR, step=1.0)
        numbers = [got.headers.get("x-slack-retry-num") for got in s.keeper.got]
        assert numbers == [None, "1", "2", "3"] * 2
