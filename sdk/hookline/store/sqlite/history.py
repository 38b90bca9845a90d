"""What was, and what stands: deliveries, attempts, changes, counts."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from hookline.clock import moment
from hookline.lanes import subscription_of
from hookline.model import Attempt, Delivery, DeliveryState, Stats
from hookline.store.protocol import DeliveryFilter, StoredChange, StoredDelivery
from hookline.store.sqlite import rows
from hookline.store.sqlite.events import LAST
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import CANCELLED, DELIVERED, EXHAUSTED, PENDING

_SQL: Final = load("history")
_CORE: Final = load("core")

_STATES: Final = (DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.CANCELLED)
_NUMBERS: Final = {
    DeliveryState.PENDING: PENDING,
    DeliveryState.DELIVERED: DELIVERED,
    DeliveryState.EXHAUSTED: EXHAUSTED,
    DeliveryState.CANCELLED: CANCELLED,
}
_MICRO: Final = 1_000_000


def delivery(connection: sqlite3.Connection, tenant: str, delivery_id: str) -> StoredDelivery | None:
    """One delivery."""
    row = connection.execute(_SQL["delivery"], (tenant, delivery_id)).fetchone()
    return _stored(tenant, row) if row else None


def blocker(connection: sqlite3.Connection, tenant: str, delivery_id: str) -> str | None:
    """The delivery that goes first by order."""
    row = connection.execute(_SQL["blocker"], (tenant, delivery_id)).fetchone()
    return row[0] if row else None


def _stored(tenant: str, row: rows.Row) -> StoredDelivery:
    pos, delivery_id, event_id, event_type, lane, webhook_id, created, replay = row[:8]
    fresh_run, fresh_before, due, later_run, later_attempts, later_reason = row[8:14]
    state, done_reason, done_run, done_attempts, finished = row[14:]
    if fresh_run is not None:
        state, reason, run, attempts = PENDING, "", fresh_run, fresh_before
    elif later_run is not None:
        state, reason, run, attempts = PENDING, later_reason, later_run, later_attempts
    else:
        reason, run, attempts = done_reason, done_run, done_attempts
    found = Delivery(
        tenant=tenant,
        id=delivery_id,
        event_id=event_id,
        event_type=event_type,
        subscription_id=subscription_of(lane),
        webhook_id=webhook_id or event_id,
        state=_STATES[state],
        reason=reason,
        run=run,
        attempts=attempts,
        create_time=moment(created),
        next_attempt_time=rows.maybe_moment(due),
        finish_time=rows.maybe_moment(finished),
        replay_id=replay or "",
    )
    return StoredDelivery(pos, found, lane)


def standings(
    connection: sqlite3.Connection, tenant: str, subscription_id: str, event_ids: Sequence[str]
) -> dict[str, DeliveryState]:
    """The states of the last deliveries of these events to a subscription."""
    found: dict[str, DeliveryState] = {}
    for event in event_ids:
        row = connection.execute(_SQL["standing"], {"tenant": tenant, "event": event, "name": subscription_id}).fetchone()
        if row is not None:
            found[event] = _STATES[row[0]]
    return found


def deliveries(
    connection: sqlite3.Connection, tenant: str, which: DeliveryFilter, before: int | None, limit: int
) -> list[StoredDelivery]:
    """Deliveries in falling position, by the narrowest index that the filter allows."""
    names: dict[str, Any] = {
        "tenant": tenant,
        "event": which.event_id,
        "type": which.event_type,
        "replay": which.replay_id,
        "state": None if which.state is None else _NUMBERS[which.state],
        "from": -LAST if which.from_time is None else which.from_time,
        "to": LAST if which.to_time is None else which.to_time,
        "before": LAST if before is None else before,
        "limit": limit,
        "lane": None,
    }
    if not which.subscription_id:
        positions = _matching(connection, which, names)
    else:
        found = [
            pos
            for lane, _ in _lanes(connection, tenant, which.subscription_id)
            for pos in _matching(connection, which, {**names, "lane": lane})
        ]
        positions = sorted(found, reverse=True)[:limit]
    return [_stored(tenant, connection.execute(_SQL["delivery_at"], (tenant, pos)).fetchone()) for pos in positions]


def _matching(connection: sqlite3.Connection, which: DeliveryFilter, names: dict[str, Any]) -> list[int]:
    """The positions of a page: of one lane, or of the whole tenant."""
    if which.event_id:
        return _positions(connection, "of_event", names)
    if which.state is DeliveryState.PENDING:
        return _pending(connection, names)
    if which.state in (DeliveryState.EXHAUSTED, DeliveryState.CANCELLED):
        return _positions(connection, "failed", names)
    return _positions(connection, "of_tenant" if names["lane"] is None else "of_lane", names)


def _lanes(connection: sqlite3.Connection, tenant: str, subscription_id: str) -> list[tuple[int, str]]:
    return connection.execute(_SQL["lanes"], {"tenant": tenant, "name": subscription_id}).fetchall()


def lanes(connection: sqlite3.Connection, tenant: str, subscription_id: str) -> dict[str, bool]:
    """The lanes of a subscription, and whether something is pending in each."""
    return {
        name: bool(connection.execute(_SQL["holds"], {"lane": no}).fetchone()[0])
        for no, name in _lanes(connection, tenant, subscription_id)
    }


def _positions(connection: sqlite3.Connection, statement: str, names: dict[str, Any]) -> list[int]:
    return [pos for (pos,) in connection.execute(_SQL[statement], names)]


def _pending(connection: sqlite3.Connection, names: dict[str, Any]) -> list[int]:
    """The newest pending positions of every lane, merged: no lane is read further than a page."""
    if names["lane"] is None:
        lanes = [no for (no,) in connection.execute(_SQL["lane_numbers"], (names["tenant"],))]
    else:
        lanes = [names["lane"]]
    found: list[int] = []
    for lane in lanes:
        for statement in ("pending_fresh", "pending_later"):
            found += _positions(connection, statement, {**names, "lane": lane})
        found = sorted(found, reverse=True)[: names["limit"]]
    return found


def attempts(connection: sqlite3.Connection, tenant: str, delivery_id: str) -> list[Attempt]:
    """Attempts of a delivery, oldest first."""
    found = connection.execute(_SQL["attempts"], (tenant, delivery_id))
    return [
        rows.attempt(
            tenant, (delivery, event, subscription_of(lane)), tuple(columns), run=run, next_at=next_at, superseded=state is None
        )
        for delivery, event, lane, run, next_at, state, *columns in found
    ]


def changes(connection: sqlite3.Connection, tenant: str, after: int, limit: int) -> list[StoredChange]:
    """Attempts and changes of state in commit order; each with the delivery as it was then."""
    found = connection.execute(_SQL["changes"], (tenant, after, limit)).fetchall()
    return [_change(connection, tenant, row) for row in found]


def _change(connection: sqlite3.Connection, tenant: str, row: rows.Row) -> StoredChange:
    pos, delivery_pos, delivery_id, event_id, event_type, lane, webhook_id, created, replay = row[:9]
    state, reason, run, tried, next_at, at = row[9:15]
    columns = row[15:]
    attempt = None
    if columns[0] is not None:
        ids = (delivery_id, event_id, subscription_of(lane))
        attempt = rows.attempt(tenant, ids, columns, run=run, next_at=next_at, superseded=state is None)
    if state is None:  # it changed nothing: the delivery is what it is
        now = connection.execute(_SQL["delivery_at"], (tenant, delivery_pos)).fetchone()
        return StoredChange(pos, _stored(tenant, now).delivery, attempt)
    then = Delivery(
        tenant=tenant,
        id=delivery_id,
        event_id=event_id,
        event_type=event_type,
        subscription_id=subscription_of(lane),
        webhook_id=webhook_id or event_id,
        state=_STATES[state],
        reason=reason,
        run=run,
        attempts=tried,
        create_time=moment(created),
        next_attempt_time=rows.maybe_moment(next_at) if state == PENDING else None,
        finish_time=None if state == PENDING else moment(at),
        replay_id=replay or "",
    )
    return StoredChange(pos, then, attempt)


def head(connection: sqlite3.Connection) -> int:
    """The highest position of all."""
    position: int = connection.execute(_CORE["meta"]).fetchone()[0]
    return position


def horizon(connection: sqlite3.Connection, tenant: str) -> int:
    """The highest position of a change that retention has removed."""
    row = connection.execute(_SQL["horizon"], (tenant,)).fetchone()
    return row[0] if row else 0


def stats(connection: sqlite3.Connection, tenant: str, now: int) -> Stats:
    """Counts by state and subscription; ages count from when a delivery fell due."""
    return rows.stats(
        rows.LaneCounts(name, pending, delivered, exhausted, cancelled, _age(connection, tenant, no, now) if pending else 0.0)
        for no, name, pending, delivered, exhausted, cancelled in connection.execute(_SQL["tallies"], (tenant,)).fetchall()
    )


def _age(connection: sqlite3.Connection, tenant: str, lane: int, now: int) -> float:
    fresh = connection.execute(_SQL["oldest_fresh"], (tenant, lane)).fetchone()
    later = connection.execute(_SQL["oldest_later"], (lane,)).fetchone()
    since = min((row[0] for row in (fresh, later) if row and row[0] is not None), default=now)
    return max(0.0, (now - since) / _MICRO)
