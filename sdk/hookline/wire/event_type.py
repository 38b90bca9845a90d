"""The catalogue of event types."""

from hookline.model import EventType, EventTypeSpec
from hookline.wire.scalars import build, read_time, write_time
from hookline_proto.v1 import event_type_pb2


def read_event_type_spec(message: event_type_pb2.EventTypeSpec) -> EventTypeSpec:
    """What a caller says of an event type; field paths start with `event_type`."""
    return EventTypeSpec(
        description=message.description,
        schema=message.schema,
        examples=tuple(message.examples),
        enforce=message.enforce,
        deprecated=message.deprecated,
    )


def write_event_type_spec(spec: EventTypeSpec) -> event_type_pb2.EventTypeSpec:
    """The message for what a caller says of an event type."""
    return build(
        event_type_pb2.EventTypeSpec,
        "event_type.",
        description=spec.description,
        schema=spec.schema,
        examples=spec.examples,
        enforce=spec.enforce,
        deprecated=spec.deprecated,
    )


def read_event_type(message: event_type_pb2.EventType) -> EventType:
    """An entry of the catalogue."""
    return EventType(
        tenant=message.tenant,
        name=message.name,
        description=message.description,
        schema=message.schema,
        examples=tuple(message.examples),
        enforce=message.enforce,
        deprecated=message.deprecated,
        etag=message.etag,
        create_time=read_time(message.create_time, "create_time"),
        update_time=read_time(message.update_time, "update_time"),
    )


def write_event_type(event_type: EventType) -> event_type_pb2.EventType:
    """The message for an entry of the catalogue."""
    return build(
        event_type_pb2.EventType,
        tenant=event_type.tenant,
        name=event_type.name,
        description=event_type.description,
        schema=event_type.schema,
        examples=event_type.examples,
        enforce=event_type.enforce,
        deprecated=event_type.deprecated,
        etag=event_type.etag,
        create_time=write_time(event_type.create_time, "create_time"),
        update_time=write_time(event_type.update_time, "update_time"),
    )
