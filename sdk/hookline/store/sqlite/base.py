"""The verbs of the store, once, over a way to write and a way to read."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from hookline.clock import Clock, now_micros
from hookline.model import Attempt, DeliveryState, Event, EventType, Stats, Subscription
from hookline.outbox import Outbox
from hookline.store.protocol import (
    Appended,
    CatalogueView,
    ClaimAnswer,
    ClaimRequest,
    DeliveryFilter,
    DueAnswer,
    DueRequest,
    EventFilter,
    Job,
    JobDelivery,
    LaneKey,
    NodeRow,
    OwnedLane,
    Positioned,
    Purged,
    Recalled,
    Repeatable,
    Routed,
    Settled,
    Settlement,
    StoredChange,
    StoredDelivery,
    Wake,
    Work,
)
from hookline.store.sqlite import catalogue, events, history, jobs, nodes, queue, retention, settle
from hookline.store.sqlite.transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class SqlStore(ABC):
    """Every verb of the protocol; how a transaction comes about is left to the heirs."""

    clock_offset = 0.0
    """All nodes are on one machine, and have its clock."""

    def __init__(self, clock: Clock) -> None:
        """Make a store that is not open yet."""
        self._clock = clock
        self._scanned_events = 0  # where the search for events that nothing needs stands

    @abstractmethod
    async def _write(self, verb: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb in a write transaction and answer after its commit."""

    @abstractmethod
    async def _read(self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb on a snapshot that holds every commit acknowledged so far."""

    @abstractmethod
    async def open(self) -> None:
        """Open, migrate if needed. Raises StoreError."""

    @abstractmethod
    async def close(self) -> None:
        """Finish the running commit and close. Safe to repeat."""

    @abstractmethod
    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node`."""

    @abstractmethod
    async def join(self) -> int:
        """Begin as a new node; its id."""

    @abstractmethod
    async def dead(self) -> Sequence[NodeRow]:
        """Nodes that are dead beyond doubt."""

    @abstractmethod
    async def backup(self, target: Path) -> None:
        """Copy the whole store, consistently, while it runs. Raises StoreError."""

    def _now(self) -> int:
        return now_micros(self._clock)

    # The event log.

    async def append(self, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        """Store events with their deliveries, one commit; answer i belongs to event i."""
        return await self._write(events.append, node, batch)

    async def event(self, tenant: str, event_id: str) -> Event | None:
        """One event."""
        return await self._read(events.event, tenant, event_id)

    async def events(self, tenant: str, which: EventFilter, *, before: int | None, limit: int) -> Sequence[Positioned]:
        """Events in falling commit order, below position `before`."""
        return await self._read(events.falling, tenant, which, before, limit)

    async def scan(self, tenant: str, which: EventFilter, *, after: int, limit: int) -> Sequence[Positioned]:
        """Events in rising commit order, above position `after`."""
        return await self._read(events.rising, tenant, which, after, limit)

    # Nodes and lanes.

    async def beat(self, node: int, load: int) -> Sequence[NodeRow]:
        """One heartbeat; the living nodes."""
        return await self._write(nodes.beat, node, load)

    async def bury(self, node: int, beat: int) -> bool:
        """Remove a node whose (id, beat) has stood still."""
        return await self._write(nodes.bury, node, beat)

    async def leave(self, node: int) -> None:
        """Go: the lanes become orphans, and the others are woken to sweep them."""
        await self._write(nodes.leave, node)

    async def sweep(self, node: int, limit: int) -> Sequence[OwnedLane]:
        """Take up to `limit` lanes whose owner is dead."""
        if not await self._read(nodes.has_orphans):
            return ()
        return await self._write(nodes.sweep, node, limit)

    async def mine(self, node: int) -> Sequence[OwnedLane]:
        """Every lane that `node` owns."""
        return await self._read(nodes.mine, node)

    async def hand(self, node: int, lane: OwnedLane, to: int) -> bool:
        """Give a drained lane to a living node."""
        return await self._write(nodes.hand, node, lane, to)

    async def retake(self, node: int, lane: OwnedLane) -> OwnedLane | None:
        """Raise the epoch of a lane; None: not ours any more."""
        return await self._write(nodes.retake, node, lane)

    # What is pending.

    async def claim(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimAnswer]:
        """Read fresh works."""
        return await self._read(queue.claim, requests)

    async def due(self, requests: Sequence[DueRequest]) -> Sequence[DueAnswer]:
        """Read waiting works that are due."""
        return await self._read(queue.due, requests)

    async def probe(self, key: LaneKey, ordering_key: str, room: int) -> Sequence[Work]:
        """Fresh works of one ordering key, in commit order."""
        return await self._read(queue.probe, key, ordering_key, room)

    async def keep(self, node: int, states: Sequence[tuple[OwnedLane, str]]) -> None:
        """Keep a small text with each lane that `node` owns."""
        await self._write(nodes.keep, node, states)

    async def states(self, tenant: str, lanes: Sequence[str]) -> Mapping[str, str]:
        """What is kept with these lanes."""
        return await self._read(nodes.states, tenant, lanes)

    async def lanes(self, tenant: str, subscription_id: str) -> Mapping[str, bool]:
        """The lanes of a subscription, and whether something is pending in each."""
        return await self._read(history.lanes, tenant, subscription_id)

    async def settle(self, node: int, batch: Sequence[Settlement]) -> Settled:
        """Write outcomes, one commit, fenced by the lanes' epochs. Raises ValueError for two outcomes of one work."""
        settle.check(batch)
        return await self._write(settle.settle, node, batch)

    async def cancel(self, tenant: str, delivery_id: str, *, reason: str, at: int) -> bool:
        """Cancel a pending delivery; False if it was not pending."""
        return await self._write(queue.cancel, tenant, delivery_id, reason, at)

    async def lapse(self, key: LaneKey, *, before: int, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` pending works of a lane that were made before `before`; how many."""
        return await self._write(queue.lapse, key, before=before, limit=limit, reason=reason, at=at)

    async def requeue(self, tenant: str, delivery_id: str, *, at: int) -> bool:
        """Make a delivery due now; False if there was nothing to do."""
        return await self._write(queue.requeue, tenant, delivery_id, at)

    # Jobs.

    async def jobs(self) -> Sequence[Job]:
        """Every job that is not finished."""
        return await self._read(jobs.unfinished)

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """One job, finished or not."""
        return await self._read(jobs.one, tenant, job_id)

    async def replays(self, tenant: str, subscription_id: str, *, before: str, limit: int) -> Sequence[Job]:
        """Replays in falling order of their ids, below `before`."""
        return await self._read(jobs.replays, tenant, subscription_id, before, limit)

    async def add_job(self, job: Job, request: Repeatable | None = None) -> Job:
        """Begin a job; if `request` was made before, the job of then."""
        return await self._write(jobs.add, job, request, self._now())

    async def step(
        self, job: Job, *, cursor: str, scanned: int, deliveries: Sequence[JobDelivery], finished: bool, at: int
    ) -> bool:
        """Move a job and add its deliveries; False if somebody else moved it, or it ended. `scanned` is added to the count."""
        return await self._write(jobs.step, job, cursor=cursor, scanned=scanned, deliveries=deliveries, finished=finished, at=at)

    async def drain(self, job: Job, *, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` works of the lane `job.subject`."""
        return await self._write(jobs.drain, job, limit, reason, at)

    async def end_job(self, tenant: str, job_id: str, *, at: int) -> bool:
        """Cancel a job; False if it is finished already or unknown."""
        return await self._write(jobs.end, tenant, job_id, at)

    async def pressure(self, margin: int) -> str:
        """Nothing that is known here stands against more."""
        del margin
        return ""

    async def outboxes(self) -> Sequence[Outbox]:
        """None: on SQLite an outbox is a table in a file of the caller's, and named when the client is opened."""
        return ()

    # The catalogue.

    async def revisions(self) -> Mapping[str, int]:
        """The catalogue revision of every tenant that has one."""
        return await self._read(catalogue.revisions)

    async def catalogue(self, tenant: str) -> CatalogueView:
        """A tenant's catalogue, consistent at one revision."""
        return await self._read(catalogue.view, tenant)

    async def recall(self, tenant: str, method: str, request_id: str) -> Recalled | None:
        """The first answer to a repeatable call."""
        return await self._read(catalogue.recall, tenant, method, request_id)

    async def add_subscription(self, subscription: Subscription, *, owner: int, request: Repeatable | None = None) -> str:
        """Store a new one with its lane. Raises AlreadyExists if its id was ever used."""
        return await self._write(catalogue.add_subscription, subscription, owner, request, self._now())

    async def replace_subscription(self, subscription: Subscription, *, etag: str, request: Repeatable | None = None) -> bool:
        """Replace the one that stands with `etag`."""
        return await self._write(catalogue.replace_subscription, subscription, etag, request, self._now())

    async def remove_subscription(self, tenant: str, subscription_id: str, *, etag: str, job: Job) -> bool:
        """Remove it and add the drain job of its lane."""
        return await self._write(catalogue.remove_subscription, tenant, subscription_id, etag, job)

    async def subscription(self, tenant: str, subscription_id: str) -> Subscription | None:
        """One subscription, with its secrets."""
        return await self._read(catalogue.subscription, tenant, subscription_id)

    async def subscriptions(self, tenant: str, *, after: str, limit: int) -> Sequence[Subscription]:
        """Subscriptions in the order of their ids, above `after`."""
        return await self._read(catalogue.subscriptions, tenant, after, limit)

    async def put_event_type(self, event_type: EventType, *, etag: str | None) -> bool:
        """Store it, if what stands is what the caller saw."""
        return await self._write(catalogue.put_event_type, event_type, etag)

    async def remove_event_type(self, tenant: str, name: str, *, etag: str) -> bool:
        """Remove the one that stands with `etag`."""
        return await self._write(catalogue.remove_event_type, tenant, name, etag)

    async def event_type(self, tenant: str, name: str) -> EventType | None:
        """One event type."""
        return await self._read(catalogue.event_type, tenant, name)

    async def event_types(self, tenant: str, *, after: str, limit: int) -> Sequence[EventType]:
        """Event types by name, above `after`."""
        return await self._read(catalogue.event_types, tenant, after, limit)

    # History.

    async def delivery(self, tenant: str, delivery_id: str) -> StoredDelivery | None:
        """One delivery, pending or finished."""
        return await self._read(history.delivery, tenant, delivery_id)

    async def blocker(self, tenant: str, delivery_id: str) -> str | None:
        """The earlier pending delivery that this one waits for in an ordered lane."""
        return await self._read(history.blocker, tenant, delivery_id)

    async def deliveries(self, tenant: str, which: DeliveryFilter, *, before: int | None, limit: int) -> Sequence[StoredDelivery]:
        """Deliveries in falling position, below `before`."""
        return await self._read(history.deliveries, tenant, which, before, limit)

    async def standings(self, tenant: str, subscription_id: str, event_ids: Sequence[str]) -> Mapping[str, DeliveryState]:
        """The state of each event's last delivery to a subscription."""
        return await self._read(history.standings, tenant, subscription_id, event_ids)

    async def attempts(self, tenant: str, delivery_id: str) -> Sequence[Attempt]:
        """Attempts of a delivery, oldest first."""
        return await self._read(history.attempts, tenant, delivery_id)

    async def changes(self, tenant: str, *, after: int, limit: int) -> Sequence[StoredChange]:
        """Attempts and changes of state in rising commit order, above position `after`."""
        return await self._read(history.changes, tenant, after, limit)

    async def head(self, tenant: str) -> int:
        """The position after which changes are still to come (of all tenants: one counter serves them)."""
        del tenant
        return await self._read(history.head)

    async def horizon(self, tenant: str) -> int:
        """The position up to which retention may have removed changes."""
        return await self._read(history.horizon, tenant)

    async def stats(self, tenant: str, *, now: int) -> Stats:
        """Counts by state and subscription."""
        return await self._read(history.stats, tenant, now)

    async def purge(self, *, finished_before: int, keys_before: int, limit: int) -> Purged:
        """One small step of retention."""
        gone = await self._write(retention.purge_deliveries, finished_before, limit)
        found = await self._read(retention.unneeded, self._scanned_events, finished_before, limit)
        removed = await self._write(retention.purge_events, found, keys_before) if found else 0
        # The search goes on where it stopped, so that events which are kept are passed once a round.
        self._scanned_events = found[-1] if len(found) == limit else 0
        records = await self._write(retention.purge_records, finished_before, keys_before, limit)
        return Purged(gone.deliveries, gone.attempts, removed, records)
