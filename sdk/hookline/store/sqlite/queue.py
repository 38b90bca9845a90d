"""The work queue: what is pending, read by the owner; and changes made by hand."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hookline.store.protocol import (
    ClaimAnswer,
    ClaimRequest,
    DueAnswer,
    DueRequest,
    LaneKey,
    WakeKind,
    Work,
)
from hookline.store.sqlite import rows
from hookline.store.sqlite.events import ADD_FRESH
from hookline.store.sqlite.settle import ADD_CHANGE, ADD_DONE, ADD_LATER
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import CANCELLED, PENDING, Transaction

_SQL: Final = load("queue")
_CORE: Final = load("core")

LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of data after which a claim brings one work a lane and no more; the rest is read next."""


def claim(connection: sqlite3.Connection, requests: Sequence[ClaimRequest]) -> list[ClaimAnswer]:
    """Read fresh works. A cursor is the position up to which all is read: commit order is exact here."""
    rows.check_room(requests)
    head: int = connection.execute(_CORE["meta"]).fetchone()[0]
    answers: list[ClaimAnswer] = []
    left = LARGEST_ANSWER
    for request in requests:
        answer, size = _claim(connection, request, head, left)
        answers.append(answer)
        left -= size
    return answers


def _claim(connection: sqlite3.Connection, request: ClaimRequest, head: int, left: int) -> tuple[ClaimAnswer, int]:
    """One lane's answer and its size; it ends early when it has more than `left` bytes, though never with nothing."""
    cursor = request.cursor if isinstance(request.cursor, int) else 0
    row = connection.execute(_CORE["lane"], request.key).fetchone()
    if row is None:
        return ClaimAnswer((), cursor, False), 0
    no, _, _, ordered, _ = row
    statement = _SQL["claim_ordered" if ordered else "claim"]
    works: list[Work] = []
    size = 0
    for row in connection.execute(statement, (request.key.tenant, no, cursor, request.room + 1)):
        if len(works) == request.room or (size > left and works):
            return ClaimAnswer(works, works[-1].pos if works else cursor, True), size
        work = rows.work(request.key.lane, row)
        works.append(work)
        size += len(work.event.data)
    return ClaimAnswer(works, max(cursor, head), False), size


def due(connection: sqlite3.Connection, requests: Sequence[DueRequest]) -> list[DueAnswer]:
    """Read waiting works that are due."""
    rows.check_room(requests)
    return [_due(connection, request) for request in requests]


def _due(connection: sqlite3.Connection, request: DueRequest) -> DueAnswer:
    row = connection.execute(_CORE["lane"], request.key).fetchone()
    if row is None:
        return DueAnswer((), None, False)
    no = row[0]
    asked = (request.key.tenant, no, request.until, request.room + 1, *request.after)
    found = connection.execute(_SQL["due"], asked).fetchall()
    next_due = connection.execute(_SQL["next_due"], (no, request.until)).fetchone()[0]
    works = [rows.work(request.key.lane, row) for row in found[: request.room]]
    works = [work._replace(aside=True) if row[-1] else work for work, row in zip(works, found, strict=False)]
    return DueAnswer(works, next_due, len(found) > request.room)


def probe(connection: sqlite3.Connection, key: LaneKey, ordering_key: str, room: int) -> list[Work]:
    """Fresh works of one ordering key."""
    row = connection.execute(_CORE["lane"], key).fetchone()
    if row is None:
        return []
    found = connection.execute(_SQL["probe"], (key.tenant, row[0], ordering_key, room)).fetchall()
    return [rows.work(key.lane, row) for row in found]


class Standing(NamedTuple):
    """Where a delivery stands: in `fresh`, in `later` or in `done`, by whichever columns are set."""

    pos: int
    lane_no: int
    lane: str
    owner: int | None
    taking: int
    fresh_run: int | None
    fresh_before: int
    due: int | None
    run: int
    attempts: int
    before: int
    run_start: int
    reason: str
    state: int | None
    done_run: int
    done_attempts: int
    okey: str
    waiting_okey: str | None
    """None too for one that has stepped aside."""


def standing(tx: Transaction, tenant: str, delivery_id: str) -> Standing | None:
    """Where a delivery stands; None if there is none."""
    row = tx.cursor.execute(_SQL["where_now"], (tenant, delivery_id)).fetchone()
    return Standing(*row) if row else None


class Pending(NamedTuple):
    """A pending delivery, as much of it as cancelling needs."""

    pos: int
    due: int | None
    delivery_id: str
    run: int
    attempts: int


