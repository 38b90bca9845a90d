"""Reading events: one form for every platform, the bytes untouched, a key that does not change when an event comes again."""

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from receiver.hostile import BODIES, HEADERS, JSON_VALUES, PLATFORMS, TIME
from receiver.sending import FORM, JSON, STANDARD, URL, Sender, sender, text

from hookline.body import cloudevents, raw
from hookline.body import standard as standard_body
from hookline.model import Event
from hookline.receiver import InvalidSignature, MalformedEvent, ReceivedEvent
from hookline.signing import SignableRequest


def parsed(platform: Sender, request: SignableRequest, **options: Any) -> tuple[ReceivedEvent, ...]:
    return platform.verifier(**options).parse(request.headers, request.body, url=request.url)


def test_stripe() -> None:
    body = b'{"id":"evt_1","object":"event","type":"invoice.paid","created":1795514400,"data":{"object": {"amount":1.10}}}'
    stripe = sender("stripe")
    (event,) = parsed(stripe, stripe.signed(body))
    assert (event.id, event.key, event.type, event.platform, event.time) == ("evt_1", "evt_1", "invoice.paid", "stripe", TIME)
    assert event.data == b'{"amount":1.10}', "byte for byte"


def test_stripe_thin_events_carry_what_they_are_about() -> None:
    stripe = sender("stripe")
    body = {"id": "evt_2", "type": "v1.billing.meter.error", "created": "2026-11-24T10:00:00Z", "related_object": {"id": "mtr_1"}}
    (event,) = parsed(stripe, stripe.signed(text(body)))
    assert (event.json(), event.time) == ({"id": "mtr_1"}, TIME)


def test_github_has_the_event_and_its_action_as_the_type() -> None:
    github = sender("github")
    body = text({"action": "opened", "issue": {"number": 1}, "repository": {"html_url": "https://github.com/a/b"}})
    (event,) = parsed(github, github.signed(body, id="72d3162e", type="issues"))
    assert (event.id, event.type, event.source) == ("72d3162e", "issues.opened", "https://github.com/a/b")
    (push,) = parsed(github, github.signed(b"{}", id="72d3162f", type="push"))
    assert push.type == "push"


def test_slack_events_commands_and_interactions() -> None:
    slack = sender("slack")
    body = {
        "type": "event_callback",
        "event_id": "Ev1",
        "event_time": 1795514400,
        "team_id": "T1",
        "event": {"type": "app_mention"},
    }
    (event,) = parsed(slack, slack.signed(text(body)))
    assert (event.id, event.type, event.source, event.time) == ("Ev1", "app_mention", "T1", TIME)
    assert event.json() == {"type": "app_mention"}
    (command,) = parsed(
        slack, slack.signed(urlencode({"command": "/deploy", "text": "now", "team_id": "T1"}).encode(), headers=FORM)
    )
    assert (command.type, command.source, command.json()["text"]) == ("slash_command", "T1", "now")
    pressed = urlencode({"payload": json.dumps({"type": "block_actions"})}).encode()
    (action,) = parsed(slack, slack.signed(pressed, headers=FORM))
    assert (action.type, action.json()) == ("block_actions", {"type": "block_actions"})


def test_shopify_has_the_topic_with_full_stops_as_the_type() -> None:
    shopify = sender("shopify")
    headers = (*JSON, ("X-Shopify-Shop-Domain", "a.myshopify.com"), ("X-Shopify-Triggered-At", "2026-11-24T10:00:00.000000000Z"))
    (event,) = parsed(shopify, shopify.signed(b'{"id":1}', id="b54557e4", type="orders/create", headers=headers))
    assert (event.id, event.type, event.source) == ("b54557e4", "orders.create", "a.myshopify.com")


def test_twilio_forms_become_json() -> None:
    twilio = sender("twilio")
    body = urlencode({"MessageSid": "SM1", "MessageStatus": "delivered", "AccountSid": "AC1", "To": "+4912"}).encode()
    (event,) = parsed(twilio, twilio.signed(body, headers=FORM, id="token-1"))
    assert (event.id, event.key, event.type, event.source) == ("SM1", "token-1", "message.delivered", "AC1")
    assert event.json()["To"] == "+4912"


def test_hubspot_sends_several_events_whose_keys_outlive_its_attempts() -> None:
    hubspot = sender("hubspot")

    def batch(attempt: int) -> SignableRequest:
        common = {"portalId": 62515, "subscriptionId": 12, "occurredAt": 1795514400000, "attemptNumber": attempt, "objectId": 5}
        made = [{**common, "eventId": 1, "subscriptionType": "contact.creation"}]
        made.append({**common, "eventId": 1, "objectId": 6, "subscriptionType": "contact.deletion"})
        return hubspot.signed(text(made))

    first, again = parsed(hubspot, batch(0)), parsed(hubspot, batch(1))
    assert [event.type for event in first] == ["contact.creation", "contact.deletion"]
    assert [event.key for event in first] == [event.key for event in again]
    assert len({event.key for event in first}) == 2
    assert (first[0].source, first[0].subject, first[0].time) == ("62515", "5", TIME)


def test_segment_has_who_did_it_as_the_subject() -> None:
    segment = sender("segment")
    body = {
        "messageId": "m-1",
        "type": "track",
        "event": "Order Completed",
        "userId": "u-7",
        "timestamp": "2026-11-24T10:00:00.000Z",
    }
    (event,) = parsed(segment, segment.signed(text(body)))
    assert (event.id, event.type, event.subject, event.time) == ("m-1", "track", "u-7", TIME)


