"""How the platforms write their events, one function each; what they sign is told in docs/receiving.md."""

import json
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from hookline.receiver.envelopes.reading import (
    FORM,
    NULL,
    decoded,
    digest,
    header,
    key_of,
    media_type,
    name,
    optional,
    text,
    time_of,
    type_name,
)
from hookline.receiver.envelopes.standard import generic, no_signed_id
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.event import ReceivedEvent
from hookline.signing import SignableRequest
from hookline.signing.github import DELIVERY, EVENT
from hookline.signing.shopify import TOPIC, WEBHOOK_ID
from hookline.signing.twilio import IDEMPOTENCY
from hookline.signing.zendesk import INVOCATION

_MOST_FIELDS: Final = 1000
_MOST_EVENTS: Final = 1000
_ZENDESK_TYPE: Final = "zen:event-type:"
_CHALLENGE: Final = "url_verification"


class _StripeData(msgspec.Struct):
    object: msgspec.Raw = msgspec.Raw(NULL)


class _Stripe(msgspec.Struct):
    id: str
    type: str
    created: Any = None
    account: str | None = None
    data: _StripeData | None = None
    related_object: msgspec.Raw = msgspec.Raw(NULL)


def stripe(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://docs.stripe.com/api/events/object. The data is `data.object`; of a thin event, `related_object`."""
    found = decoded(request.body, _Stripe)
    return (
        ReceivedEvent(
            id=name(found.id, "id"),
            key=key_of(found.id),
            type=name(found.type, "type"),
            platform="stripe",
            source=optional(found.account or "", "account"),
            time=time_of(found.created),
            data=bytes(found.related_object if found.data is None else found.data.object),
            headers=request.headers,
            body=request.body,
        ),
    )


class _Repository(msgspec.Struct):
    html_url: Any = None


class _GitHub(msgspec.Struct):
    action: Any = None
    repository: _Repository | None = None


def github(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads. The type is the event and its action: `issues.opened`."""
    found = decoded(request.body, _GitHub)
    delivery = name(header(request, DELIVERY), DELIVERY)
    return (
        ReceivedEvent(
            id=delivery,
            key=key_of(delivery),
            type=type_name(name(header(request, EVENT), EVENT), text(found.action)),
            platform="github",
            source=optional("" if found.repository is None else text(found.repository.html_url), "repository"),
            data=request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


class _SlackInner(msgspec.Struct):
    type: str


class _Slack(msgspec.Struct):
    type: str
    event_id: str = ""
    event_time: Any = None
    team_id: str | None = None
    event: msgspec.Raw = msgspec.Raw()


def slack(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://docs.slack.dev/apis/events-api: the inner event; commands and interactions come as forms and have no id."""
    if media_type(request) == FORM:
        return _slack_form(request)
    found = decoded(request.body, _Slack)
    inner = bytes(found.event)
    return (
        ReceivedEvent(
            id=optional(found.event_id, "event_id") or digest(request.body),
            key=key_of(found.event_id) if found.event_id else digest(request.body),
            type=name(decoded(inner, _SlackInner).type if inner else found.type, "type"),
            platform="slack",
            source=optional(found.team_id or "", "team_id"),
            time=time_of(found.event_time),
            data=inner or request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


def _slack_form(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    fields = _form(request.body)
    data, kind = _form_json(fields), "slash_command" if "command" in fields else "form"
    if "payload" in fields:
        data = fields["payload"][0].encode("utf-8")
        kind = decoded(data, _SlackInner).type
    return (
        ReceivedEvent(
            id=digest(request.body),
            key=digest(request.body),
            type=name(kind, "type"),
            platform="slack",
            source=optional(fields.get("team_id", [""])[0], "team_id"),
            data=data,
            headers=request.headers,
            body=request.body,
        ),
    )


class _Challenge(msgspec.Struct):
    challenge: str = ""


def slack_reply(event: ReceivedEvent) -> bytes | None:
    """https://docs.slack.dev/reference/events/url_verification: the challenge, back as it came."""
    return decoded(event.body, _Challenge).challenge.encode("utf-8") if event.type == _CHALLENGE else None


def shopify(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://shopify.dev/docs/apps/build/webhooks. The type is the topic, with full stops: `orders.create`."""
    decoded(request.body, msgspec.Raw)
    webhook_id = name(header(request, WEBHOOK_ID), WEBHOOK_ID)
    return (
        ReceivedEvent(
            id=webhook_id,
            key=key_of(webhook_id),
            type=type_name(name(header(request, TOPIC), TOPIC)),
            platform="shopify",
            source=optional(header(request, "x-shopify-shop-domain"), "shop domain"),
            time=time_of(header(request, "x-shopify-triggered-at")),
            data=request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


def twilio(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://www.twilio.com/docs/usage/webhooks. The data of a form is its fields as a JSON object.

    Twilio names no type: it is `message.<MessageStatus>`, `call.<CallStatus>`, or `message.received`.
    """
    if media_type(request) != FORM:
        return generic(request, "twilio", lambda each: header(each, IDEMPOTENCY))
    fields = _form(request.body)
    first = {field: values[0] for field, values in fields.items()}
    token = optional(header(request, IDEMPOTENCY), IDEMPOTENCY)
    sid = next((first[each] for each in ("MessageSid", "CallSid", "SmsSid") if first.get(each)), "")
    status = first.get("MessageStatus") or first.get("SmsStatus") or first.get("CallStatus") or ""
    kind = "call" if "CallSid" in fields else "message" if sid else ""
    return (
        ReceivedEvent(
            id=optional(sid, "sid") or token or digest(request.body),
            key=key_of(token) if token else digest(request.url.encode("utf-8", "surrogatepass") + b"\n" + request.body),
            type=type_name(kind, status),
            platform="twilio",
            source=optional(first.get("AccountSid", ""), "AccountSid"),
            data=_form_json(fields),
            headers=request.headers,
            body=request.body,
        ),
    )


class _HubSpot(msgspec.Struct):
    eventId: Any = None  # noqa: N815  # HubSpot's names
    subscriptionType: str = ""  # noqa: N815
    subscriptionId: Any = None  # noqa: N815
    portalId: Any = None  # noqa: N815
    objectId: Any = None  # noqa: N815
    occurredAt: Any = None  # noqa: N815
    propertyName: Any = None  # noqa: N815


def hubspot(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://developers.hubspot.com/docs/api/webhooks: a list of events in one request; a workflow sends one object.

    HubSpot says that `eventId` need not be unique, so the key has more of what does not change from one
    attempt to the next.
    """
    if request.body.lstrip()[:1] != b"[":
        return generic(request, "hubspot", no_signed_id)
    items = decoded(request.body, list[msgspec.Raw])
    if len(items) > _MOST_EVENTS:
        raise MalformedEvent(f"the request has {len(items)} events; right are at most {_MOST_EVENTS}")
    return tuple(_hubspot(request, bytes(item)) for item in items)


def _hubspot(request: SignableRequest, item: bytes) -> ReceivedEvent:
    found = decoded(item, _HubSpot)
    identity = (found.portalId, found.subscriptionId, found.eventId, found.objectId, found.occurredAt, found.propertyName)
    return ReceivedEvent(
        id=name(text(found.eventId), "eventId"),
        key=key_of(*(optional(text(part), "identity") for part in identity)),
        type=name(found.subscriptionType, "subscriptionType"),
        platform="hubspot",
        source=optional(text(found.portalId), "portalId"),
        subject=optional(text(found.objectId), "objectId"),
        time=time_of(found.occurredAt),
        data=item,
        headers=request.headers,
        body=request.body,
    )


class _Segment(msgspec.Struct):
    type: str
    messageId: str  # noqa: N815  # Segment's name
    timestamp: Any = None
    event: Any = None
    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815


def segment(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://segment.com/docs/connections/spec/common. The type is the call (`track`); the subject is who did it."""
    found = decoded(request.body, _Segment)
    return (
        ReceivedEvent(
            id=name(found.messageId, "messageId"),
            key=key_of(found.messageId),
            type=name(found.type, "type"),
            platform="segment",
            subject=optional(text(found.userId) or text(found.anonymousId), "userId"),
            time=time_of(found.timestamp),
            data=request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


class _Zendesk(msgspec.Struct):
    id: Any = None
    type: Any = None
    time: Any = None
    subject: Any = None


def zendesk(request: SignableRequest) -> tuple[ReceivedEvent, ...]:
    """https://developer.zendesk.com/api-reference/webhooks/event-types/webhook-event-types.

    What a trigger sends is the account's own choice: without an id, the invocation's is taken.
    """
    found = _Zendesk()
    if request.body.lstrip()[:1] == b"{":
        found = decoded(request.body, _Zendesk)
    else:
        decoded(request.body, msgspec.Raw)
    event_id = text(found.id) or header(request, INVOCATION) or digest(request.body)
    return (
        ReceivedEvent(
            id=name(event_id, "id"),
            key=key_of(event_id),
            type=type_name(text(found.type).removeprefix(_ZENDESK_TYPE)),
            platform="zendesk",
            subject=optional(text(found.subject), "subject"),
            time=time_of(found.time),
            data=request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except (ValueError, UnicodeDecodeError) as error:
        raise MalformedEvent(f"the body is no form of at most {_MOST_FIELDS} fields in UTF-8: {error}") from error


def _form_json(fields: dict[str, list[str]]) -> bytes:
    """A form as a JSON object: text where a name stands once, a list where it is repeated."""
    values = {field: found[0] if len(found) == 1 else found for field, found in fields.items()}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
