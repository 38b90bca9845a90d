"""Outcomes: what was tried moves on, fenced by the lane's epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookline.clock import micros
from hookline.errors import Unavailable
from hookline.store.postgres import rows
from hookline.store.postgres.faults import Lost
from hookline.store.postgres.pool import TRIES, Pool
from hookline.store.postgres.rows import CANCELLED, DELIVERED, EXHAUSTED, PENDING
from hookline.store.postgres.statements import load
from hookline.store.protocol import LaneKey, Result, Settled, Settlement
from hookline.store.sqlite.rows import NO_ATTEMPT

_SQL: Final = load("settle")
_STATE: Final[Mapping[Result, int]] = {
    Result.DELIVERED: DELIVERED,
    Result.EXHAUSTED: EXHAUSTED,
    Result.CANCELLED: CANCELLED,
    Result.WAIT: PENDING,
}
_COLUMNS: Final = 25
_SUPERSEDED_COLUMNS: Final = 25


async def settle(pool: Pool, node: int, batch: Sequence[Settlement]) -> Settled:
    """Write outcomes; those of one work that came from several callers go one after the other."""
    lost: frozenset[LaneKey] = frozenset()
    gone: frozenset[int] = frozenset()
    left: Sequence[Settlement] = batch
    while left:
        seen: set[tuple[str, int]] = set()
        now: list[Settlement] = []
        then: list[Settlement] = []
        for one in left:
            key = (one.work.tenant, one.work.pos)
            (then if key in seen else now).append(one)
            seen.add(key)
        part = await _settle(pool, node, now)
        lost, gone = lost | part.lost, gone | part.gone
        left = then
    return Settled(lost, gone)


async def _settle(pool: Pool, node: int, batch: Sequence[Settlement]) -> Settled:
    """One statement; it is repeated if its answer was lost, and what it had done already is recognised by the attempts' ids."""
    parameters = rows.columns([_row(place, one) for place, one in enumerate(batch, 1)], _COLUMNS)
    for _ in range(TRIES):
        try:
            ((written, held),) = await pool.write(_SQL["settle"], node, *parameters)
            done, ours = set(written or ()), set(held or ())
            if len(done) == len(batch):
                return Settled(frozenset(), frozenset())
            odd = [(place, one) for place, one in enumerate(batch, 1) if place not in done]
            lost = frozenset(LaneKey(one.work.tenant, one.work.lane) for place, one in odd if place not in ours)
            gone = await _judge(pool, odd, ours)
        except Lost:
            continue
        return Settled(lost, gone)
    raise Unavailable("outcomes could not be written: the connection was lost again and again", retry_after=1.0)


def _row(place: int, one: Settlement) -> rows.Row:
    work, attempt = one.work, one.attempt
    tried = work.attempts + (attempt is not None)
    next_at, columns = _attempt(one)
    okey = None if one.aside else work.event.ordering_key or None
    return (
        place, work.tenant, work.lane, one.epoch, work.due, work.pos, _STATE[one.result], one.reason, one.due, tried,
        one.run_start, one.at, rows.day_of(one.at), next_at, *columns, okey,
    )  # fmt: skip


def _attempt(one: Settlement) -> tuple[int | None, rows.Row]:
    """When the next attempt is, and the attempt's own columns."""
    attempt = one.attempt
    if attempt is None:
        return one.due, NO_ATTEMPT
    following = None if attempt.next_attempt_time is None else micros(attempt.next_attempt_time)
    return following, rows.attempt_row(attempt)


async def _judge(pool: Pool, odd: Sequence[tuple[int, Settlement]], ours: set[int]) -> frozenset[int]:
    """What became of outcomes that were not written; attempts that came too late are kept, the positions of gone works answered."""
    asked = [(place, one.work.tenant, one.work.delivery_id, None if one.attempt is None else one.attempt.id) for place, one in odd]
    found = {row[0]: row[1:] for row in await pool.read(_SQL["odd"], *rows.columns(asked, 4))}
    gone: set[int] = set()
    late: list[rows.Row] = []
    for place, one in odd:
        counted, *now = found[place]
        if _was_done(one, counted, now):
            continue
        if place in ours:
            gone.add(one.work.pos)
        if one.attempt is not None and counted is None and now[0] is not None:
            late.append(_late(place, one, now))
    if late:
        await pool.write(_SQL["supersede"], *rows.columns(late, _SUPERSEDED_COLUMNS))
    return frozenset(gone)


def _was_done(one: Settlement, counted: bool | None, now: Sequence[Any]) -> bool:
    """Whether this very settlement took place already (its answer was lost, and it is repeated)."""
    if one.attempt is not None:
        return counted is True
    pos, due, attempts, state = now[:4]
    if pos != one.work.pos:
        return False
    if one.result is Result.WAIT:
        return bool(due == one.due and attempts == one.work.attempts)
    return bool(state == _STATE[one.result])


def _late(place: int, one: Settlement, now: Sequence[Any]) -> rows.Row:
    work = one.work
    event, kind, lane, webhook, created, replay = now[4:]
    following, columns = _attempt(one)
    return (
        place, work.tenant, rows.day_of(one.at), work.delivery_id, event, kind, lane, webhook, created, replay,
        one.reason, work.run, work.before + work.attempts + 1, following, one.at, *columns,
    )  # fmt: skip
