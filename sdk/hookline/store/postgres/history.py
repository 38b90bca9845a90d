"""What was, and what stands: deliveries, attempts, changes, counts."""

from collections.abc import Sequence
from typing import Final

from hookline.clock import moment
from hookline.lanes import subscription_of
from hookline.model import Attempt, Delivery, DeliveryState, Stats
from hookline.store.postgres import rows
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.reading import pages_begin, settled_below
from hookline.store.postgres.rows import LAST, PENDING
from hookline.store.postgres.statements import load
from hookline.store.protocol import DeliveryFilter, StoredChange, StoredDelivery
from hookline.store.sqlite import rows as common

_SQL: Final = load("history")
_MICRO: Final = 1_000_000


async def delivery(pool: Pool, tenant: str, delivery_id: str) -> StoredDelivery | None:
    """One delivery."""
    found = await pool.read(_SQL["delivery"], tenant, delivery_id)
    return rows.delivery(tenant, found[0]) if found else None


async def blocker(pool: Pool, tenant: str, delivery_id: str) -> str | None:
    """The delivery that goes first by order."""
    found = await pool.read(_SQL["blocker"], tenant, delivery_id)
    return found[0][0] if found else None


async def deliveries(pool: Pool, tenant: str, which: DeliveryFilter, before: int | None, limit: int) -> list[StoredDelivery]:
    """Deliveries in falling position, by the narrowest index that the filter allows; the first page waits for commits under way."""
    bound = await pages_begin(pool) if before is None else before
    start = -LAST if which.from_time is None else which.from_time
    end = LAST if which.to_time is None else which.to_time
    pending = which.state in {None, DeliveryState.PENDING}
    finished = None if which.state is DeliveryState.PENDING else 0 if which.state is None else rows.NUMBERS[which.state]
    args = (tenant, bound, start, end, which.event_type, pending, finished, limit, which.replay_id)
    if which.event_id:
        found = await pool.read(_SQL["of_event"], *args, which.event_id, which.subscription_id)
    elif which.subscription_id:
        found = await pool.read(_SQL["of_lane"], *args, which.subscription_id)
    else:
        found = await pool.read(_SQL["of_tenant"], *args)
    return [rows.delivery(tenant, row) for row in found]


async def standings(pool: Pool, tenant: str, subscription_id: str, event_ids: Sequence[str]) -> dict[str, DeliveryState]:
    """The states of the last deliveries of these events to a subscription."""
    found = await pool.read(_SQL["standings"], tenant, subscription_id, list(event_ids))
    return {event: rows.STATES[state] for event, state in found}


async def attempts(pool: Pool, tenant: str, delivery_id: str) -> list[Attempt]:
    """Attempts of a delivery, oldest first."""
    return [
        rows.attempt(tenant, (name, event, subscription_of(lane)), columns, run=run, next_at=next_at, superseded=state is None)
        for name, event, lane, run, next_at, state, *columns in await pool.read(_SQL["attempts"], tenant, delivery_id)
    ]


async def changes(pool: Pool, tenant: str, after: int, limit: int) -> list[StoredChange]:
    """Attempts and changes of state, up to where every commit of ours is over; each with the delivery as it was then."""
    below = (await settled_below(pool))[0]
    return [await _change(pool, tenant, row) for row in await pool.read(_SQL["changes"], tenant, after, below, limit)]


async def _change(pool: Pool, tenant: str, row: rows.Row) -> StoredChange:
    pos, name, event, kind, lane, webhook, created, replay, state, reason, run, tried, next_at, at, *columns = row
    attempt = None
    if columns[0] is not None:
        attempt = rows.attempt(
            tenant, (name, event, subscription_of(lane)), columns, run=run, next_at=next_at, superseded=state is None
        )
    if state is None:  # it changed nothing: the delivery is what it is
        now = await delivery(pool, tenant, name)
        if now is not None:
            return StoredChange(pos, now.delivery, attempt)
        state = PENDING
    then = Delivery(
        tenant=tenant,
        id=name,
        event_id=event,
        event_type=kind,
        subscription_id=subscription_of(lane),
        webhook_id=webhook or event,
        state=rows.STATES[state],
        reason=reason,
        run=run,
        attempts=tried,
        create_time=moment(created),
        next_attempt_time=rows.maybe_moment(next_at) if state == PENDING else None,
        finish_time=None if state == PENDING else moment(at),
        replay_id=replay or "",
    )
    return StoredChange(pos, then, attempt)


async def head(pool: Pool) -> int:
    """The highest position of which all is known."""
    return (await settled_below(pool))[0] - 1


async def horizon(pool: Pool, tenant: str) -> int:
    """The highest position of a change that retention has removed."""
    found = await pool.read(_SQL["horizon"], tenant)
    return found[0][0] if found else 0


async def stats(pool: Pool, tenant: str, now: int) -> Stats:
    """Counts by state and subscription; ages count from when a delivery fell due."""
    return common.stats(
        common.LaneCounts(
            name, pending, delivered, exhausted, cancelled, 0.0 if since is None else max(0.0, (now - since) / _MICRO)
        )
        for name, pending, delivered, exhausted, cancelled, since in await pool.read(_SQL["stats"], tenant)
    )


async def lanes(pool: Pool, tenant: str, subscription_id: str) -> dict[str, bool]:
    """The lanes of a subscription, and whether something is pending in each."""
    return {row[0]: row[1] for row in await pool.read(_SQL["lanes"], tenant, subscription_id)}
