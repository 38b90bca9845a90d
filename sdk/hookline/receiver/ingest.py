"""Forwarding what was verified into hookline: many platforms in, one normalised and signed stream out."""

import logging
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from hookline.client import Client
from hookline.errors import AlreadyExists, InvalidArgument
from hookline.model.event import EventSpec
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.event import ReceivedEvent
from hookline.validation.text import LONGEST_TYPE, LONGEST_URI

_UNTYPED: Final = re.compile(r"[^A-Za-z0-9_\-.]+")
_DOTS: Final = re.compile(r"\.{2,}")
_UNLABELLED: Final = re.compile(r"[^a-z0-9_-]")
_LONGEST_KEY: Final = 256
UNNAMED: Final = "event"
"""The type of an event whose platform names none, behind the platform's name."""

log: Final = logging.getLogger("hookline.receiver")


def normalised(event: ReceivedEvent) -> EventSpec:
    """The event as hookline takes it.

    The type is the platform's behind its name (`stripe.invoice.paid`), the source is `/stripe` and the
    platform's own source, the idempotency key is the platform's id: however often it comes, it is one
    event. The data are the same bytes.
    """
    source = "/" + "/".join(quote(part.lstrip("/"), safe="/:@") for part in (event.platform, event.source) if part)
    key = f"{event.platform}/{event.key}"
    return EventSpec(
        type=_type(event),
        data=event.data,
        source=source if len(source) <= LONGEST_URI else f"/{event.platform}/" + sha256(source.encode("ascii")).hexdigest(),
        subject=event.subject,
        time=event.time,
        data_content_type=event.data_content_type,
        labels={"platform": _UNLABELLED.sub("-", event.platform.lower())},
        idempotency_key=key if len(key.encode("utf-8")) <= _LONGEST_KEY else "sha256:" + sha256(key.encode("utf-8")).hexdigest(),
    )


def forward_to(
    client: Client, *, tenant: str = "", normalise: Callable[[ReceivedEvent], EventSpec] = normalised
) -> Callable[[ReceivedEvent], Awaitable[None]]:
    """A handler that emits each event: `receiver.default(forward_to(client))`.

    It returns when the event is on disk. `normalise` makes it what it is emitted as; keep its idempotency
    key, which makes the effect happen once without a transaction.
    """

    async def forward(event: ReceivedEvent) -> None:
        try:
            result = await client.emit_event(normalise(event), tenant=tenant)
        except AlreadyExists:
            # The platform counts its attempts in the body, say; the first one is on disk.
            log.info("%s: event %r was forwarded before, with other content", event.platform, event.id)
        except InvalidArgument as error:
            raise MalformedEvent(f"event {event.id!r} cannot be forwarded: {error.message}") from error
        else:
            log.debug("%s: event %r is %s", event.platform, event.id, result.event_id)

    return forward


def _type(event: ReceivedEvent) -> str:
    """The platform and the type, within what hookline's types are made of."""
    text = _UNTYPED.sub("_", f"{event.platform}.{event.type or UNNAMED}")
    return _DOTS.sub(".", text)[:LONGEST_TYPE].strip(".")
