"""What the engine asks of a store; every store passes one suite (tests/store).

Four protocols, one object: the event log, the work queue, the catalogue, the history. Times are
microseconds since 1970-01-01T00:00Z; positions are 64-bit integers in commit order. Every verb is one
transaction: all of it happens or nothing. A verb that cannot reach the store raises `Unavailable`.

Ownership (docs/concepts.md, "Lanes"): a lane belongs to one node; its epoch fences every settle. A
node is one incarnation of a delivering process: its id is never reused, and a node without a row is
dead. Owner 0 never has a row, so a lane born in a process that does not deliver is an orphan from
the start and is swept by the first node that looks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hookline.model import (
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    EventType,
    Stats,
    Subscription,
)
from hookline.outbox import Outbox

NOBODY: Final = 0
"""The owner of a lane that was born where nobody delivers."""

Cursor = object
"""Where a claim stands; made and understood by the store alone. None is the beginning."""


class LaneKey(NamedTuple):
    """A lane's name within the tenant; `hookline.lanes` says whose lane that is."""

    tenant: str
    lane: str


class OwnedLane(NamedTuple):
    """A lane as its owner holds it; `state` is what the last owner kept with it (see `keep`), empty at first."""

    key: LaneKey
    epoch: int
    ordered: bool
    state: str = ""


class NodeRow(NamedTuple):
    """A living incarnation of a delivering process."""

    id: int
    beat: int
    load: int


class NewDelivery(NamedTuple):
    """A delivery to append: one event for one lane."""

    lane: str
    delivery_id: str


class Routed(NamedTuple):
    """An event with its deliveries, as routed by revision `revision` of its tenant's catalogue.

    `digest` is the hash over what the caller said. With `fanout` the deliveries are left to the
    router: the append adds a fan-out job instead, which serves none but the lanes that stand by then.
    Those `in_turn` get a position above all that were appended in turn before; events of an outbox, of
    which several readers may append the same and the next ones at once.
    """

    event: Event
    digest: bytes
    revision: int
    deliveries: Sequence[NewDelivery]
    fanout: bool = False
    in_turn: bool = False


class Accepted(NamedTuple):
    """The event is on disk; `positions[i]` is that of `deliveries[i]`."""

    positions: Sequence[int]


class Duplicate(NamedTuple):
    """The same id or key with the same content was accepted before."""

    event_id: str
    accept_time: datetime


class Clash(NamedTuple):
    """The same id or key stands with other content. `field` is `id` or `idempotency_key`."""

    field: str
    event_id: str


class Stale(NamedTuple):
    """The catalogue has moved on; nothing of this event was stored. Route again and repeat."""

    revision: int


Appended = Accepted | Duplicate | Clash | Stale


class Work(NamedTuple):
    """A pending delivery as the lane holds it.

    `due` is None for one that was never tried in this run (it stands in `fresh`); else the time for
    which it waited (in `later`). `attempts` counts within the run; `before` counts those of former
    runs. `run_start` is when the run's first attempt began (microseconds), 0 before it. `aside`: it waited
    without its ordering key (see `Settlement`).
    """

    tenant: str
    lane: str
    pos: int
    due: int | None
    delivery_id: str
    webhook_id: str
    event: Event
    run: int
    attempts: int
    before: int
    run_start: int
    aside: bool = False


class ClaimRequest(NamedTuple):
    """Up to `room` works of a lane, from `cursor` on, in commit order."""

    key: LaneKey
    cursor: Cursor | None
    room: int


class ClaimAnswer(NamedTuple):
    """`works` in commit order; `more` if there is more than the room, or the store's bound on an answer's size, allowed.

    A lane in order leaves out the works of a key that has a waiting delivery.
    """

    works: Sequence[Work]
    cursor: Cursor
    more: bool


FIRST: Final = (-(1 << 62), -1)
"""A due time and a position before all others."""


class DueRequest(NamedTuple):
    """Up to `room` waiting works of a lane that are due at `until` (microseconds), earliest first, of those after `after`.

    `after` is the due time and the position of one that was read before: what was read and is over leaves dead rows
    behind, which need not be passed again.
    """

    key: LaneKey
    until: int
    room: int
    after: tuple[int, int] = FIRST


class DueAnswer(NamedTuple):
    """`next_due` is the time of the first waiting work after `until` (microseconds), None if there is none."""

    works: Sequence[Work]
    next_due: int | None
    more: bool


class Result(StrEnum):
    """What a settlement does to a delivery."""

    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"
    WAIT = "wait"
    """Waits (again), until `Settlement.due`: for a retry, or for the event's not_before_time."""


