"""Jobs: fan-outs, replays and drains, step by step."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from hookline.lanes import subscription_of
from hookline.store.protocol import Job, JobDelivery, JobKind, LaneKey, Repeatable, WakeKind
from hookline.store.sqlite import rows
from hookline.store.sqlite.events import ADD_DELIVERY, ADD_FRESH, LAST
from hookline.store.sqlite.queue import Pending, call_off
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import EVERYBODY, PENDING, Transaction

_SQL: Final = load("jobs")
_QUEUE: Final = load("queue")


def unfinished(connection: sqlite3.Connection) -> list[Job]:
    """Every job that goes on."""
    return [rows.job(row) for row in connection.execute(_SQL["open"])]


def one(source: sqlite3.Connection | sqlite3.Cursor, tenant: str, job_id: str) -> Job | None:
    """One job, finished or not."""
    row = source.execute(_SQL["one"], (tenant, job_id)).fetchone()
    return rows.job(row) if row else None


def replays(connection: sqlite3.Connection, tenant: str, subscription_id: str, before: str, limit: int) -> list[Job]:
    """Replays, newest first."""
    names = {"tenant": tenant, "subject": subscription_id, "before": before, "limit": limit}
    return [rows.job(row) for row in connection.execute(_SQL["replays"], names)]


def add(tx: Transaction, job: Job, request: Repeatable | None, at: int) -> Job:
    """Begin a job, or find the one that this request began."""
    first = tx.recall(job.tenant, request)
    known = one(tx.cursor, job.tenant, first) if first is not None else None
    if known is not None:
        return known
    insert(tx, job)
    if first is None:
        tx.remember(job.tenant, request, job.id, at)
    return job


def insert(tx: Transaction, job: Job) -> None:
    """Begin a job."""
    tx.cursor.execute(_SQL["add"], rows.job_row(job))
    tx.hint(EVERYBODY, WakeKind.JOBS)


def step(
    tx: Transaction, job: Job, *, cursor: str, scanned: int, deliveries: Sequence[JobDelivery], finished: bool, at: int
) -> bool:
    """Move a job and add its deliveries; lanes and events that are gone are left out, and of a fan-out lanes that came later."""
    names: dict[str, Any] = {
        "tenant": job.tenant,
        "id": job.id,
        "from": job.cursor,
        "cursor": cursor,
        "scanned": scanned,
        "finished": at if finished else None,
    }
    if tx.cursor.execute(_SQL["move"], names).rowcount == 0:
        return False
    last = json.loads(job.spec).get("lanes", LAST) if job.kind is JobKind.FANOUT else LAST
    added = sum(_add_delivery(tx, job, delivery, last, at) for delivery in deliveries)
    if added:
        tx.cursor.execute(_SQL["count"], (added, job.tenant, job.id))
    return True


def _add_delivery(tx: Transaction, job: Job, delivery: JobDelivery, last: int, at: int) -> bool:
    tenant = job.tenant
    lane = tx.lane(tenant, delivery.lane)
    # Whether a lane came later is asked of the subscription's first: the others may be added at any time.
    first = tx.lane(tenant, subscription_of(delivery.lane))
    event = tx.cursor.execute(_SQL["subject_event"], (tenant, delivery.event_id)).fetchone()
    if lane is None or first is None or not lane.taking or first.no > last or event is None:
        return False
    if tx.cursor.execute(_SQL["known_delivery"], (tenant, delivery.delivery_id)).fetchone():
        return False
    event_pos, okey = event
    pos = tx.position()
    webhook_id = None if delivery.webhook_id == delivery.event_id else delivery.webhook_id
    replay = job.id if job.kind is JobKind.REPLAY else None
    tx.cursor.execute(ADD_DELIVERY, (tenant, pos, delivery.delivery_id, lane.no, event_pos, at, webhook_id, replay))
    tx.cursor.execute(ADD_FRESH, (lane.no, pos, okey or None, 1, 0, None))
    tx.count(lane.no, PENDING, 1)
    tx.hint(lane.owner, WakeKind.LANES, (LaneKey(tenant, delivery.lane),))
    return True


def drain(tx: Transaction, job: Job, limit: int, reason: str, at: int) -> int:
    """Cancel what is pending in the lanes of a subscription; end each lane in which nothing is, and the job with the last."""
    lanes = tx.cursor.execute(_SQL["lanes"], {"tenant": job.tenant, "name": job.subject}).fetchall()
    for (name,) in lanes:
        key = LaneKey(job.tenant, name)
        done = _drain(tx, key, limit, reason, at)
        if done:
            return done
        if tx.cursor.execute(_SQL["end_lane"], key).rowcount:
            tx.hint(EVERYBODY, WakeKind.NODES)
            tx.forget()
    tx.cursor.execute(_SQL["finish"], (at, False, job.tenant, job.id))
    return 0


def _drain(tx: Transaction, key: LaneKey, limit: int, reason: str, at: int) -> int:
    """Cancel what is pending in one lane; how many."""
    lane = tx.lane(*key)
    if lane is None:
        return 0
    fresh = tx.cursor.execute(_QUEUE["head_fresh"], (key.tenant, lane.no, limit)).fetchall()
    works = [Pending(pos, None, name, run, before) for pos, name, run, before in fresh]
    room = limit - len(works)
    waiting = tx.cursor.execute(_QUEUE["head_later"], (key.tenant, lane.no, room)).fetchall() if room else []
    works += [Pending(pos, due, name, run, before + tried) for pos, due, name, run, tried, before in waiting]
    if works:
        call_off(tx, key, lane.no, works, reason=reason, at=at)
    return len(works)


def end(tx: Transaction, tenant: str, job_id: str, at: int) -> bool:
    """Cancel a job."""
    ended = tx.cursor.execute(_SQL["finish"], (at, True, tenant, job_id)).rowcount > 0
    if ended:
        tx.hint(EVERYBODY, WakeKind.JOBS)
    return ended
