"""Ids for events that have none, so that an emit can be repeated without emitting twice."""

from dataclasses import replace
from typing import Final

from hookline import wire
from hookline.client import EmitOutcome
from hookline.errors import InvalidArgument
from hookline.ids import EVENT, new_id
from hookline.model import EmitResult, EventSpec
from hookline_proto.v1.event_pb2 import EventSpec as EventSpecMessage

LARGEST: Final = 3 * 1024 * 1024
"""Bytes of events in one call, and so of one event: every server takes a message of 4 MiB."""


def identified(spec: EventSpec, path: str = "event") -> tuple[EventSpecMessage, bool]:
    """The message for `spec`, and whether it got its id here.

    An event with an idempotency key gets none: it is safe to repeat as it is, and with a new id each
    time it would not be the same event any more. Raises InvalidArgument.
    """
    message = wire.write_event_spec(spec, path)
    if len(message.data) > LARGEST:
        raise InvalidArgument.of(f"{path}.data", f"has {len(message.data)} bytes, more than any server takes ({LARGEST})")
    if message.id or message.idempotency_key:
        return message, False
    message.id = new_id(EVENT)
    return message, True


def own(outcome: EmitOutcome, event_id: str) -> EmitOutcome:
    """The outcome of an event whose id was made here: a duplicate of it is our own first try."""
    if isinstance(outcome, EmitResult) and outcome.duplicate and outcome.event_id == event_id:
        return replace(outcome, duplicate=False)
    return outcome