class Settlement(NamedTuple):
    """The outcome of one work. `attempt` is None if no request was made (scheduled, cancelled).

    `run_start` is kept with a work that waits. With `aside` it waits without its ordering key: it holds
    back nothing that has the same.
    """

    work: Work
    epoch: int
    result: Result
    attempt: Attempt | None
    reason: str
    at: int
    due: int | None = None
    run_start: int = 0
    aside: bool = False


class Settled(NamedTuple):
    """What a settle could not do.

    `lost`: lanes that this node does not own (any more) at that epoch; nothing of theirs was changed,
    their attempts were written as superseded. `gone`: positions whose work was no longer pending
    (cancelled in between); their attempts were written as superseded.
    """

    lost: frozenset[LaneKey]
    gone: frozenset[int]


class JobKind(StrEnum):
    """What goes on behind the acknowledgement."""

    FANOUT = "fanout"
    """`subject` is an event; the cursor is the last subscription id that was served."""
    REPLAY = "replay"
    """`subject` is a subscription; the cursor is the position of the last event that was scanned."""
    DRAIN = "drain"
    """`subject` is a subscription that is deleted; what is pending in its lanes is cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that is done in steps; `spec` is JSON and never changes, `cursor` moves with each step."""

    tenant: str
    id: str
    kind: JobKind
    subject: str
    spec: str
    cursor: str
    scanned: int
    added: int
    cancelled: bool
    create_time: datetime
    finish_time: datetime | None


class JobDelivery(NamedTuple):
    """A delivery that a job adds; `webhook_id` is the event's id unless a replay asks for a new one."""

    lane: str
    delivery_id: str
    event_id: str
    webhook_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatable:
    """A call that may be repeated: its method, the caller's request_id, and a digest of what was asked.

    `result` is what `recall` answers; empty means the id of what is made or changed.
    """

    method: str
    request_id: str
    digest: bytes
    result: str = ""


class Recalled(NamedTuple):
    """The first answer to a repeatable call: the digest then, and the name of what was made."""

    digest: bytes
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueView:
    """A tenant's catalogue at one revision; `subscriptions` with their secrets, in the order of their ids."""

    revision: int
    subscriptions: Sequence[Subscription]
    event_types: Sequence[EventType]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries; None or empty means any. Times in microseconds bound the creation, the end excluded."""

    state: DeliveryState | None = None
    subscription_id: str = ""
    event_id: str = ""
    event_type: str = ""
    replay_id: str = ""
    from_time: int | None = None
    to_time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; empty `types` means any (patterns are resolved by the caller). Times bound accept_time."""

    types: tuple[str, ...] = ()
    from_time: int | None = None
    to_time: int | None = None


class Positioned(NamedTuple):
    """An event and its position in commit order."""

    pos: int
    event: Event


class StoredDelivery(NamedTuple):
    """A delivery with its position (the page token of a list), and the lane that it stands in, or stood."""

    pos: int
    delivery: Delivery
    lane: str


class StoredChange(NamedTuple):
    """A change with its position (the cursor of a watch). `attempt` is None for a change of state without one."""

    pos: int
    delivery: Delivery
    attempt: Attempt | None


class Purged(NamedTuple):
    """What one step of retention removed."""

    deliveries: int
    attempts: int
    events: int
    records: int = 0
    """What has expired beside: idempotency records, repeatable calls, jobs, lanes that are over."""


class WakeKind(StrEnum):
    """What another process (or this one) has done that a node should look at."""

    LANES = "lanes"
    """Something was appended to these lanes of yours."""
    CATALOGUE = "catalogue"
    """These tenants' catalogues have changed (`lanes` carries the tenant, with an empty lane)."""
    NODES = "nodes"
    """A node came or went, or a lane was born an orphan or handed over: sweep, and look at what is yours."""
    JOBS = "jobs"
    FORGET = "forget"
    """Works of yours were cancelled or moved: drop them from memory (`lanes` names them, `ids` the deliveries)."""
    LOOK = "look"
    """Too much to list: look at everything."""


class Wake(NamedTuple):
    """A hint; losing one costs latency only."""

    kind: WakeKind
    lanes: tuple[LaneKey, ...] = ()
    ids: tuple[str, ...] = ()


def in_turn(living: Sequence[int], after: int) -> Iterator[int]:
    """The owners of new lanes, for ever: the living nodes in turn, beginning after `after`; nobody if none lives."""
    nodes = sorted(living)
    return cycle([*(node for node in nodes if node > after), *(node for node in nodes if node <= after)] or [NOBODY])


