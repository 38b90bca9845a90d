"""Deliveries, attempts, changes and counts."""

from collections.abc import Iterable, Mapping
from typing import Final

from hookline.errors import HooklineError, InvalidArgument
from hookline.model import Attempt, Change, Checkpoint, Delivery, DeliveryState, ErrorClass, Hold, HoldKind, Stats
from hookline.wire.scalars import (
    build,
    read_duration,
    read_enum,
    read_time,
    write_duration,
    write_enum,
    write_optional_time,
    write_time,
)
from hookline.wire.status import from_status, to_status
from hookline_proto.v1 import delivery_pb2, delivery_service_pb2

_STATES: Final[Mapping[int, DeliveryState]] = {
    delivery_pb2.DELIVERY_STATE_PENDING: DeliveryState.PENDING,
    delivery_pb2.DELIVERY_STATE_DELIVERED: DeliveryState.DELIVERED,
    delivery_pb2.DELIVERY_STATE_EXHAUSTED: DeliveryState.EXHAUSTED,
    delivery_pb2.DELIVERY_STATE_CANCELLED: DeliveryState.CANCELLED,
}
_STATE_NUMBERS: Final = {state: number for number, state in _STATES.items()}
_HOLDS: Final[Mapping[int, HoldKind]] = {
    delivery_pb2.HOLD_KIND_PAUSED: HoldKind.PAUSED,
    delivery_pb2.HOLD_KIND_DISABLED: HoldKind.DISABLED,
    delivery_pb2.HOLD_KIND_RETRY: HoldKind.RETRY,
    delivery_pb2.HOLD_KIND_SCHEDULED: HoldKind.SCHEDULED,
    delivery_pb2.HOLD_KIND_ORDERING: HoldKind.ORDERING,
    delivery_pb2.HOLD_KIND_BREAKER: HoldKind.BREAKER,
    delivery_pb2.HOLD_KIND_RATE: HoldKind.RATE,
    delivery_pb2.HOLD_KIND_CONCURRENCY: HoldKind.CONCURRENCY,
}
_HOLD_NUMBERS: Final = {kind: number for number, kind in _HOLDS.items()}
_ERRORS: Final[Mapping[int, ErrorClass]] = {
    delivery_pb2.ERROR_CLASS_TIMEOUT: ErrorClass.TIMEOUT,
    delivery_pb2.ERROR_CLASS_DNS: ErrorClass.DNS,
    delivery_pb2.ERROR_CLASS_REFUSED: ErrorClass.REFUSED,
    delivery_pb2.ERROR_CLASS_CONNECTION: ErrorClass.CONNECTION,
    delivery_pb2.ERROR_CLASS_TLS: ErrorClass.TLS,
    delivery_pb2.ERROR_CLASS_PROTOCOL: ErrorClass.PROTOCOL,
    delivery_pb2.ERROR_CLASS_BLOCKED: ErrorClass.BLOCKED,
    delivery_pb2.ERROR_CLASS_STATUS: ErrorClass.STATUS,
    delivery_pb2.ERROR_CLASS_REDIRECT: ErrorClass.REDIRECT,
    delivery_pb2.ERROR_CLASS_BODY: ErrorClass.BODY,
    delivery_pb2.ERROR_CLASS_INTERRUPTED: ErrorClass.INTERRUPTED,
    delivery_pb2.ERROR_CLASS_AUTHENTICATION: ErrorClass.AUTHENTICATION,
}
_ERROR_NUMBERS: Final = {error: number for number, error in _ERRORS.items()}

RetryOutcome = Delivery | HooklineError


def read_state_filter(value: int) -> DeliveryState | None:
    """The state to list, or None for any."""
    return read_enum(value, _STATES, "state") if value else None


def write_state_filter(state: DeliveryState | None) -> int:
    """The number of the state to list."""
    return delivery_pb2.DELIVERY_STATE_UNSPECIFIED if state is None else write_enum(state, _STATE_NUMBERS, "state")


def read_states(values: Iterable[int]) -> tuple[DeliveryState, ...]:
    """The states of a request's `states`."""
    return tuple(read_enum(value, _STATES, f"states[{index}]") for index, value in enumerate(values))


def write_states(states: Iterable[DeliveryState]) -> list[int]:
    """Their numbers."""
    return [write_enum(state, _STATE_NUMBERS, f"states[{index}]") for index, state in enumerate(states)]


def read_delivery(message: delivery_pb2.Delivery) -> Delivery:
    """A delivery."""
    due = read_time(message.next_attempt_time, "next_attempt_time") if message.HasField("next_attempt_time") else None
    return Delivery(
        tenant=message.tenant,
        id=message.id,
        event_id=message.event_id,
        event_type=message.event_type,
        subscription_id=message.subscription_id,
        webhook_id=message.webhook_id,
        state=read_enum(message.state, _STATES, "state"),
        reason=message.reason,
        run=message.run,
        attempts=message.attempts,
        create_time=read_time(message.create_time, "create_time"),
        next_attempt_time=due,
        finish_time=read_time(message.finish_time, "finish_time") if message.HasField("finish_time") else None,
        hold=_read_hold(message.hold) if message.HasField("hold") else None,
        replay_id=message.replay_id,
    )


def write_delivery(delivery: Delivery) -> delivery_pb2.Delivery:
    """The message for a delivery."""
    return build(
        delivery_pb2.Delivery,
        tenant=delivery.tenant,
        id=delivery.id,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        subscription_id=delivery.subscription_id,
        webhook_id=delivery.webhook_id,
        state=write_enum(delivery.state, _STATE_NUMBERS, "state"),
        reason=delivery.reason,
        run=delivery.run,
        attempts=delivery.attempts,
        create_time=write_time(delivery.create_time, "create_time"),
        next_attempt_time=write_optional_time(delivery.next_attempt_time, "next_attempt_time"),
        finish_time=write_optional_time(delivery.finish_time, "finish_time"),
        hold=None if delivery.hold is None else _write_hold(delivery.hold),
        replay_id=delivery.replay_id,
    )


