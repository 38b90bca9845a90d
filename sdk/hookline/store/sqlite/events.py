"""The event log: append and read."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hookline.clock import moment
from hookline.model import Event
from hookline.store.protocol import (
    Accepted,
    Appended,
    Clash,
    Duplicate,
    EventFilter,
    Job,
    JobKind,
    LaneKey,
    Positioned,
    Routed,
    Stale,
    WakeKind,
)
from hookline.store.sqlite import rows
from hookline.store.sqlite.bulk import bulk
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import EVERYBODY, PENDING, Transaction

_SQL: Final = load("events")
_ADD: Final = _SQL["add"]
_ADD_MANY: Final = _SQL["add_many"]
ADD_DELIVERY: Final = _SQL["add_delivery"]
ADD_FRESH: Final = _SQL["add_fresh"]
_ADD_JOB: Final = load("jobs")["add"]

LAST: Final = 2**63 - 1
"""Above every position and every time."""


class _New(NamedTuple):
    """The rows of new deliveries, collected to be written together."""

    deliveries: list[rows.Row]
    fresh: list[rows.Row]


def append(tx: Transaction, node: int, batch: Sequence[Routed]) -> list[Appended]:
    """Store events with their deliveries; answer i belongs to event i.

    A delivery whose lane is over gets position 0 and is not stored (its revision would be stale, so
    a caller who says the revision never meets it).
    """
    into = _New([], [])
    places = _add_plain(tx, batch)
    if places is None:
        answers = [_append(tx, node, routed, into) for routed in batch]
    else:
        answers = [_deliver(tx, node, routed, place, into) for routed, place in zip(batch, places, strict=True)]
    bulk(tx.cursor, ADD_DELIVERY, into.deliveries)
    bulk(tx.cursor, ADD_FRESH, into.fresh)
    return answers


def _add_plain(tx: Transaction, batch: Sequence[Routed]) -> list[tuple[int, int]] | None:
    """Add the events all at once, if nothing is special about any; their positions and times, or None and no trace."""
    for routed in batch:
        if routed.event.idempotency_key or routed.fanout or routed.revision != tx.revision(routed.event.tenant):
            return None
    added = [rows.event_row(tx.position(), routed.event, routed.digest) for routed in batch]
    if bulk(tx.cursor, _ADD_MANY, added) == len(added):
        return [(row[0], row[-1]) for row in added]
    tx.cursor.execute(_SQL["remove_range"], (added[0][0], added[-1][0]))
    return None


def _append(tx: Transaction, node: int, routed: Routed, into: _New) -> Appended:
    event = routed.event
    tenant = event.tenant
    key = event.idempotency_key
    if key:
        known = tx.cursor.execute(_SQL["known_key"], (tenant, key)).fetchone()
        if known:
            return _repeated("idempotency_key", known, routed.digest)
    revision = tx.revision(tenant)
    if revision != routed.revision:
        known = tx.cursor.execute(_SQL["known_id"], {"tenant": tenant, "id": event.id}).fetchone()
        return _repeated("id", known, routed.digest) if known else Stale(revision)
    pos = tx.position()
    row = rows.event_row(pos, event, routed.digest)
    accept = row[-1]
    if tx.cursor.execute(_ADD, row).rowcount == 0:
        known = tx.cursor.execute(_SQL["known_id"], {"tenant": tenant, "id": event.id}).fetchone()
        return _repeated("id", known, routed.digest)
    if key:
        tx.cursor.execute(_SQL["add_key"], (tenant, key, event.id, routed.digest, accept))
    if routed.fanout:
        _begin_fanout(tx, event)
    return _deliver(tx, node, routed, (pos, accept), into)


def _deliver(tx: Transaction, node: int, routed: Routed, place: tuple[int, int], into: _New) -> Accepted:
    pos, accept = place
    event = routed.event
    tenant = event.tenant
    positions = []
    for name, delivery_id in routed.deliveries:
        lane = tx.lane(tenant, name)
        if lane is None or not lane.taking:
            positions.append(0)
            continue
        at = tx.position()
        positions.append(at)
        into.deliveries.append((tenant, at, delivery_id, lane.no, pos, accept, None, None))
        into.fresh.append((lane.no, at, event.ordering_key or None, 1, 0, None))
        tx.count(lane.no, PENDING, 1)
        if lane.owner != node:
            tx.hint(lane.owner, WakeKind.LANES, (LaneKey(tenant, name),))
    return Accepted(positions)


def _repeated(field: str, known: tuple[str, bytes, int], digest: bytes) -> Duplicate | Clash:
    event_id, first, accept = known
    return Duplicate(event_id, moment(accept)) if first == digest else Clash(field, event_id)


def fanout_id(event_id: str) -> str:
    """The id of an event's fan-out job; a colon stands in no id that a caller may choose."""
    return f"fanout:{event_id}"


def _begin_fanout(tx: Transaction, event: Event) -> None:
    # Whose lane came later is not meant. Lane numbers tell, and clocks do not: they may be set back.
    lanes = tx.cursor.execute(_SQL["last_lane"]).fetchone()[0]
    job = Job(
        tenant=event.tenant,
        id=fanout_id(event.id),
        kind=JobKind.FANOUT,
        subject=event.id,
        spec=json.dumps({"lanes": lanes}),
        cursor="",
        scanned=0,
        added=0,
        cancelled=False,
        create_time=event.accept_time,
        finish_time=None,
    )
    tx.cursor.execute(_ADD_JOB, rows.job_row(job))
    tx.hint(EVERYBODY, WakeKind.JOBS)


def event(connection: sqlite3.Connection, tenant: str, event_id: str) -> Event | None:
    """One event."""
    row = connection.execute(_SQL["event"], (tenant, event_id)).fetchone()
    return rows.event(row) if row else None


def falling(connection: sqlite3.Connection, tenant: str, which: EventFilter, before: int | None, limit: int) -> list[Positioned]:
    """Events in falling commit order."""
    return _fetch(connection, _SQL["falling"], {**_bounds(tenant, which, limit), "before": LAST if before is None else before})


def rising(connection: sqlite3.Connection, tenant: str, which: EventFilter, after: int, limit: int) -> list[Positioned]:
    """Events in rising commit order."""
    return _fetch(connection, _SQL["rising"], {**_bounds(tenant, which, limit), "after": after})


def _bounds(tenant: str, which: EventFilter, limit: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "types": json.dumps(which.types) if which.types else None,
        "from": -LAST if which.from_time is None else which.from_time,
        "to": LAST if which.to_time is None else which.to_time,
        "limit": limit,
    }


def _fetch(connection: sqlite3.Connection, statement: str, bounds: dict[str, Any]) -> list[Positioned]:
    found = [pos for (pos,) in connection.execute(statement, bounds)]
    return [Positioned(pos, rows.event(connection.execute(_SQL["event_at"], (pos,)).fetchone())) for pos in found]
