"""Jobs: fan-outs, replays and drains, step by step."""

import json
from collections.abc import Sequence
from typing import Final

from hookline.store.postgres import rows
from hookline.store.postgres.hand import call_off
from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.repeated import recalled, remember
from hookline.store.postgres.rows import LAST
from hookline.store.postgres.statements import load
from hookline.store.postgres.wake import EVERYBODY, Wakes
from hookline.store.protocol import Job, JobDelivery, JobKind, LaneKey, Repeatable, Wake, WakeKind
from hookline.store.sqlite import rows as common

_SQL: Final = load("jobs")
_JOBS: Final = Wake(WakeKind.JOBS)


async def unfinished(pool: Pool) -> list[Job]:
    """Every job that goes on."""
    return [common.job(tuple(row)) for row in await pool.read(_SQL["open"])]


async def one(pool: Pool, tenant: str, job_id: str) -> Job | None:
    """One job, finished or not."""
    found = await pool.read(_SQL["one"], tenant, job_id)
    return common.job(tuple(found[0])) if found else None


async def replays(pool: Pool, tenant: str, subscription_id: str, before: str, limit: int) -> list[Job]:
    """Replays, newest first."""
    return [common.job(tuple(row)) for row in await pool.read(_SQL["replays"], tenant, subscription_id, before, limit)]


async def add(pool: Pool, wakes: Wakes, job: Job, request: Repeatable | None, at: int) -> Job:
    """Begin a job, or find the one that this request began."""

    async def work(connection: Connection, _: int) -> Job:
        if not await remember(connection, job.tenant, request, job.id, at):  # this waits for one of the same moment
            first = await recalled(connection, job.tenant, request)
            known = None if first is None else await connection.fetchrow(_SQL["one"], job.tenant, first)
            if known is not None:
                return common.job(tuple(known))
        await insert(connection, job)
        return job

    begun = await pool.transaction(work)
    wakes.post(EVERYBODY, _JOBS)
    return begun


async def insert(connection: Connection, job: Job) -> None:
    """Begin a job, within a transaction."""
    tenant, name, kind, *rest = common.job_row(job)
    await connection.execute(_SQL["add"], tenant, name, str(kind), *rest)


async def step(
    pool: Pool, wakes: Wakes, job: Job, *, cursor: str, scanned: int, deliveries: Sequence[JobDelivery], finished: bool, at: int
) -> bool:
    """Move a job and add its deliveries; lanes and events that are gone are left out, and of a fan-out lanes that came later."""
    last = json.loads(job.spec).get("lanes", LAST) if job.kind is JobKind.FANOUT else LAST
    replay = job.id if job.kind is JobKind.REPLAY else None
    new = rows.columns([(place, *delivery) for place, delivery in enumerate(deliveries, 1)], 5)

    async def work(connection: Connection, base: int) -> Sequence[rows.Row] | None:
        if not await connection.fetch(_SQL["move"], job.tenant, job.id, job.cursor, cursor, scanned, at if finished else None):
            return None
        if not deliveries:
            return ()
        added: Sequence[rows.Row] = await connection.fetch(_SQL["deliver"], job.tenant, base, at, replay, last, *new)
        await connection.execute(_SQL["count"], job.tenant, job.id, sum(row[3] for row in added))
        return added

    moved = await pool.transaction(work)
    for lane, owner, alive, _ in moved or ():
        wakes.owner(owner, alive, Wake(WakeKind.LANES, (LaneKey(job.tenant, lane),)))
    return moved is not None


async def drain(pool: Pool, wakes: Wakes, job: Job, *, limit: int, reason: str, at: int) -> int:
    """Cancel what is pending in the lanes of a subscription; end each lane in which nothing is, and the job with the last."""

    async def work(connection: Connection, base: int) -> tuple[list[str], LaneKey, int | None]:
        lanes = await connection.fetch(_SQL["lanes_for_end"], job.tenant, job.subject)  # waits for appends that are under way
        for name, owner in lanes:
            key = LaneKey(job.tenant, name)
            ids = await call_off(connection, key, base, limit=limit, reason=reason, at=at)
            if ids:
                return ids, key, owner
            await connection.execute(_SQL["end_lane"], *key, at)
        await connection.execute(_SQL["finish"], job.tenant, job.id, at, False)
        return [], LaneKey(job.tenant, job.subject), None

    ids, key, owner = await pool.transaction(work)
    if ids:
        wakes.owner(owner, True, Wake(WakeKind.FORGET, (key,), tuple(ids)))
    else:
        wakes.post(EVERYBODY, Wake(WakeKind.NODES))
    return len(ids)


async def end(pool: Pool, wakes: Wakes, tenant: str, job_id: str, at: int) -> bool:
    """Cancel a job."""

    async def work(connection: Connection, _: int) -> bool:
        return bool(await connection.fetch(_SQL["finish"], tenant, job_id, at, True))

    ended = await pool.transaction(work)
    if ended:
        wakes.post(EVERYBODY, _JOBS)
    return ended
