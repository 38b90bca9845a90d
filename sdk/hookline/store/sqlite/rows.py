"""Rows to values and back."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from hookline.clock import micros, moment
from hookline.lanes import subscription_of
from hookline.model import JSON, NO_LABELS, Attempt, ErrorClass, Event, EventType, Stats, Subscription
from hookline.store.protocol import ClaimRequest, DueRequest, Job, JobKind, Work

Row = tuple[Any, ...]

_SUBSCRIPTION: Final = TypeAdapter(Subscription)
_EVENT_TYPE: Final = TypeAdapter(EventType)
_HELD: Final[WeakValueDictionary[str, Subscription]] = WeakValueDictionary()

WORK_COLUMNS: Final = 8
"""A work's own columns; its event's follow."""


def maybe_micros(when: datetime | None) -> int | None:
    """`micros`, or None."""
    return None if when is None else micros(when)


def maybe_moment(when: int | None) -> datetime | None:
    """`moment`, or None."""
    return None if when is None else moment(when)


def check_room(requests: Sequence[ClaimRequest | DueRequest]) -> None:
    """Raises ValueError for a request without room."""
    for request in requests:
        if request.room < 1:
            raise ValueError(f"the room for works of {request.key.lane} is {request.room}, must be at least 1")


def event_row(pos: int, event: Event, digest: bytes) -> Row:
    """An event as it is stored."""
    return (
        pos,
        event.tenant,
        event.id,
        digest,
        event.type,
        event.source,
        event.subject,
        micros(event.time),
        event.data,
        None if event.data_content_type == JSON else event.data_content_type,
        event.data_schema,
        json.dumps(dict(event.labels)) if event.labels else None,
        event.idempotency_key,
        event.ordering_key,
        None if event.not_before_time is None else micros(event.not_before_time),
        event.traceparent,
        micros(event.accept_time),
    )


def event(row: Sequence[Any]) -> Event:
    """An event from the columns that every statement names in this order."""
    return Event(
        tenant=row[0],
        id=row[1],
        type=row[2],
        source=row[3],
        subject=row[4],
        time=moment(row[5]),
        data=row[6],
        data_content_type=row[7] or JSON,
        data_schema=row[8],
        labels=json.loads(row[9]) if row[9] else NO_LABELS,
        idempotency_key=row[10],
        ordering_key=row[11],
        not_before_time=None if row[12] is None else moment(row[12]),
        traceparent=row[13],
        accept_time=moment(row[14]),
    )


def work(lane: str, row: Row) -> Work:
    """A pending delivery with its event."""
    pos, due, delivery_id, webhook_id, run, attempts, before, run_start = row[:WORK_COLUMNS]
    found = event(row[WORK_COLUMNS:])
    return Work(
        found.tenant, lane, pos, due, delivery_id, webhook_id or found.id, found, run, attempts, before, run_start
    )  # fmt: skip


def attempt_row(attempt: Attempt) -> Row:
    """The attempt's own columns of a change."""
    return (
        attempt.id,
        attempt.number,
        micros(attempt.start_time),
        attempt.duration,
        attempt.url,
        attempt.address,
        attempt.status,
        attempt.answer,
        attempt.error,
        attempt.detail,
    )


NO_ATTEMPT: Final[Row] = (None,) * 10


def attempt(tenant: str, names: tuple[str, str, str], row: Row, *, run: int, next_at: int | None, superseded: bool) -> Attempt:
    """An attempt from its own columns of a change (`attempt_row`); `names` are its delivery's, event's and subscription's ids."""
    delivery_id, event_id, subscription_id = names
    return Attempt(
        tenant=tenant,
        id=row[0],
        delivery_id=delivery_id,
        event_id=event_id,
        subscription_id=subscription_id,
        run=run,
        number=row[1],
        start_time=moment(row[2]),
        duration=row[3],
        url=row[4],
        address=row[5],
        status=row[6],
        answer=row[7],
        error=None if row[8] is None else ErrorClass(row[8]),
        detail=row[9],
        next_attempt_time=maybe_moment(next_at),
        superseded=superseded,
    )


def job_row(job: Job) -> Row:
    """A job as it is stored."""
    return (
        job.tenant,
        job.id,
        job.kind,
        job.subject,
        job.spec,
        job.cursor,
        job.scanned,
        job.added,
        job.cancelled,
        micros(job.create_time),
        maybe_micros(job.finish_time),
    )


def job(row: Row) -> Job:
    """A job from its row."""
    return Job(
        tenant=row[0],
        id=row[1],
        kind=JobKind(row[2]),
        subject=row[3],
        spec=row[4],
        cursor=row[5],
        scanned=row[6],
        added=row[7],
        cancelled=bool(row[8]),
        create_time=moment(row[9]),
        finish_time=maybe_moment(row[10]),
    )


class LaneCounts(NamedTuple):
    """How many deliveries of a lane stand where, and the age of the oldest pending one in seconds."""

    lane: str
    pending: int
    delivered: int
    exhausted: int
    cancelled: int
    age: float


def stats(lanes: Iterable[LaneCounts]) -> Stats:
    """Counts in all and by subscription, from those of the lanes."""
    parts: dict[str, list[LaneCounts]] = {}
    for counts in lanes:
        parts.setdefault(subscription_of(counts.lane), []).append(counts)
    by_subscription = {name: _sum(found, {}) for name, found in parts.items()}
    return _sum([counts for found in parts.values() for counts in found], by_subscription)


def _sum(parts: Sequence[LaneCounts], by_subscription: dict[str, Stats]) -> Stats:
    return Stats(
        pending=sum(part.pending for part in parts),
        delivered=sum(part.delivered for part in parts),
        exhausted=sum(part.exhausted for part in parts),
        cancelled=sum(part.cancelled for part in parts),
        oldest_pending_age=max((part.age for part in parts), default=0.0),
        by_subscription=by_subscription,
    )


def subscription_body(subscription: Subscription) -> str:
    """A subscription as JSON, with its secrets."""
    return _SUBSCRIPTION.dump_json(subscription).decode()


def subscription(body: str) -> Subscription:
    """A subscription from its JSON; the same object while somebody holds it, and nothing of it, secrets among it, after that.

    A catalogue is read again at each change, and most of it is as it was.
    """
    found = _HELD.get(body)
    if found is None:
        found = _HELD[body] = _SUBSCRIPTION.validate_json(body)
    return found


def event_type_body(event_type: EventType) -> str:
    """An event type as JSON."""
    return _EVENT_TYPE.dump_json(event_type).decode()


@lru_cache(maxsize=1024)
def event_type(body: str) -> EventType:
    """An event type from its JSON."""
    return _EVENT_TYPE.validate_json(body)