def test_zendesk_events_and_what_triggers_send() -> None:
    zendesk = sender("zendesk")
    body = {"id": "e-1", "type": "zen:event-type:ticket.created", "time": "2026-11-24T10:00:00Z", "subject": "zen:ticket:5"}
    (event,) = parsed(zendesk, zendesk.signed(text(body)))
    assert (event.id, event.type, event.subject, event.time) == ("e-1", "ticket.created", "zen:ticket:5", TIME)
    (triggered,) = parsed(zendesk, zendesk.signed(b'{"ticket":5}', id="invocation-1"))
    assert (triggered.id, triggered.type) == ("invocation-1", "")


def test_svix_names_are_read_like_the_standard_ones() -> None:
    svix = sender("svix")
    (event,) = parsed(svix, svix.signed(b'{"type":"a.b","data":{}}', id="msg_9"))
    assert (event.id, event.type) == ("msg_9", "a.b")


TYPES = st.from_regex(r"[a-z0-9_-]{1,10}(\.[a-z0-9_-]{1,10}){0,3}", fullmatch=True)
EVENTS = st.builds(
    Event,
    tenant=st.just("t"),
    id=st.from_regex(r"evt_[0-9a-z]{26}", fullmatch=True),
    type=TYPES,
    source=st.sampled_from(["", "/shop", "https://example.com/a?b=c"]),
    subject=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    time=st.timedeltas(timedelta(0), timedelta(days=40_000)).map(lambda since: TIME + since),
    data=JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    data_content_type=st.just("application/json"),
    data_schema=st.just(""),
    labels=st.just({}),
    idempotency_key=st.just(""),
    ordering_key=st.just(""),
    not_before_time=st.none(),
    traceparent=st.just(""),
    accept_time=st.just(TIME),
)


@given(EVENTS, st.sampled_from([standard_body, cloudevents.structured, cloudevents.binary]))
def test_what_hookline_sends_comes_in_as_it_was(event: Event, form: Any) -> None:
    body = form(event)
    request = STANDARD.signed(body.content, id=event.id, headers=(("content-type", body.content_type), *body.headers))
    (found,) = parsed(STANDARD, request)
    assert (found.id, found.key, found.type, found.data) == (event.id, event.id, event.type, event.data)
    assert found.time == event.time
    if form is not standard_body:
        assert (found.source, found.subject) == (event.source or "/hookline", event.subject)


def test_data_that_is_no_json_comes_in_as_it_was() -> None:
    headers = (("content-type", "application/cloudevents+json"),)
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "image/png"}
    (event,) = parsed(
        STANDARD, STANDARD.signed(text({**body, "data_base64": b64encode(b"\x89PNG").decode()}), id="m", headers=headers)
    )
    assert (event.data, event.data_content_type) == (b"\x89PNG", "image/png")
    with pytest.raises(MalformedEvent):
        event.json()
    (plain,) = parsed(
        STANDARD, STANDARD.signed(text({**body, "datacontenttype": "text/plain", "data": "hello"}), id="m", headers=headers)
    )
    assert plain.data == b"hello"


def test_a_batch_of_cloudevents_is_several_events() -> None:
    body = [{"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", "data": n} for n in range(3)]
    headers = (("content-type", "application/cloudevents-batch+json"),)
    events = parsed(STANDARD, STANDARD.signed(text(body), id="m", headers=headers))
    assert [event.json() for event in events] == [0, 1, 2]
    assert len({event.key for event in events}) == 3


def test_a_raw_body_is_read_on_request() -> None:
    event = Event(
        **dict.fromkeys(("tenant", "source", "subject", "data_schema", "idempotency_key", "ordering_key", "traceparent"), ""),
        id="evt_1",
        type="a",
        time=TIME,
        data=b"a,b\n1,2",
        data_content_type="text/csv",
        labels={},
        not_before_time=None,
        accept_time=TIME,
    )
    body = raw(event)
    request = STANDARD.signed(body.content, id=event.id, headers=(("content-type", body.content_type),))
    (found,) = parsed(STANDARD, request, envelope="raw")
    assert (found.key, found.type, found.data, found.data_content_type) == ("evt_1", "", b"a,b\n1,2", "text/csv")


class Invoice(pydantic.BaseModel):
    amount: int


def test_data_becomes_a_model_or_says_which_field_is_wrong() -> None:
    (event,) = parsed(STANDARD, STANDARD.signed(b'{"type":"a","data":{"amount":7}}', id="m"))
    assert event.validated(Invoice) == Invoice(amount=7)
    assert event.validated(dict[str, int]) == {"amount": 7}
    (wrong,) = parsed(STANDARD, STANDARD.signed(b'{"type":"a","data":{"amount":"many"}}', id="m"))
    with pytest.raises(MalformedEvent, match="amount"):
        wrong.validated(Invoice)


@given(
    st.sampled_from(PLATFORMS),
    BODIES,
    HEADERS,
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
)
def test_whatever_is_signed_is_read_or_refused_by_an_error_of_ours(
    platform: Sender, body: bytes, headers: list[tuple[str, str]], id: str
) -> None:
    from hookline.errors import HooklineError

    try:
        request = platform.signed(body, headers=tuple(headers), id=id, type="push")
    except HooklineError:
        return  # such a thing is not even sent
    try:
        events = parsed(platform, request)
    except (MalformedEvent, InvalidSignature):
        return
    again = parsed(platform, request)
    assert [event.key for event in events] == [event.key for event in again]
    for event in events:
        assert event.key
        assert len(event.key) <= 256
        assert "\0" not in event.key + event.id + event.type + event.source + event.subject
        (event.key + event.id + event.type + event.source + event.subject).encode("utf-8")


@given(BODIES, HEADERS)
def test_what_nobody_signed_is_refused_and_never_read(body: bytes, headers: list[tuple[str, str]]) -> None:
    for platform in PLATFORMS:
        with pytest.raises(InvalidSignature):
            platform.verifier().parse(headers, body, url=URL)
