"""The catalogue: subscriptions and event types, each write a revision.

A write raises its tenant's revision first: the row that holds it keeps the writes of one tenant in a row.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from hookline.errors import AlreadyExists
from hookline.lanes import lane_names
from hookline.model import EventType, Ordering, Subscription
from hookline.store.postgres import jobs
from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.repeated import recalled, remember
from hookline.store.postgres.statements import load
from hookline.store.postgres.wake import EVERYBODY, Wakes
from hookline.store.protocol import NOBODY, CatalogueView, Job, LaneKey, Repeatable, Wake, WakeKind, in_turn
from hookline.store.sqlite import rows as common

_SQL: Final = load("catalogue")
_NODES: Final = Wake(WakeKind.NODES)
T = TypeVar("T")


class _Refused(Exception):
    """Nothing is to be written; `answer` says what is answered."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer


async def _write(pool: Pool, wakes: Wakes, tenant: str, work: Callable[[Connection], Awaitable[T]]) -> tuple[T, bool]:
    """Change a tenant's catalogue; the answer, and whether anything was changed."""

    async def raised(connection: Connection, _: int) -> T:
        await connection.execute(_SQL["raise"], tenant)
        return await work(connection)

    try:
        answer = await pool.transaction(raised)
    except _Refused as refused:
        return refused.answer, False  # type: ignore[return-value]  # raised by `work`, which answers T
    wakes.post(EVERYBODY, Wake(WakeKind.CATALOGUE, (LaneKey(tenant, ""),)))
    return answer, True


async def revisions(pool: Pool) -> dict[str, int]:
    """The revision of every tenant that has a catalogue."""
    return {row[0]: row[1] for row in await pool.read(_SQL["revisions"])}


async def view(pool: Pool, tenant: str) -> CatalogueView:
    """A tenant's catalogue at one revision."""
    found = await pool.read(_SQL["view"], tenant)
    return CatalogueView(
        revision=int(found[0][2]),
        subscriptions=[common.subscription(body) for kind, _, body in found if kind == 1],
        event_types=[common.event_type(body) for kind, _, body in found if kind == 2],
    )


async def add_subscription(
    pool: Pool, wakes: Wakes, subscription: Subscription, *, owner: int, request: Repeatable | None, at: int
) -> str:
    """Store a new subscription with its lanes; its id, or that of the first call."""
    tenant, name = subscription.tenant, subscription.id

    async def work(connection: Connection) -> str:
        first = await recalled(connection, tenant, request)
        if first is not None:
            raise _Refused(first)
        if await connection.fetch(_SQL["lane_exists"], tenant, name):
            raise AlreadyExists("subscription", name)
        body = common.subscription_body(subscription)
        await connection.execute(_SQL["add_subscription"], tenant, name, subscription.etag, body)
        await connection.fetch(_SQL["add_lane"], tenant, name, owner, subscription.ordering is Ordering.BY_KEY)
        await _add_lanes(connection, subscription, after=owner)
        await remember(connection, tenant, request, name, at)
        return name

    answer, changed = await _write(pool, wakes, tenant, work)
    if changed and subscription.lanes > 1:
        wakes.post(EVERYBODY, _NODES)
    elif changed:
        wakes.owner(owner, owner > 0, _NODES)
    return answer


async def _add_lanes(connection: Connection, subscription: Subscription, *, after: int) -> bool:
    """Make the lanes that a subscription lacks, the living nodes in turn as their owners, beginning after node `after`."""
    if subscription.lanes == 1:
        return False
    living = [node for (node,) in await connection.fetch(_SQL["living"])]
    ordered = subscription.ordering is Ordering.BY_KEY
    added = False
    for lane, owner in zip(lane_names(subscription.id, subscription.lanes)[1:], in_turn(living, after), strict=False):
        added |= bool(await connection.fetch(_SQL["add_lane"], subscription.tenant, lane, owner, ordered))
    return added


