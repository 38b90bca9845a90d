"""Deliveries, attempts, and why a delivery does not move."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands; why a pending one does not move is its hold."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"


class HoldKind(StrEnum):
    """Why a pending delivery does not move."""

    PAUSED = "paused"
    DISABLED = "disabled"
    RETRY = "retry"
    """Waits for its next attempt."""
    SCHEDULED = "scheduled"
    """Not before the event's `not_before_time`."""
    ORDERING = "ordering"
    """Behind an earlier delivery of the same ordering key."""
    BREAKER = "breaker"
    """The subscription's circuit breaker is open."""
    RATE = "rate"
    """The rate limit is used up, or the receiver asked to be called less."""
    CONCURRENCY = "concurrency"
    """As many requests as there may be at a time are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a pending delivery does not move, in words, and until when if that is known."""

    kind: HoldKind
    reason: str
    until: datetime | None = None


class ErrorClass(StrEnum):
    """What went wrong with an attempt, for programs."""

    TIMEOUT = "timeout"
    DNS = "dns"
    REFUSED = "refused"
    CONNECTION = "connection"
    """Could not connect, or the connection broke."""
    TLS = "tls"
    PROTOCOL = "protocol"
    """The answer was not HTTP."""
    BLOCKED = "blocked"
    """The address guard refused the receiver's address."""
    STATUS = "status"
    """An answer came, and its status is not a success."""
    REDIRECT = "redirect"
    """An answer came that points elsewhere; redirects are never followed."""
    BODY = "body"
    """The body could not be made from the event, so nothing was sent."""
    INTERRUPTED = "interrupted"
    """The node stopped before an answer came; the receiver may have taken it."""
    AUTHENTICATION = "authentication"
    """No token could be fetched to authenticate with, so nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request of a delivery, as the audit log keeps it.

    `number` counts from 1 within its run, `run` from 1. `duration` is in seconds. `address` is the
    IP address and port that were dialled, empty if none was. `status` is 0 without an answer.
    `answer` is the first bytes of the answer's body, at most 16 KiB. `superseded`: the outcome came
    after the node had lost the lane, or after the delivery was cancelled, and changed nothing.
    """

    tenant: str
    id: str
    delivery_id: str
    event_id: str
    subscription_id: str
    run: int
    number: int
    start_time: datetime
    duration: float
    url: str
    address: str
    status: int
    answer: bytes
    error: ErrorClass | None
    detail: str
    next_attempt_time: datetime | None
    superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one subscription.

    `attempts` counts over all runs. `next_attempt_time` is set while it waits, `finish_time` when it
    is no longer pending. `reason` says in words why it ended so, or what the last attempt met.
    """

    tenant: str
    id: str
    event_id: str
    event_type: str
    subscription_id: str
    webhook_id: str
    state: DeliveryState
    reason: str
    run: int
    attempts: int
    create_time: datetime
    next_attempt_time: datetime | None = None
    finish_time: datetime | None = None
    hold: Hold | None = None
    replay_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that happened to a delivery: an attempt, or a change of state without one.

    `cursor` is opaque; watching from it continues after this change.
    """

    delivery: Delivery
    attempt: Attempt | None
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Nothing happened, but the watch stands at `cursor` now."""

    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts of deliveries by state, and the age in seconds of the oldest one that is due.

    A subscription that was deleted counts until it has nothing pending any more.
    """

    pending: int
    delivered: int
    exhausted: int
    cancelled: int
    oldest_pending_age: float
    by_subscription: Mapping[str, "Stats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """A test event as it was sent, or as it would be: `attempt` is None in a dry run."""

    __test__ = False

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    attempt: Attempt | None


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A long-running, resumable job that delivers past events again.

    `new_webhook_ids`: receivers see new ids and so handle the events again; otherwise a receiver that
    deduplicates ignores what it has had. At most `max_per_second` deliveries are queued a second. `states`,
    `without_delivery` and `filter` are as `Events.replay` has them.
    """

    tenant: str
    id: str
    subscription_id: str
    event_types: tuple[str, ...]
    from_time: datetime | None
    to_time: datetime | None
    new_webhook_ids: bool
    state: ReplayState
    scanned: int
    replayed: int
    create_time: datetime
    finish_time: datetime | None = None
    max_per_second: int = 0
    states: tuple[DeliveryState, ...] = ()
    without_delivery: bool = False
    filter: str = ""