class EventLog(Protocol):
    """Accepted events."""

    async def append(self, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        """Store events with their deliveries, one commit; answer i belongs to event i.

        Events of one batch that repeat each other's id or key are resolved in order. Wakes the owners
        of lanes that `node` does not own. `node` is NOBODY in a process that does not deliver.
        """

    async def event(self, tenant: str, event_id: str) -> Event | None:
        """One event."""

    async def events(self, tenant: str, which: EventFilter, *, before: int | None, limit: int) -> Sequence[Positioned]:
        """Events in falling commit order, below position `before`."""

    async def scan(self, tenant: str, which: EventFilter, *, after: int, limit: int) -> Sequence[Positioned]:
        """Events in rising commit order, above position `after`; survives late commits."""


class WorkQueue(Protocol):
    """Lanes, nodes, and what is pending."""

    async def join(self) -> int:
        """Begin as a new node; its id."""

    async def beat(self, node: int, load: int) -> Sequence[NodeRow]:
        """One heartbeat; the living nodes. If `node` is not among them, it was buried: it owns nothing."""

    async def bury(self, node: int, beat: int) -> bool:
        """Remove a node whose (id, beat) has stood still for the TTL on the caller's monotonic clock."""

    async def dead(self) -> Sequence[NodeRow]:
        """Nodes that are dead beyond doubt, without waiting for the TTL (SQLite: nobody holds their lock file)."""

    async def leave(self, node: int) -> None:
        """Go: the lanes become orphans, and the others are woken to sweep them."""

    async def sweep(self, node: int, limit: int) -> Sequence[OwnedLane]:
        """Take up to `limit` lanes whose owner is dead, each with a higher epoch."""

    async def mine(self, node: int) -> Sequence[OwnedLane]:
        """Every lane that `node` owns."""

    async def hand(self, node: int, lane: OwnedLane, to: int) -> bool:
        """Give a drained lane to a living node; False: not ours at that epoch, or `to` is dead."""

    async def retake(self, node: int, lane: OwnedLane) -> OwnedLane | None:
        """Raise the epoch of a lane after a `hand` that was refused or whose answer was lost; None: not ours any more."""

    async def keep(self, node: int, states: Sequence[tuple[OwnedLane, str]]) -> None:
        """Keep a small text with each lane (its breaker's state), for the next owner and for `states`; one commit.

        Of a lane that `node` does not own at that epoch nothing is kept.
        """

    async def states(self, tenant: str, lanes: Sequence[str]) -> Mapping[str, str]:
        """What is kept with these lanes, by name; a lane with which nothing is kept is left out."""

    async def lanes(self, tenant: str, subscription_id: str) -> Mapping[str, bool]:
        """The lanes of a subscription by name, those above its number among them; whether something is pending in each."""

    async def claim(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimAnswer]:
        """Read fresh works; answer i belongs to request i. Reads only: ownership is the caller's care.

        Raises ValueError when a request has no room: what it would bring could not be told from all there is.
        """

    async def due(self, requests: Sequence[DueRequest]) -> Sequence[DueAnswer]:
        """Read waiting works that are due; answer i belongs to request i. Raises ValueError as `claim` does."""

    async def probe(self, key: LaneKey, ordering_key: str, room: int) -> Sequence[Work]:
        """Fresh works of one ordering key, in commit order, whether or not one of the key waits."""

    async def settle(self, node: int, batch: Sequence[Settlement]) -> Settled:
        """Write outcomes, one commit, fenced by the lanes' epochs. Safe to repeat with the same attempt ids.

        Raises ValueError when two settlements name the same work.
        """

    async def cancel(self, tenant: str, delivery_id: str, *, reason: str, at: int) -> bool:
        """Cancel a pending delivery; False if it was not pending. Wakes its owner (FORGET)."""

    async def lapse(self, key: LaneKey, *, before: int, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` pending works of a lane whose deliveries were made before `before`; how many.

        `before` is in microseconds. Of those never tried and of those that wait the earliest come first. Wakes the
        owner (FORGET).
        """

    async def requeue(self, tenant: str, delivery_id: str, *, at: int) -> bool:
        """Make a delivery due now: a finished one begins a new run at the queue's end, a waiting one that is not yet
        due stops waiting. False if there was nothing to do (it is due or under way). Wakes its owner.
        """  # noqa: D205  # one sentence, two lines

    async def jobs(self) -> Sequence[Job]:
        """Every job that is not finished; fan-outs of a tenant in the order of their events."""

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """One job, finished or not."""

    async def replays(self, tenant: str, subscription_id: str, *, before: str, limit: int) -> Sequence[Job]:
        """Replays in falling order of their ids, below `before` if it is not empty; of any subscription if none is named."""

    async def add_job(self, job: Job, request: Repeatable | None = None) -> Job:
        """Begin a job; if `request` was made before, the job of then."""

    async def step(
        self, job: Job, *, cursor: str, scanned: int, deliveries: Sequence[JobDelivery], finished: bool, at: int
    ) -> bool:
        """Move a job from `job.cursor` to `cursor` and add its deliveries; False if somebody else moved it, or it ended."""

    async def drain(self, job: Job, *, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` works of the lanes of `job.subject`; 0 when they are empty, and then lanes and job are over."""

    async def end_job(self, tenant: str, job_id: str, *, at: int) -> bool:
        """Cancel a job; False if it is finished already or unknown."""


class Catalogue(Protocol):
    """Subscriptions and event types. Every write raises the tenant's revision and wakes all nodes."""

    async def revisions(self) -> Mapping[str, int]:
        """The catalogue revision of every tenant that has one; a tenant without one stands at 0."""

    async def catalogue(self, tenant: str) -> CatalogueView:
        """A tenant's catalogue, consistent at one revision."""

    async def recall(self, tenant: str, method: str, request_id: str) -> Recalled | None:
        """The first answer to a repeatable call."""

    async def add_subscription(self, subscription: Subscription, *, owner: int, request: Repeatable | None = None) -> str:
        """Store a new one with its lanes; its id, or that of the first call with this request.

        `owner` gets the first lane, the living nodes in turn the others.
        """

    async def replace_subscription(self, subscription: Subscription, *, etag: str, request: Repeatable | None = None) -> bool:
        """Replace the one that stands with `etag`; False if it has another etag or is gone. Lanes that it lacks are made."""

    async def remove_subscription(self, tenant: str, subscription_id: str, *, etag: str, job: Job) -> bool:
        """Remove it and add the drain job of its lanes; False if it has another etag or is gone."""

    async def subscription(self, tenant: str, subscription_id: str) -> Subscription | None:
        """One subscription, with its secrets."""

    async def subscriptions(self, tenant: str, *, after: str, limit: int) -> Sequence[Subscription]:
        """Subscriptions in the order of their ids, above `after`."""

    async def put_event_type(self, event_type: EventType, *, etag: str | None) -> bool:
        """Store it. `etag` None: whatever stands; empty: only if none stands; else only if that one stands."""

    async def remove_event_type(self, tenant: str, name: str, *, etag: str) -> bool:
        """Remove the one that stands with `etag`; False if it has another etag or is gone."""

    async def event_type(self, tenant: str, name: str) -> EventType | None:
        """One event type."""

    async def event_types(self, tenant: str, *, after: str, limit: int) -> Sequence[EventType]:
        """Event types by name, above `after`."""


class History(Protocol):
    """What was, and what stands."""

    async def delivery(self, tenant: str, delivery_id: str) -> StoredDelivery | None:
        """One delivery, pending or finished; `hold` is left to the caller (but `next_attempt_time` is set)."""

    async def blocker(self, tenant: str, delivery_id: str) -> str | None:
        """The first pending delivery of the same lane and ordering key, if that is an earlier one."""

    async def deliveries(self, tenant: str, which: DeliveryFilter, *, before: int | None, limit: int) -> Sequence[StoredDelivery]:
        """Deliveries in falling position, below `before`."""

    async def standings(self, tenant: str, subscription_id: str, event_ids: Sequence[str]) -> Mapping[str, DeliveryState]:
        """The state of each event's last delivery to a subscription; events that have none are left out."""

    async def attempts(self, tenant: str, delivery_id: str) -> Sequence[Attempt]:
        """Attempts of a delivery, oldest first."""

    async def changes(self, tenant: str, *, after: int, limit: int) -> Sequence[StoredChange]:
        """Attempts and changes of state in rising commit order, above position `after`; survives late commits."""

    async def head(self, tenant: str) -> int:
        """The position after which changes are still to come."""

    async def horizon(self, tenant: str) -> int:
        """The position up to which retention may have removed changes; an older cursor is expired."""

    async def stats(self, tenant: str, *, now: int) -> Stats:
        """Counts by state and subscription (finished ones: since the subscription was created)."""

    async def purge(self, *, finished_before: int, keys_before: int, limit: int) -> Purged:
        """One small step of retention: up to `limit` deliveries that finished before, with their attempts; then
        events without deliveries, accepted before; then idempotency records that expired. Nothing pending goes.
        """  # noqa: D205  # one sentence, two lines

    async def backup(self, target: Path) -> None:
        """Copy the whole store, consistently, while it runs. Raises StoreError (target exists, or cannot be written)."""


class Store(EventLog, WorkQueue, Catalogue, History, Protocol):
    """All four, and the life of the object."""

    async def open(self) -> None:
        """Open, migrate if needed. Raises StoreError: locked, corrupt, read-only, of a future version."""

    async def close(self) -> None:
        """Finish the running commit and close. Safe to repeat."""

    async def pressure(self, margin: int) -> str:
        """Why nothing new should be taken for now, in words; empty if something may. `margin` is in bytes of disk."""

    async def outboxes(self) -> Sequence[Outbox]:
        """The outboxes that belong to the store, whose events its nodes take."""

    @property
    def clock_offset(self) -> float:
        """Seconds by which the clock that all nodes share is ahead of this process's; 0 where it is the same, or not known."""

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node` by this or another process."""
