"""The PostgreSQL store: the verbs of the protocol over a few connections."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from hookline.clock import Clock, now_micros
from hookline.errors import Closed, StoreError
from hookline.model import Attempt, DeliveryState, Event, EventType, Stats, Subscription
from hookline.outbox import Outbox
from hookline.store.postgres import (
    catalogue,
    events,
    faults,
    hand,
    history,
    jobs,
    migrations,
    repeated,
)
from hookline.store.postgres.address import Address
from hookline.store.postgres.outbox import PostgresOutbox
from hookline.store.postgres.parts import Parts
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.positions import check_positions
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
from hookline.store.sqlite.settle import check

FLOOR: Final = 1.0
"""Seconds between two looks at what others have put into our lanes, in case a wake got lost."""
POOLED_FLOOR: Final = 0.2
"""The same where a pooler lets no wakes through."""


class PostgresStore:
    """See the module. Every verb raises Unavailable while the server is away, and works again when it is back."""

    def __init__(self, address: Address, clock: Clock, *, floor: float | None = -1.0) -> None:
        """Make a store that is not open yet. `floor` None: nobody polls, only wakes tell what others did."""
        self.address: Final = address
        self._clock = clock
        self._floor = (POOLED_FLOOR if address.pooler else FLOOR) if floor == -1.0 else floor
        self._reason = "the store is not open"
        self._pool: Pool | None = None
        self._parts: Parts | None = None

    async def open(self) -> None:
        """Open, migrate if needed. Raises StoreError: one line that says what is missing and how to grant it."""
        if self._parts is not None:
            return
        await migrations.migrate_at(self.address)
        parts = Parts(self.address, self._clock, self._floor)
        try:
            await check_positions(parts.pool, self.address)
            await parts.retention.provide(self._now())
        except faults.OPENING as error:
            raise faults.at_opening(error, self.address) from error
        except StoreError:
            await parts.pool.close()
            raise
        self._parts = parts

    async def close(self) -> None:
        """Finish the running commits and close. Safe to repeat."""
        parts, self._parts, self._reason = self._parts, None, "the store is closed"
        if parts is not None and parts.process == os.getpid():
            await parts.appends.drain()
            await parts.settles.drain()
            await parts.wakes.close()
            await parts.vital.close()
            await parts.pool.close()

    @property
    def _the(self) -> "Parts":
        if self._parts is None:
            raise Closed(self._reason)
        if self._parts.process != os.getpid():
            raise Closed("this store was opened before a fork: open a new one in the child process")
        return self._parts

    @property
    def clock_offset(self) -> float:
        """Seconds by which the database's wall clock is ahead of this machine's, as the node's beats measure it; else 0."""
        return 0.0 if self._parts is None else self._parts.nodes.clock_offset

    def _now(self) -> int:
        return now_micros(self._clock)

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node`."""
        self._the.wakes.listen(node, heard)

    async def backup(self, target: Path) -> None:
        """Refused: PostgreSQL has its own ways. Raises StoreError."""
        raise StoreError(f"{self.address.shown} is no file to copy to {target}: use pg_dump, or your server's own backups")

    # The event log.

    async def append(self, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        """Store events with their deliveries, one commit; answer i belongs to event i."""
        return await self._the.appends.submit(node, batch) if batch else ()

    async def event(self, tenant: str, event_id: str) -> Event | None:
        """One event."""
        return await events.event(self._the.pool, tenant, event_id)

    async def events(self, tenant: str, which: EventFilter, *, before: int | None, limit: int) -> Sequence[Positioned]:
        """Events in falling position, below `before`."""
        return await events.falling(self._the.pool, tenant, which, before, limit)

    async def scan(self, tenant: str, which: EventFilter, *, after: int, limit: int) -> Sequence[Positioned]:
        """Events in rising position, above `after`; survives late commits."""
        return await events.rising(self._the.pool, tenant, which, after, limit)

    # Nodes and lanes.

    async def join(self) -> int:
        """Begin as a new node; its id."""
        return await self._the.nodes.join()

    async def beat(self, node: int, load: int) -> Sequence[NodeRow]:
        """One heartbeat; the living nodes."""
        return await self._the.nodes.beat(node, load)

    async def bury(self, node: int, beat: int) -> bool:
        """Remove a node whose (id, beat) has stood still."""
        return await self._the.nodes.bury(node, beat)

    async def dead(self) -> Sequence[NodeRow]:
        """Nobody: over a network, only a heart that stands still tells."""
        return ()

    async def leave(self, node: int) -> None:
        """Go: the lanes become orphans, and the others are woken to sweep them."""
        await self._the.nodes.leave(node)

    async def sweep(self, node: int, limit: int) -> Sequence[OwnedLane]:
        """Take up to `limit` lanes whose owner is dead."""
        return await self._the.nodes.sweep(node, limit)

    async def mine(self, node: int) -> Sequence[OwnedLane]:
        """Every lane that `node` owns."""
        return await self._the.nodes.mine(node)

    async def hand(self, node: int, lane: OwnedLane, to: int) -> bool:
        """Give a drained lane to a living node."""
        return await self._the.nodes.hand(node, lane, to)

    async def retake(self, node: int, lane: OwnedLane) -> OwnedLane | None:
        """Raise the epoch of a lane; None: not ours any more."""
        return await self._the.nodes.retake(node, lane)

    async def keep(self, node: int, states: Sequence[tuple[OwnedLane, str]]) -> None:
        """Keep a small text with each lane that `node` owns."""
        if states:
            await self._the.nodes.keep(node, states)

    async def states(self, tenant: str, lanes: Sequence[str]) -> Mapping[str, str]:
        """What is kept with these lanes."""
        return await self._the.nodes.states(tenant, lanes)

    async def lanes(self, tenant: str, subscription_id: str) -> Mapping[str, bool]:
        """The lanes of a subscription, and whether something is pending in each."""
        return await history.lanes(self._the.pool, tenant, subscription_id)

    # What is pending.

    async def claim(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimAnswer]:
        """Read fresh works."""
        return await self._the.reader.claim(requests) if requests else ()

    async def due(self, requests: Sequence[DueRequest]) -> Sequence[DueAnswer]:
        """Read waiting works that are due."""
        return await self._the.reader.due(requests) if requests else ()

    async def probe(self, key: LaneKey, ordering_key: str, room: int) -> Sequence[Work]:
        """Fresh works of one ordering key, in commit order."""
        return await self._the.reader.probe(key, ordering_key, room)

    async def settle(self, node: int, batch: Sequence[Settlement]) -> Settled:
        """Write outcomes, one commit, fenced by the lanes' epochs. Raises ValueError for two outcomes of one work."""
        check(batch)
        return await self._the.settles.submit(node, batch) if batch else Settled(frozenset(), frozenset())

    async def cancel(self, tenant: str, delivery_id: str, *, reason: str, at: int) -> bool:
        """Cancel a pending delivery; False if it was not pending."""
        return await hand.cancel(self._the.pool, self._the.wakes, tenant, delivery_id, reason=reason, at=at)

    async def requeue(self, tenant: str, delivery_id: str, *, at: int) -> bool:
        """Make a delivery due now; False if there was nothing to do."""
        return await hand.requeue(self._the.pool, self._the.wakes, tenant, delivery_id, at)

    async def lapse(self, key: LaneKey, *, before: int, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` pending works of a lane that were made before `before`; how many."""
        return await hand.lapse(self._the.pool, self._the.wakes, key, before=before, limit=limit, reason=reason, at=at)

    # Jobs.

    async def jobs(self) -> Sequence[Job]:
        """Every job that is not finished."""
        return await jobs.unfinished(self._the.pool)

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """One job, finished or not."""
        return await jobs.one(self._the.pool, tenant, job_id)

    async def replays(self, tenant: str, subscription_id: str, *, before: str, limit: int) -> Sequence[Job]:
        """Replays in falling order of their ids, below `before`."""
        return await jobs.replays(self._the.pool, tenant, subscription_id, before, limit)

    async def add_job(self, job: Job, request: Repeatable | None = None) -> Job:
        """Begin a job; if `request` was made before, the job of then."""
        return await jobs.add(self._the.pool, self._the.wakes, job, request, self._now())

    async def step(
        self, job: Job, *, cursor: str, scanned: int, deliveries: Sequence[JobDelivery], finished: bool, at: int
    ) -> bool:
        """Move a job and add its deliveries; False if somebody else moved it, or it ended. `scanned` is added to the count."""
        the = self._the
        return await jobs.step(
            the.pool, the.wakes, job, cursor=cursor, scanned=scanned, deliveries=deliveries, finished=finished, at=at
        )

    async def drain(self, job: Job, *, limit: int, reason: str, at: int) -> int:
        """Cancel up to `limit` works of the lane `job.subject`."""
        return await jobs.drain(self._the.pool, self._the.wakes, job, limit=limit, reason=reason, at=at)

    async def end_job(self, tenant: str, job_id: str, *, at: int) -> bool:
        """Cancel a job; False if it is finished already or unknown."""
        return await jobs.end(self._the.pool, self._the.wakes, tenant, job_id, at)

    # The catalogue.

    async def revisions(self) -> Mapping[str, int]:
        """The catalogue revision of every tenant that has one."""
        return await catalogue.revisions(self._the.pool)

    async def catalogue(self, tenant: str) -> CatalogueView:
        """A tenant's catalogue, consistent at one revision."""
        return await catalogue.view(self._the.pool, tenant)

    async def recall(self, tenant: str, method: str, request_id: str) -> Recalled | None:
        """The first answer to a repeatable call."""
        return await repeated.recall(self._the.pool, tenant, method, request_id)

    async def add_subscription(self, subscription: Subscription, *, owner: int, request: Repeatable | None = None) -> str:
        """Store a new one with its lane. Raises AlreadyExists if its id was ever used."""
        return await catalogue.add_subscription(
            self._the.pool, self._the.wakes, subscription, owner=owner, request=request, at=self._now()
        )

    async def replace_subscription(self, subscription: Subscription, *, etag: str, request: Repeatable | None = None) -> bool:
        """Replace the one that stands with `etag`."""
        return await catalogue.replace_subscription(
            self._the.pool, self._the.wakes, subscription, etag=etag, request=request, at=self._now()
        )

    async def remove_subscription(self, tenant: str, subscription_id: str, *, etag: str, job: Job) -> bool:
        """Remove it and add the drain job of its lane."""
        return await catalogue.remove_subscription(self._the.pool, self._the.wakes, tenant, subscription_id, etag=etag, job=job)

    async def subscription(self, tenant: str, subscription_id: str) -> Subscription | None:
        """One subscription, with its secrets."""
        return await catalogue.subscription(self._the.pool, tenant, subscription_id)

    async def subscriptions(self, tenant: str, *, after: str, limit: int) -> Sequence[Subscription]:
        """Subscriptions in the order of their ids, above `after`."""
        return await catalogue.subscriptions(self._the.pool, tenant, after, limit)

    async def put_event_type(self, event_type: EventType, *, etag: str | None) -> bool:
        """Store it, if what stands is what the caller saw."""
        return await catalogue.put_event_type(self._the.pool, self._the.wakes, event_type, etag)

    async def remove_event_type(self, tenant: str, name: str, *, etag: str) -> bool:
        """Remove the one that stands with `etag`."""
        return await catalogue.remove_event_type(self._the.pool, self._the.wakes, tenant, name, etag)

    async def event_type(self, tenant: str, name: str) -> EventType | None:
        """One event type."""
        return await catalogue.event_type(self._the.pool, tenant, name)

    async def event_types(self, tenant: str, *, after: str, limit: int) -> Sequence[EventType]:
        """Event types by name, above `after`."""
        return await catalogue.event_types(self._the.pool, tenant, after, limit)

    async def pressure(self, margin: int) -> str:
        """Nothing: what room the database has is its operator's to watch, and it refuses by itself."""
        del margin
        return ""

    async def outboxes(self) -> Sequence[Outbox]:
        """The one that `hookline.emit` writes."""
        return (PostgresOutbox(self._the.pool),)

    # History.

    async def delivery(self, tenant: str, delivery_id: str) -> StoredDelivery | None:
        """One delivery, pending or finished."""
        return await history.delivery(self._the.pool, tenant, delivery_id)

    async def blocker(self, tenant: str, delivery_id: str) -> str | None:
        """The earlier pending delivery that this one waits for in an ordered lane."""
        return await history.blocker(self._the.pool, tenant, delivery_id)

    async def deliveries(self, tenant: str, which: DeliveryFilter, *, before: int | None, limit: int) -> Sequence[StoredDelivery]:
        """Deliveries in falling position, below `before`."""
        return await history.deliveries(self._the.pool, tenant, which, before, limit)

    async def standings(self, tenant: str, subscription_id: str, event_ids: Sequence[str]) -> Mapping[str, DeliveryState]:
        """The state of each event's last delivery to a subscription."""
        return await history.standings(self._the.pool, tenant, subscription_id, event_ids)

    async def attempts(self, tenant: str, delivery_id: str) -> Sequence[Attempt]:
        """Attempts of a delivery, oldest first."""
        return await history.attempts(self._the.pool, tenant, delivery_id)

    async def changes(self, tenant: str, *, after: int, limit: int) -> Sequence[StoredChange]:
        """Attempts and changes of state in rising position, above `after`; survives late commits."""
        return await history.changes(self._the.pool, tenant, after, limit)

    async def head(self, tenant: str) -> int:
        """The position after which changes are still to come (of all tenants: one counter serves them)."""
        del tenant
        return await history.head(self._the.pool)

    async def horizon(self, tenant: str) -> int:
        """The position up to which retention may have removed changes."""
        return await history.horizon(self._the.pool, tenant)

    async def stats(self, tenant: str, *, now: int) -> Stats:
        """Counts by state and subscription."""
        return await history.stats(self._the.pool, tenant, now)

    async def purge(self, *, finished_before: int, keys_before: int, limit: int) -> Purged:
        """One small step of retention."""
        return await self._the.retention.purge(
            now=self._now(), finished_before=finished_before, keys_before=keys_before, limit=limit
        )
