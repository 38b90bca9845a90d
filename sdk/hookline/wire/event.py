"""Events, what became of them, and replays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hookline.client import EmitOutcome
from hookline.errors import HooklineError, InvalidArgument
from hookline.model import JSON, NO_LABELS, EmitResult, Event, EventSpec, Replay, ReplayState
from hookline.wire.delivery import read_states, write_states
from hookline.wire.scalars import build, read_enum, read_time, write_enum, write_optional_time, write_time
from hookline.wire.status import from_status, to_status
from hookline_proto.v1 import event_pb2, replay_pb2

_REPLAY_STATES: Final[Mapping[int, ReplayState]] = {
    replay_pb2.REPLAY_STATE_RUNNING: ReplayState.RUNNING,
    replay_pb2.REPLAY_STATE_DONE: ReplayState.DONE,
    replay_pb2.REPLAY_STATE_CANCELLED: ReplayState.CANCELLED,
}
_REPLAY_NUMBERS: Final = {state: number for number, state in _REPLAY_STATES.items()}


def read_event_spec(message: event_pb2.EventSpec, path: str = "event") -> EventSpec:
    """What a caller says of an event; `path` leads to it in the request.

    Every event goes through here, so it is written out and asks for no more than it must.
    """
    labels = message.labels
    return EventSpec(
        type=message.type,
        data=message.data,
        id=message.id,
        source=message.source,
        subject=message.subject,
        time=read_time(message.time, f"{path}.time") if message.HasField("time") else None,
        data_content_type=message.data_content_type or JSON,
        data_schema=message.data_schema,
        labels=dict(labels) if labels else NO_LABELS,
        idempotency_key=message.idempotency_key,
        ordering_key=message.ordering_key,
        not_before_time=read_time(message.not_before_time, f"{path}.not_before_time")
        if message.HasField("not_before_time")
        else None,
        traceparent=message.traceparent,
    )


def write_event_spec(spec: EventSpec, path: str = "event") -> event_pb2.EventSpec:
    """The message for an event that a caller wants to emit; `path` leads to it in the request."""
    return build(
        event_pb2.EventSpec,
        f"{path}.",
        id=spec.id,
        type=spec.type,
        source=spec.source,
        subject=spec.subject,
        time=write_optional_time(spec.time, f"{path}.time"),
        data=spec.data,
        data_content_type=spec.data_content_type,
        data_schema=spec.data_schema,
        labels=spec.labels,
        idempotency_key=spec.idempotency_key,
        ordering_key=spec.ordering_key,
        not_before_time=write_optional_time(spec.not_before_time, f"{path}.not_before_time"),
        traceparent=spec.traceparent,
    )


def renamed(outcome: EmitOutcome, before: str, after: str) -> EmitOutcome:
    """The outcome of an event that was sent at the path `before` and stands at `after` for the caller."""
    if not isinstance(outcome, InvalidArgument) or before == after:
        return outcome
    moved = [
        replace(violation, field=after + violation.field.removeprefix(before)) if violation.field.startswith(before) else violation
        for violation in outcome.violations
    ]
    return InvalidArgument(*moved)


def read_event(message: event_pb2.Event) -> Event:
    """An accepted event."""
    return Event(
        tenant=message.tenant,
        id=message.id,
        type=message.type,
        source=message.source,
        subject=message.subject,
        time=read_time(message.time, "time"),
        data=message.data,
        data_content_type=message.data_content_type,
        data_schema=message.data_schema,
        labels=dict(message.labels),
        idempotency_key=message.idempotency_key,
        ordering_key=message.ordering_key,
        not_before_time=read_time(message.not_before_time, "not_before_time") if message.HasField("not_before_time") else None,
        traceparent=message.traceparent,
        accept_time=read_time(message.accept_time, "accept_time"),
    )


def write_event(event: Event) -> event_pb2.Event:
    """The message for an accepted event."""
    return build(
        event_pb2.Event,
        tenant=event.tenant,
        id=event.id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=write_time(event.time, "time"),
        data=event.data,
        data_content_type=event.data_content_type,
        data_schema=event.data_schema,
        labels=event.labels,
        idempotency_key=event.idempotency_key,
        ordering_key=event.ordering_key,
        not_before_time=write_optional_time(event.not_before_time, "not_before_time"),
        traceparent=event.traceparent,
        accept_time=write_time(event.accept_time, "accept_time"),
    )


def read_emit_result(message: event_pb2.EmitResult) -> EmitResult:
    """What became of an event."""
    return EmitResult(
        event_id=message.event_id,
        duplicate=message.duplicate,
        accept_time=read_time(message.accept_time, "accept_time"),
    )


def write_emit_result(result: EmitResult) -> event_pb2.EmitResult:
    """The message for what became of an event."""
    return event_pb2.EmitResult(
        event_id=result.event_id,
        duplicate=result.duplicate,
        accept_time=write_time(result.accept_time, "accept_time"),
    )


def read_emit_outcome(message: event_pb2.EmitOutcome) -> EmitOutcome:
    """What became of one event among several: an error is answered, not raised."""
    match message.WhichOneof("outcome"):
        case "result":
            return read_emit_result(message.result)
        case "error":
            return from_status(message.error)
    raise InvalidArgument.of("outcome", "is not set")


def write_emit_outcome(outcome: EmitOutcome) -> event_pb2.EmitOutcome:
    """The message for what became of one event among several."""
    if isinstance(outcome, HooklineError):
        return event_pb2.EmitOutcome(error=to_status(outcome))
    return event_pb2.EmitOutcome(result=write_emit_result(outcome))


def read_replay(message: replay_pb2.Replay) -> Replay:
    """A replay."""
    return Replay(
        tenant=message.tenant,
        id=message.id,
        subscription_id=message.subscription_id,
        event_types=tuple(message.event_types),
        from_time=read_time(message.from_time, "from_time") if message.HasField("from_time") else None,
        to_time=read_time(message.to_time, "to_time") if message.HasField("to_time") else None,
        new_webhook_ids=message.new_webhook_ids,
        state=read_enum(message.state, _REPLAY_STATES, "state"),
        scanned=message.scanned,
        replayed=message.replayed,
        create_time=read_time(message.create_time, "create_time"),
        finish_time=read_time(message.finish_time, "finish_time") if message.HasField("finish_time") else None,
        max_per_second=message.max_per_second,
        states=read_states(message.states),
        without_delivery=message.without_delivery,
        filter=message.filter,
    )


def write_replay(replay: Replay) -> replay_pb2.Replay:
    """The message for a replay."""
    return build(
        replay_pb2.Replay,
        tenant=replay.tenant,
        id=replay.id,
        subscription_id=replay.subscription_id,
        event_types=replay.event_types,
        from_time=write_optional_time(replay.from_time, "from_time"),
        to_time=write_optional_time(replay.to_time, "to_time"),
        new_webhook_ids=replay.new_webhook_ids,
        state=write_enum(replay.state, _REPLAY_NUMBERS, "state"),
        scanned=replay.scanned,
        replayed=replay.replayed,
        create_time=write_time(replay.create_time, "create_time"),
        finish_time=write_optional_time(replay.finish_time, "finish_time"),
        max_per_second=replay.max_per_second,
        states=write_states(replay.states),
        without_delivery=replay.without_delivery,
        filter=replay.filter,
    )
