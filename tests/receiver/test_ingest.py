"""Forwarding: what a platform says once is one event of hookline's, whoever says it how often."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver.hostile import TIME
from receiver.sending import FORM, JSON, client_of, post, sender, text

import hookline
from hookline.body import json_problem
from hookline.model import EventSpec
from hookline.receiver import ReceivedEvent, Receiver, WebhookApp, forward_to, normalised
from hookline.validation.event import check_event


@pytest.fixture
async def client() -> AsyncIterator[hookline.Client]:
    async with hookline.open("memory:") as opened:
        yield opened


async def listed(client: hookline.Client) -> list[Any]:
    return list((await client.events.list(page_size=100)).items)


async def test_three_platforms_become_one_stream(client: hookline.Client) -> None:
    stripe, github, segment = sender("stripe"), sender("github"), sender("segment")
    receivers = {f"/{each.name}": Receiver(each.verifier(), deadline=60) for each in (stripe, github, segment)}
    for receiver in receivers.values():
        receiver.default(forward_to(client))
    sent = {
        "/stripe": stripe.signed(
            text({"id": "evt_1", "type": "invoice.paid", "created": 1795514400, "data": {"object": {"n": 1}}})
        ),
        "/github": github.signed(text({"action": "opened", "repository": {"html_url": "https://g/a b"}}), id="g-1", type="issues"),
        "/segment": segment.signed(text({"messageId": "m-1", "type": "track", "event": "Order Completed", "userId": "u"})),
    }
    async with client_of(WebhookApp(receivers)) as browser:
        for path, request in sent.items():
            for _ in range(2):
                answer = await browser.post(path, headers=list(request.headers), content=request.body)
                assert answer.status_code == 200
    found = {event.type: event for event in await listed(client)}
    assert {type: (event.source, event.idempotency_key, event.subject) for type, event in found.items()} == {
        "stripe.invoice.paid": ("/stripe", "stripe/evt_1", ""),
        "github.issues.opened": ("/github/https://g/a%20b", "github/g-1", ""),
        "segment.track": ("/segment", "segment/m-1", "u"),
    }
    assert (found["stripe.invoice.paid"].data, found["stripe.invoice.paid"].time) == (b'{"n":1}', TIME)


async def test_receivers_without_a_memory_of_their_own_forward_an_event_once_all_the_same(client: hookline.Client) -> None:
    hubspot = sender("hubspot")

    def attempt(number: int) -> Any:
        return hubspot.signed(text([{"eventId": 7, "subscriptionType": "contact.creation", "attemptNumber": number}]))

    async def process(number: int) -> int:
        receiver = Receiver(hubspot.verifier(), deadline=60)
        receiver.default(forward_to(client))
        async with client_of(WebhookApp(receiver)) as browser:
            return int((await post(browser, attempt(number))).status_code)

    assert await asyncio.gather(*(process(number) for number in range(8))) == [200] * 8
    assert len(await listed(client)) == 1


async def test_what_hookline_cannot_take_is_malformed(client: hookline.Client) -> None:
    twilio = sender("twilio")
    receiver = Receiver(twilio.verifier(), deadline=60)
    receiver.default(forward_to(client, normalise=lambda event: EventSpec(type="no type", data=event.data)))
    async with client_of(WebhookApp(receiver)) as browser:
        assert (await post(browser, twilio.signed(b"MessageSid=SM1", headers=FORM))).status_code == 400
    assert await listed(client) == []


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=256)
RECEIVED = st.builds(
    ReceivedEvent,
    id=NAMES,
    key=NAMES.filter(bool),
    type=NAMES,
    platform=st.sampled_from(["stripe", "http-message", "custom", "standard"]),
    source=NAMES,
    subject=NAMES,
    time=st.none() | st.just(TIME),
    data=st.just(b"{}"),
    headers=st.just(JSON),
)


@given(RECEIVED)
def test_whatever_was_received_is_normalised_into_what_hookline_takes(event: ReceivedEvent) -> None:
    spec = normalised(event)
    check_event(spec, now=TIME)
    assert json_problem(spec.data) is None
    assert normalised(event) == spec
    assert spec.type.startswith(event.platform)