async def replace_subscription(
    pool: Pool, wakes: Wakes, subscription: Subscription, *, etag: str, request: Repeatable | None, at: int
) -> bool:
    """Replace a subscription that stands with `etag`."""
    tenant, name = subscription.tenant, subscription.id
    reordered = False

    async def work(connection: Connection) -> bool:
        nonlocal reordered
        if await recalled(connection, tenant, request) is not None:
            raise _Refused(True)
        await _expect(connection, "subscription_etag", tenant, name, etag)
        body = common.subscription_body(subscription)
        await connection.execute(_SQL["replace_subscription"], tenant, name, subscription.etag, body)
        ordered = subscription.ordering is Ordering.BY_KEY
        changed_order = bool(await connection.fetch(_SQL["order_lanes"], tenant, name, ordered))
        reordered = await _add_lanes(connection, subscription, after=NOBODY) or changed_order
        await remember(connection, tenant, request, name, at)
        return True

    answer, changed = await _write(pool, wakes, tenant, work)
    if changed and reordered:
        wakes.post(EVERYBODY, _NODES)
    return answer


async def remove_subscription(pool: Pool, wakes: Wakes, tenant: str, name: str, *, etag: str, job: Job) -> bool:
    """Remove a subscription that stands with `etag`, close its lanes and begin to drain them."""

    async def work(connection: Connection) -> bool:
        await _expect(connection, "subscription_etag", tenant, name, etag)
        await connection.execute(_SQL["remove_subscription"], tenant, name)
        await connection.fetch(_SQL["hold_lanes"], tenant, name)
        await connection.execute(_SQL["close_lanes"], tenant, name)
        await jobs.insert(connection, job)
        return True

    answer, changed = await _write(pool, wakes, tenant, work)
    if changed:
        wakes.post(EVERYBODY, Wake(WakeKind.JOBS))
    return answer


async def _expect(connection: Connection, statement: str, tenant: str, name: str, etag: str) -> None:
    """Go on only if what stands has this etag."""
    if await connection.fetchval(_SQL[statement], tenant, name) != etag:
        raise _Refused(False)


async def subscription(pool: Pool, tenant: str, name: str) -> Subscription | None:
    """One subscription, with its secrets."""
    found = await pool.read(_SQL["subscription"], tenant, name)
    return common.subscription(found[0][0]) if found else None


async def subscriptions(pool: Pool, tenant: str, after: str, limit: int) -> Sequence[Subscription]:
    """Subscriptions in the order of their ids."""
    return [common.subscription(body) for (body,) in await pool.read(_SQL["subscriptions"], tenant, after, limit)]


async def put_event_type(pool: Pool, wakes: Wakes, event_type: EventType, etag: str | None) -> bool:
    """Store an event type, if what stands is what the caller saw."""
    tenant, name = event_type.tenant, event_type.name

    async def work(connection: Connection) -> bool:
        if etag is not None and (await connection.fetchval(_SQL["event_type_etag"], tenant, name) or "") != etag:
            raise _Refused(False)
        await connection.execute(_SQL["put_event_type"], tenant, name, event_type.etag, common.event_type_body(event_type))
        return True

    return (await _write(pool, wakes, tenant, work))[0]


async def remove_event_type(pool: Pool, wakes: Wakes, tenant: str, name: str, etag: str) -> bool:
    """Remove an event type that stands with `etag`."""

    async def work(connection: Connection) -> bool:
        await _expect(connection, "event_type_etag", tenant, name, etag)
        await connection.execute(_SQL["remove_event_type"], tenant, name)
        return True

    return (await _write(pool, wakes, tenant, work))[0]


async def event_type(pool: Pool, tenant: str, name: str) -> EventType | None:
    """One event type."""
    found = await pool.read(_SQL["event_type"], tenant, name)
    return common.event_type(found[0][0]) if found else None


async def event_types(pool: Pool, tenant: str, after: str, limit: int) -> Sequence[EventType]:
    """Event types by name."""
    return [common.event_type(body) for (body,) in await pool.read(_SQL["event_types"], tenant, after, limit)]
