"""Envelopes that no platform owns: Standard Webhooks, CloudEvents, and bodies of which little is known."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from hookline.body import is_json
from hookline.model.event import JSON
from hookline.receiver.envelopes.reading import (
    NULL,
    decoded,
    digest,
    header,
    is_binary_cloudevent,
    key_of,
    media_type,
    name,
    optional,
    text,
    time_of,
)
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.event import ReceivedEvent
from hookline.signing import SignableRequest

SignedId = Callable[[SignableRequest], str]
"""The id that the signature of a request covers, or the empty string."""

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
_ATTRIBUTE: Final = "ce-"
_TYPES: Final = ("type", "event_type", "eventType", "event")
_IDS: Final = ("id", "event_id", "eventId", "messageId")
_TIMES: Final = ("timestamp", "time", "created_at", "created")


def no_signed_id(_: SignableRequest) -> str:
    """For schemes that sign none."""
    return ""


class _Standard(msgspec.Struct):
    type: str
    timestamp: Any = None
    data: msgspec.Raw = msgspec.Raw(NULL)


def standard(request: SignableRequest, platform: str, signed_id: SignedId) -> tuple[ReceivedEvent, ...]:
    """Standard Webhooks ("Payload structure"), or CloudEvents in either mode if the request is one."""
    if is_cloudevent(request):
        return cloudevents(request, platform, signed_id)
    found = decoded(request.body, _Standard)
    webhook_id = name(signed_id(request), "webhook id")
    return (
        ReceivedEvent(
            id=webhook_id,
            key=key_of(webhook_id),
            type=name(found.type, "type"),
            platform=platform,
            time=time_of(found.timestamp),
            data=bytes(found.data),
            headers=request.headers,
            body=request.body,
        ),
    )


def is_cloudevent(request: SignableRequest) -> bool:
    """Whether a request is a CloudEvent: by its media type, or by the header that every one in binary mode has."""
    return media_type(request) in {STRUCTURED, BATCHED} or is_binary_cloudevent(request)


class _CloudEvent(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: Any = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw(NULL)
    data_base64: str | None = None


def cloudevents(request: SignableRequest, platform: str, signed_id: SignedId) -> tuple[ReceivedEvent, ...]:
    """CloudEvents 1.0.2 over HTTP: structured, batched or binary mode."""
    media = media_type(request)
    if media == BATCHED:
        batch = decoded(request.body, list[_CloudEvent])
        return tuple(_structured(request, platform, signed_id, each, f"{place}") for place, each in enumerate(batch))
    if media == STRUCTURED:
        return (_structured(request, platform, signed_id, decoded(request.body, _CloudEvent)),)
    attributes = {
        each: unquote(header(request, _ATTRIBUTE + each)) for each in ("specversion", "id", "source", "type", "subject", "time")
    }
    _check_version(attributes["specversion"])
    content_type = header(request, "content-type") or JSON
    if is_json(content_type):
        decoded(request.body, msgspec.Raw)
    return (
        _cloudevent(
            request,
            platform,
            optional(signed_id(request), "webhook id"),
            id=attributes["id"],
            type=attributes["type"],
            source=attributes["source"],
            subject=attributes["subject"],
            time=attributes["time"],
            data=request.body,
            content_type=content_type,
        ),
    )


def _structured(request: SignableRequest, platform: str, signed_id: SignedId, found: _CloudEvent, place: str = "") -> ReceivedEvent:
    _check_version(found.specversion)
    content_type = found.datacontenttype or JSON
    data = bytes(found.data)
    if found.data_base64 is not None:
        try:
            data = b64decode(found.data_base64, validate=True)
        except (Base64Error, ValueError) as error:
            raise MalformedEvent(f"data_base64 is no base64: {error}") from error
    elif not is_json(content_type) and data.startswith(b'"'):
        data = decoded(data, str).encode("utf-8")
    webhook_id = optional(signed_id(request), "webhook id")
    return _cloudevent(
        request,
        platform,
        key_of(webhook_id, place) if webhook_id and place else webhook_id,
        id=found.id,
        type=found.type,
        source=found.source,
        subject=found.subject or "",
        time=found.time,
        data=data,
        content_type=content_type,
    )


def _cloudevent(
    request: SignableRequest,
    platform: str,
    signed: str,
    *,
    id: str,  # the attribute's name
    type: str,  # the attribute's name
    source: str,
    subject: str,
    time: object,
    data: bytes,
    content_type: str,
) -> ReceivedEvent:
    return ReceivedEvent(
        id=name(id, "id"),
        key=key_of(signed) if signed else key_of(name(source, "source"), id),
        type=name(type, "type"),
        platform=platform,
        source=name(source, "source"),
        subject=optional(subject, "subject"),
        time=time_of(time),
        data=data,
        data_content_type=optional(content_type, "content type"),
        headers=request.headers,
        body=request.body,
    )


def _check_version(version: str) -> None:
    if version != "1.0":
        raise MalformedEvent(f"CloudEvents specversion is {version[:20]!r}; right is '1.0'")


def generic(request: SignableRequest, platform: str, signed_id: SignedId) -> tuple[ReceivedEvent, ...]:
    """A CloudEvent, or a JSON body of which nothing is known.

    The id is the signed one, the body's (`id`, `event_id`, …), or else a digest of the body; the type is the
    body's `type`, `event_type` or `event`, or none; the data is its `data`, or the whole.
    """
    if is_cloudevent(request):
        return cloudevents(request, platform, signed_id)
    whole = decoded(request.body, msgspec.Raw)
    fields = decoded(request.body, dict[str, msgspec.Raw]) if bytes(whole).lstrip()[:1] == b"{" else {}
    found_type = _first(fields, _TYPES)
    found_id = signed_id(request) or _first(fields, _IDS)
    return (
        ReceivedEvent(
            id=optional(found_id, "id") or digest(request.body),
            key=key_of(found_id) if found_id else digest(request.body),
            type=optional(found_type, "type"),
            platform=platform,
            time=next(filter(None, (time_of(_scalar(fields[each])) for each in _TIMES if each in fields)), None),
            data=bytes(fields["data"]) if found_type and "data" in fields else request.body,
            headers=request.headers,
            body=request.body,
        ),
    )


def raw(request: SignableRequest, platform: str, signed_id: SignedId) -> tuple[ReceivedEvent, ...]:
    """A body that is the data and nothing else, of any media type: no type, and the signed id or a digest."""
    webhook_id = optional(signed_id(request), "webhook id")
    content_type = header(request, "content-type") or "application/octet-stream"
    if is_json(content_type):
        decoded(request.body, msgspec.Raw)
    return (
        ReceivedEvent(
            id=webhook_id or digest(request.body),
            key=key_of(webhook_id) if webhook_id else digest(request.body),
            type="",
            platform=platform,
            data=request.body,
            data_content_type=optional(content_type, "content type"),
            headers=request.headers,
            body=request.body,
        ),
    )


def _first(fields: dict[str, msgspec.Raw], names: tuple[str, ...]) -> str:
    return next(filter(None, (text(_scalar(fields[each])) for each in names if each in fields)), "")


def _scalar(value: msgspec.Raw) -> object:
    """A string or a number; None for anything else, which is not built."""
    if bytes(value)[:1] in {b"{", b"["}:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError):
        # A number that no float or integer can hold is no id, no type and no time.
        return None
