"""What an envelope is: how a platform writes an event into a request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hookline.body import is_json
from hookline.receiver.envelopes.reading import FORM, is_binary_cloudevent, media_type
from hookline.receiver.event import ReceivedEvent
from hookline.signing import SignableRequest

PATIENCE: Final = 10.0
"""Seconds that a sender waits of which nothing else is known."""

Read = Callable[[SignableRequest], tuple[ReceivedEvent, ...]]


def json_only(request: SignableRequest) -> bool:
    """Whether a request is JSON and says so."""
    found = media_type(request)
    return found != "" and is_json(found)


def json_or_form(request: SignableRequest) -> bool:
    """As `json_only`, or a form."""
    return media_type(request) == FORM or json_only(request)


def json_or_cloudevent(request: SignableRequest) -> bool:
    """As `json_only`, or a CloudEvent in binary mode, whose data may be of any media type."""
    return json_only(request) or is_binary_cloudevent(request)


def anything(_: SignableRequest) -> bool:
    """Any media type, or none."""
    return True


def silent(_: ReceivedEvent) -> bytes | None:
    """No event is a question."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """How a platform writes events into requests.

    `read` answers the events of a verified request; it raises MalformedEvent and nothing else. `takes` says
    whether it reads requests of this media type. `patience` is how many seconds the platform waits for an
    answer. `reply` is the body of the answer to an event that is the platform's own question (Slack's
    challenge), which no handler sees; None for all other events.
    """

    name: str
    read: Read
    takes: Callable[[SignableRequest], bool] = json_only
    patience: float = PATIENCE
    reply: Callable[[ReceivedEvent], bytes | None] = silent
