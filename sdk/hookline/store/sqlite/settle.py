"""Outcomes: what was tried moves on, fenced by the lane's epoch."""

from collections.abc import Mapping, Sequence
from typing import Final

from hookline.clock import micros
from hookline.store.protocol import LaneKey, Result, Settled, Settlement
from hookline.store.sqlite import rows
from hookline.store.sqlite.bulk import bulk, bulk_of
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import CANCELLED, DELIVERED, EXHAUSTED, PENDING, Transaction

_SQL: Final = load("queue")
_REMOVE_FRESH: Final = _SQL["remove_fresh"]
_REMOVE_FRESH_OF: Final = _SQL["remove_fresh_of"]
_REMOVE_LATER: Final = _SQL["remove_later"]
ADD_LATER: Final = _SQL["add_later"]
ADD_DONE: Final = _SQL["add_done"]
ADD_CHANGE: Final = _SQL["add_change"]

_STATE: Final[Mapping[Result, int]] = {
    Result.DELIVERED: DELIVERED,
    Result.EXHAUSTED: EXHAUSTED,
    Result.CANCELLED: CANCELLED,
    Result.WAIT: PENDING,
}


def check(batch: Sequence[Settlement]) -> None:
    """Raise ValueError when two settlements name the same work, or one that waits has no time."""
    seen: set[tuple[str, int]] = set()
    for one in batch:
        key = (one.work.tenant, one.work.pos)
        if key in seen:
            raise ValueError(f"two outcomes for delivery {one.work.delivery_id} in one batch")
        seen.add(key)
        if (one.result is Result.WAIT) != (one.due is not None):
            raise ValueError(f"delivery {one.work.delivery_id} is settled as {one.result} with due={one.due}")


def settle(tx: Transaction, node: int, batch: Sequence[Settlement]) -> Settled:
    """Write outcomes. History is written only for rows that were really there."""
    lost: set[LaneKey] = set()
    gone: set[int] = set()
    later: list[rows.Row] = []
    done: list[rows.Row] = []
    changes: list[rows.Row] = []
    swept = _remove_fresh(tx, node, batch)
    for one in batch:
        work = one.work
        tenant, pos = work.tenant, work.pos
        lane = tx.lane(tenant, work.lane)
        if lane is None or lane.owner != node or lane.epoch != one.epoch:
            lost.add(LaneKey(tenant, work.lane))
            _supersede(tx, one, changes)
            continue
        if work.due is None:
            removed = swept or tx.cursor.execute(_REMOVE_FRESH, (lane.no, pos)).rowcount
        else:
            removed = tx.cursor.execute(_REMOVE_LATER, (lane.no, work.due, pos)).rowcount
        if not removed:
            if not _done_before(tx, one):
                gone.add(pos)
                _supersede(tx, one, changes)
            continue
        attempt = one.attempt
        attempts = work.attempts + (attempt is not None)
        state = _STATE[one.result]
        if state == PENDING:
            okey = None if one.aside else work.event.ordering_key or None
            later.append((lane.no, one.due, pos, okey, work.run, attempts, work.before, one.run_start, one.reason))
        else:
            done.append((tenant, pos, state, one.reason, work.run, work.before + attempts, one.at))
            tx.count(lane.no, PENDING, -1)
            tx.count(lane.no, state, 1)
        changes.append(_change(tx, one, pos, state, work.before + attempts))
    bulk(tx.cursor, ADD_LATER, later)
    bulk(tx.cursor, ADD_DONE, done)
    bulk(tx.cursor, ADD_CHANGE, changes)
    return Settled(frozenset(lost), frozenset(gone))


def _remove_fresh(tx: Transaction, node: int, batch: Sequence[Settlement]) -> bool:
    """Remove all works that stand in `fresh` at once; False, and they stand as before, if one is not there any more."""
    if len(batch) == 1:  # a savepoint would cost more than it spares
        return False
    found: dict[int, list[int]] = {}
    for one in batch:
        if one.work.due is None:
            lane = tx.lane(one.work.tenant, one.work.lane)
            if lane is None or lane.owner != node or lane.epoch != one.epoch:
                return False
            found.setdefault(lane.no, []).append(one.work.pos)
    tx.cursor.execute("SAVEPOINT fresh")
    swept = all(bulk_of(tx.cursor, _REMOVE_FRESH_OF, number, places) == len(places) for number, places in found.items())
    if not swept:
        tx.cursor.execute("ROLLBACK TO fresh")
    tx.cursor.execute("RELEASE fresh")
    return swept


def _change(tx: Transaction, one: Settlement, delivery: int, state: int | None, attempts: int) -> rows.Row:
    attempt = one.attempt
    if attempt is None:
        next_at, columns = one.due, rows.NO_ATTEMPT
    else:
        next_at = None if attempt.next_attempt_time is None else micros(attempt.next_attempt_time)
        columns = rows.attempt_row(attempt)
    work = one.work
    return (tx.position(), work.tenant, delivery, state, one.reason, work.run, attempts, next_at, one.at, *columns)


def _supersede(tx: Transaction, one: Settlement, changes: list[rows.Row]) -> None:
    """Keep an attempt whose outcome came too late; once, and not if it counted after all."""
    if one.attempt is None:
        return
    row = tx.cursor.execute(_SQL["where_now"], (one.work.tenant, one.work.delivery_id)).fetchone()
    if row is None:  # retention has taken the delivery; its attempts went with it
        return
    delivery = row[0]
    if tx.cursor.execute(_SQL["has_attempt"], (delivery, one.attempt.id)).fetchone() is None:
        changes.append(_change(tx, one, delivery, None, one.work.before + one.work.attempts + 1))


def _done_before(tx: Transaction, one: Settlement) -> bool:
    """Whether this very settlement took place already (its answer was lost, and it is repeated)."""
    row = tx.cursor.execute(_SQL["where_now"], (one.work.tenant, one.work.delivery_id)).fetchone()
    if row is None:
        return False
    if one.attempt is not None:
        found = tx.cursor.execute(_SQL["settled_attempt"], (row[0], one.attempt.id)).fetchone()
        return found is not None
    waits_until, waited_attempts, state = row[7], row[9], row[13]
    if row[0] != one.work.pos:
        return False
    if one.result is Result.WAIT:
        return bool(waits_until == one.due and waited_attempts == one.work.attempts)
    return bool(state == _STATE[one.result])
