"""Small makers of what a store is fed with."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from hookline.clock import moment
from hookline.model import (
    JSON,
    NO_LABELS,
    STANDARD,
    Attempt,
    BodyFormat,
    Event,
    EventType,
    Ordering,
    Secret,
    Subscription,
    SubscriptionState,
)
from hookline.store.protocol import (
    Accepted,
    Appended,
    ClaimRequest,
    Job,
    JobKind,
    LaneKey,
    NewDelivery,
    Result,
    Routed,
    Settlement,
    Store,
    Work,
)

TENANT = "acme"
NOON = 4_000_017_600_000_000
"""Noon of the 2nd of October 2096, which is no day near the one on which the tests run."""
SECOND = 1_000_000
_numbers = count(1)


def unique(prefix: str) -> str:
    return f"{prefix}_{next(_numbers):08d}"


def make_event(
    event_id: str = "",
    *,
    tenant: str = TENANT,
    type: str = "invoice.paid",  # the field's name
    data: bytes = b'{"a": 1}',
    key: str = "",
    ordering_key: str = "",
    accepted: int = NOON,
    not_before: datetime | None = None,
) -> Event:
    return Event(
        tenant=tenant,
        id=event_id or unique("evt"),
        type=type,
        source="billing",
        subject="in_1",
        time=moment(accepted - SECOND),
        data=data,
        data_content_type=JSON,
        data_schema="",
        labels=NO_LABELS,
        idempotency_key=key,
        ordering_key=ordering_key,
        not_before_time=not_before,
        traceparent="",
        accept_time=moment(accepted),
    )


def route(event: Event, lanes: Sequence[str] = (), *, revision: int, digest: bytes = b"same", fanout: bool = False) -> Routed:
    return Routed(event, digest, revision, [NewDelivery(lane, unique("dlv")) for lane in lanes], fanout)


def make_subscription(name: str = "", *, tenant: str = TENANT, ordered: bool = False, etag: str = "1") -> Subscription:
    return Subscription(
        tenant=tenant,
        id=name or unique("sub"),
        url="https://receiver.example/hooks",
        event_types=("invoice.*",),
        description="",
        body_format=BodyFormat.STANDARD,
        signature_scheme="standard",
        headers={"X-One": "1"},
        retry=STANDARD,
        timeout=15.0,
        max_in_flight=8,
        ordering=Ordering.BY_KEY if ordered else Ordering.NONE,
        labels=NO_LABELS,
        state=SubscriptionState.ACTIVE,
        state_reason="",
        etag=etag,
        create_time=moment(NOON),
        update_time=moment(NOON),
        secrets=(Secret(value="whsec_new"), Secret(value="whsec_old", expire_time=moment(NOON + SECOND))),
    )


def make_event_type(name: str, *, tenant: str = TENANT, etag: str = "1") -> EventType:
    return EventType(tenant=tenant, name=name, schema="{}", etag=etag, create_time=moment(NOON), update_time=moment(NOON))


def make_job(kind: JobKind, subject: str, *, tenant: str = TENANT, job_id: str = "") -> Job:
    return Job(
        tenant=tenant,
        id=job_id or unique("job"),
        kind=kind,
        subject=subject,
        spec="{}",
        cursor="",
        scanned=0,
        added=0,
        cancelled=False,
        create_time=moment(NOON),
        finish_time=None,
    )


def make_attempt(work: Work, attempt_id: str = "", *, status: int = 204, at: int = NOON, next_at: int | None = None) -> Attempt:
    return Attempt(
        tenant=work.tenant,
        id=attempt_id or unique("att"),
        delivery_id=work.delivery_id,
        event_id=work.event.id,
        subscription_id=work.lane,
        run=work.run,
        number=work.attempts + 1,
        start_time=moment(at),
        duration=0.25,
        url="https://receiver.example/hooks",
        address="203.0.113.7:443",
        status=status,
        answer=b"thanks",
        error=None,
        detail="",
        next_attempt_time=None if next_at is None else moment(next_at),
    )


def outcome(
    work: Work,
    result: Result = Result.DELIVERED,
    *,
    epoch: int = 1,
    at: int = NOON,
    due: int | None = None,
    attempt_id: str = "",
    tried: bool = True,
    reason: str = "",
) -> Settlement:
    attempt = make_attempt(work, attempt_id, at=at, next_at=due) if tried else None
    return Settlement(work, epoch, result, attempt, reason, at, due, run_start=at if tried else 0)


class Yard:
    """A store with a node and some lanes of its own."""

    def __init__(self, store: Store, node: int, lanes: Sequence[str], tenant: str) -> None:
        self.store = store
        self.node = node
        self.lanes = lanes
        self.tenant = tenant

    @classmethod
    async def make(cls, store: Store, lanes: int = 1, *, ordered: bool = False, tenant: str = TENANT) -> "Yard":
        node = await store.join()
        names = [unique("sub") for _ in range(lanes)]
        for name in names:
            await store.add_subscription(make_subscription(name, tenant=tenant, ordered=ordered), owner=node)
        return cls(store, node, names, tenant)

    @property
    def key(self) -> LaneKey:
        return LaneKey(self.tenant, self.lanes[0])

    async def revision(self) -> int:
        return (await self.store.revisions()).get(self.tenant, 0)

    async def append(self, *events: Event) -> Sequence[Appended]:
        revision = await self.revision()
        return await self.store.append(self.node, [route(event, self.lanes, revision=revision) for event in events])

    async def emit(self, number: int = 1, **how: str) -> list[int]:
        answers = await self.append(*(make_event(tenant=self.tenant, **how) for _ in range(number)))  # type: ignore[arg-type]  # strings only
        return [answer.positions[0] for answer in answers if isinstance(answer, Accepted)]

    async def claim(self, room: int = 100, cursor: object | None = None) -> Sequence[Work]:
        return (await self.store.claim([ClaimRequest(self.key, cursor, room)]))[0].works

    async def work(self, **how: str) -> Work:
        """A new work, claimed."""
        (pos,) = await self.emit(**how)
        return next(work for work in await self.claim() if work.pos == pos)