def _read_hold(message: delivery_pb2.Hold) -> Hold:
    return Hold(
        kind=read_enum(message.kind, _HOLDS, "hold.kind"),
        reason=message.reason,
        until=read_time(message.until, "hold.until") if message.HasField("until") else None,
    )


def _write_hold(hold: Hold) -> delivery_pb2.Hold:
    return build(
        delivery_pb2.Hold,
        kind=write_enum(hold.kind, _HOLD_NUMBERS, "hold.kind"),
        reason=hold.reason,
        until=write_optional_time(hold.until, "hold.until"),
    )


def read_attempt(message: delivery_pb2.Attempt) -> Attempt:
    """An attempt."""
    due = read_time(message.next_attempt_time, "next_attempt_time") if message.HasField("next_attempt_time") else None
    return Attempt(
        tenant=message.tenant,
        id=message.id,
        delivery_id=message.delivery_id,
        event_id=message.event_id,
        subscription_id=message.subscription_id,
        run=message.run,
        number=message.number,
        start_time=read_time(message.start_time, "start_time"),
        duration=read_duration(message.duration, "duration"),
        url=message.url,
        address=message.address,
        status=message.status,
        answer=message.answer,
        error=read_enum(message.error, _ERRORS, "error") if message.error else None,
        detail=message.detail,
        next_attempt_time=due,
        superseded=message.superseded,
    )


def write_attempt(attempt: Attempt) -> delivery_pb2.Attempt:
    """The message for an attempt."""
    return build(
        delivery_pb2.Attempt,
        tenant=attempt.tenant,
        id=attempt.id,
        delivery_id=attempt.delivery_id,
        event_id=attempt.event_id,
        subscription_id=attempt.subscription_id,
        run=attempt.run,
        number=attempt.number,
        start_time=write_time(attempt.start_time, "start_time"),
        duration=write_duration(attempt.duration, "duration"),
        url=attempt.url,
        address=attempt.address,
        status=attempt.status,
        answer=attempt.answer,
        error=None if attempt.error is None else write_enum(attempt.error, _ERROR_NUMBERS, "error"),
        detail=attempt.detail,
        next_attempt_time=write_optional_time(attempt.next_attempt_time, "next_attempt_time"),
        superseded=attempt.superseded,
    )


def read_watched(message: delivery_service_pb2.WatchDeliveriesResponse) -> Change | Checkpoint:
    """One message of a watch."""
    match message.WhichOneof("message"):
        case "change":
            change = message.change
            return Change(
                delivery=read_delivery(change.delivery),
                attempt=read_attempt(change.attempt) if change.HasField("attempt") else None,
                cursor=change.cursor,
            )
        case "checkpoint":
            return Checkpoint(cursor=message.checkpoint.cursor)
    raise InvalidArgument.of("message", "is not set")


def write_watched(watched: Change | Checkpoint) -> delivery_service_pb2.WatchDeliveriesResponse:
    """The message for one step of a watch."""
    if isinstance(watched, Checkpoint):
        checkpoint = build(delivery_pb2.Checkpoint, cursor=watched.cursor)
        return delivery_service_pb2.WatchDeliveriesResponse(checkpoint=checkpoint)
    change = build(
        delivery_pb2.DeliveryChange,
        delivery=write_delivery(watched.delivery),
        attempt=None if watched.attempt is None else write_attempt(watched.attempt),
        cursor=watched.cursor,
    )
    return delivery_service_pb2.WatchDeliveriesResponse(change=change)


def read_retry_outcome(message: delivery_service_pb2.RetryOutcome) -> RetryOutcome:
    """What became of one delivery among several: an error is answered, not raised."""
    match message.WhichOneof("outcome"):
        case "delivery":
            return read_delivery(message.delivery)
        case "error":
            return from_status(message.error)
    raise InvalidArgument.of("outcome", "is not set")


def write_retry_outcome(outcome: RetryOutcome) -> delivery_service_pb2.RetryOutcome:
    """The message for what became of one delivery among several."""
    if isinstance(outcome, HooklineError):
        return delivery_service_pb2.RetryOutcome(error=to_status(outcome))
    return delivery_service_pb2.RetryOutcome(delivery=write_delivery(outcome))


def read_stats(message: delivery_pb2.DeliveryStats) -> Stats:
    """Counts, in all and by subscription."""
    parts = {name: _read_counts(counts, {}) for name, counts in message.by_subscription.items()}
    return _read_counts(message.total, parts)


def _read_counts(message: delivery_pb2.DeliveryCounts, parts: dict[str, Stats]) -> Stats:
    return Stats(
        pending=message.pending,
        delivered=message.delivered,
        exhausted=message.exhausted,
        cancelled=message.cancelled,
        oldest_pending_age=read_duration(message.oldest_pending_age, "oldest_pending_age"),
        by_subscription=parts,
    )


def write_stats(stats: Stats) -> delivery_pb2.DeliveryStats:
    """The message for counts."""
    return build(
        delivery_pb2.DeliveryStats,
        total=_write_counts(stats),
        by_subscription={name: _write_counts(part) for name, part in stats.by_subscription.items()},
    )


def _write_counts(stats: Stats) -> delivery_pb2.DeliveryCounts:
    return build(
        delivery_pb2.DeliveryCounts,
        pending=stats.pending,
        delivered=stats.delivered,
        exhausted=stats.exhausted,
        cancelled=stats.cancelled,
        oldest_pending_age=write_duration(stats.oldest_pending_age, "oldest_pending_age"),
    )