def call_off(tx: Transaction, key: LaneKey, lane_no: int, works: Sequence[Pending], *, reason: str, at: int) -> None:
    """Cancel pending deliveries of one lane and tell its owner."""
    for work in works:
        if work.due is None:
            tx.cursor.execute(_SQL["remove_fresh"], (lane_no, work.pos))
        else:
            tx.cursor.execute(_SQL["remove_later"], (lane_no, work.due, work.pos))
        tx.cursor.execute(ADD_DONE, (key.tenant, work.pos, CANCELLED, reason, work.run, work.attempts, at))
        change(tx, key.tenant, work.pos, CANCELLED, reason=reason, run=work.run, attempts=work.attempts, due=None, at=at)
    tx.count(lane_no, PENDING, -len(works))
    tx.count(lane_no, CANCELLED, len(works))
    lane = tx.lane(*key)
    if lane is not None:
        tx.hint(lane.owner, WakeKind.FORGET, (key,), [work.delivery_id for work in works])


def change(
    tx: Transaction, tenant: str, pos: int, state: int, *, reason: str, run: int, attempts: int, due: int | None, at: int
) -> None:
    """Keep a change of state that no attempt has made."""
    row: tuple[Any, ...] = (tx.position(), tenant, pos, state, reason, run, attempts, due, at, *rows.NO_ATTEMPT)
    tx.cursor.execute(ADD_CHANGE, row)


def cancel(tx: Transaction, tenant: str, delivery_id: str, reason: str, at: int) -> bool:
    """Cancel a pending delivery."""
    now = standing(tx, tenant, delivery_id)
    if now is None or now.state is not None:
        return False
    if now.fresh_run is not None:
        work = Pending(now.pos, None, delivery_id, now.fresh_run, now.fresh_before)
    else:
        work = Pending(now.pos, now.due, delivery_id, now.run, now.before + now.attempts)
    call_off(tx, LaneKey(tenant, now.lane), now.lane_no, (work,), reason=reason, at=at)
    return True


def lapse(tx: Transaction, key: LaneKey, *, before: int, limit: int, reason: str, at: int) -> int:
    """Cancel what was made before a time."""
    lane = tx.lane(*key)
    if lane is None:
        return 0
    fresh = tx.cursor.execute(_SQL["old_fresh"], (key.tenant, lane.no, before, limit)).fetchall()
    works = [Pending(pos, None, name, run, tried) for pos, name, run, tried in fresh]
    room = limit - len(works)
    waiting = tx.cursor.execute(_SQL["old_later"], (key.tenant, lane.no, before, room)).fetchall() if room else []
    works += [Pending(pos, due, name, run, former + tried) for pos, due, name, run, tried, former in waiting]
    if works:
        call_off(tx, key, lane.no, works, reason=reason, at=at)
    return len(works)


def requeue(tx: Transaction, tenant: str, delivery_id: str, at: int) -> bool:
    """Make a delivery due now."""
    now = standing(tx, tenant, delivery_id)
    if now is None or now.owner is None or not now.taking or now.fresh_run is not None:
        return False
    key = LaneKey(tenant, now.lane)
    if now.state is not None:
        pos, run = tx.position(), now.done_run + 1
        move = {"tenant": tenant, "old": now.pos, "new": pos}
        tx.cursor.execute(_SQL["remove_done"], (tenant, now.pos))
        tx.cursor.execute(_SQL["move_delivery"], move)
        tx.cursor.execute(_SQL["move_changes"], move)
        tx.cursor.execute(ADD_FRESH, (now.lane_no, pos, now.okey or None, run, now.done_attempts, at))
        tx.count(now.lane_no, now.state, -1)
        tx.count(now.lane_no, PENDING, 1)
        change(tx, tenant, pos, PENDING, reason="", run=run, attempts=now.done_attempts, due=None, at=at)
    elif now.due is not None and now.due > at:
        tx.cursor.execute(_SQL["remove_later"], (now.lane_no, now.due, now.pos))
        row = (now.lane_no, at, now.pos, now.waiting_okey, now.run, now.attempts, now.before, now.run_start, now.reason)
        tx.cursor.execute(ADD_LATER, row)
        change(tx, tenant, now.pos, PENDING, reason=now.reason, run=now.run, attempts=now.before + now.attempts, due=at, at=at)
        tx.hint(now.owner, WakeKind.FORGET, (key,), (delivery_id,))
    else:
        return False
    tx.hint(now.owner, WakeKind.LANES, (key,))
    return True
