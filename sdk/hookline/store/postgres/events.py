"""The event log: append and read."""

import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from hookline.clock import micros, moment
from hookline.errors import Unavailable
from hookline.model import Event
from hookline.store.postgres import rows
from hookline.store.postgres.faults import Lost
from hookline.store.postgres.pool import TRIES, Pool
from hookline.store.postgres.reading import pages_begin, settled_below
from hookline.store.postgres.rows import LAST, ORDINAL
from hookline.store.postgres.statements import load
from hookline.store.postgres.wake import EVERYBODY, Wakes
from hookline.store.protocol import (
    Accepted,
    Appended,
    Clash,
    Duplicate,
    EventFilter,
    LaneKey,
    Positioned,
    Routed,
    Stale,
    Wake,
    WakeKind,
)

_SQL: Final = load("events")
NAMED: Final = "\n".join(_SQL[part] for part in ("append_events", "append_named", "append_rest"))
"""The statement of an append."""
PLAIN: Final = "\n".join(_SQL[part] for part in ("append_events", "append_plain", "append_rest"))
"""That of one whose events nobody can repeat."""
_EVENT_COLUMNS: Final = 20
TURN: Final = 0x686F6F6B7475726E
"""Of the advisory lock under which appends go in turn (`hookturn` in ASCII)."""


class _Name(NamedTuple):
    """What an event may be repeated under."""

    tenant: str
    kind: str
    key: str


class _Placed(NamedTuple):
    """An event with its ordinals in the commit, and those of its deliveries."""

    number: int
    routed: Routed
    ord: int
    deliveries: range


def _names(routed: Routed) -> tuple[_Name, ...]:
    """An event that came without id and key has no digest, and nobody but its own append can repeat it."""
    event = routed.event
    if not routed.digest and not event.idempotency_key:
        return ()
    by_id = _Name(event.tenant, "id", event.id)
    return (by_id, _Name(event.tenant, "key", event.idempotency_key)) if event.idempotency_key else (by_id,)


async def append(pool: Pool, wakes: Wakes, node: int, batch: Sequence[Routed]) -> list[Appended]:
    """Store events with their deliveries; one statement, and another for those that repeat one of the same batch.

    A delivery whose lane is over gets position 0 and is not stored.
    """
    answers: list[Appended | None] = [None] * len(batch)
    left = list(range(len(batch)))
    while left:
        seen: set[object] = set()
        now: list[int] = []
        then: list[int] = []
        for index in left:
            routed = batch[index]
            names = {(routed.event.tenant, routed.event.id), *_names(routed)}
            (then if names & seen else now).append(index)
            seen |= names
        await _Append(pool, wakes, node, [(index, batch[index]) for index in now]).run(answers)
        left = then
    return answers  # type: ignore[return-value]  # every None was replaced above


class _Append:
    """One append, repeated under one token until it is known what became of each event."""

    def __init__(self, pool: Pool, wakes: Wakes, node: int, batch: Sequence[tuple[int, Routed]]) -> None:
        self._pool = pool
        self._wakes = wakes
        self._node = node
        self._token = uuid.uuid4()
        self._left: list[_Placed] = []
        at = 1
        for index, routed in batch:
            first = at + 1
            at = first + len(routed.deliveries)
            self._left.append(_Placed(index, routed, first - 1, range(first, at)))
        if at >= ORDINAL:
            raise ValueError(f"{at} events and deliveries in one commit; at most {ORDINAL - 1}")

    async def run(self, answers: list[Appended | None]) -> None:
        for _ in range(TRIES):
            try:
                sql, *parameters = self._statement()
                ((base, events, deliveries, *owners),) = await self._pool.write(sql, *parameters)
            except (Lost, asyncpg.DivisionByZeroError):  # unknown; or undone, as somebody else was faster with a name
                events, deliveries, owners, base = (), (), [None] * 4, 0
            self._wake(owners)
            written, stored = set(events or ()), set(deliveries or ())
            self._wake_jobs(written)
            for one in self._left:
                if one.ord in written:
                    answers[one.number] = Accepted([base | place if place in stored else 0 for place in one.deliveries])
            self._left = [one for one in self._left if one.ord not in written]
            if not self._left:
                return
            try:
                await self._resolve(answers)
            except Lost:
                continue
            if not self._left:
                return
        raise Unavailable("events could not be appended: their ids or keys are contended for; come back", retry_after=0.2)

    def _statement(self) -> list[Any]:
        """The statement for what is left, and its parameters."""
        events: list[rows.Row] = []
        names: list[rows.Row] = []
        deliveries: list[rows.Row] = []
        for _, routed, place, places in self._left:
            event = routed.event
            row = rows.event_row(0, event, routed.digest)
            day = rows.day_of(row[-1])
            events.append((place, event.tenant, routed.revision, routed.fanout, day, *row[2:]))
            names.extend((place, name.kind, name.key) for name in _names(routed))
            deliveries.extend((at, place, *new) for at, new in zip(places, routed.deliveries, strict=True))
        common = [
            self._node,
            self._token,
            *rows.columns(deliveries, 4),
            *rows.columns(events, _EVENT_COLUMNS),
            any(one.routed.in_turn for one in self._left),
            TURN,
        ]
        return [NAMED, *common, *rows.columns(names, 3)] if names else [PLAIN, *common]

    def _wake(self, owners: Sequence[Any]) -> None:
        by_owner: dict[tuple[int, bool], list[LaneKey]] = {}
        for tenant, lane, owner, alive in zip(*(part or () for part in owners), strict=True):
            by_owner.setdefault((owner, alive), []).append(LaneKey(tenant, lane))
        for (owner, alive), lanes in by_owner.items():
            self._wakes.owner(owner, alive, Wake(WakeKind.LANES, tuple(lanes)))

    def _wake_jobs(self, written: set[int]) -> None:
        if any(one.routed.fanout and one.ord in written for one in self._left):
            self._wakes.post(EVERYBODY, Wake(WakeKind.JOBS))

    async def _resolve(self, answers: list[Appended | None]) -> None:
        """Ask for what was not written now: it was before, by this append or another, or the routing is stale."""
        left = self._left
        names = [(one.ord, *name) for one in left for name in _names(one.routed)]
        ids = [
            (one.ord, one.routed.event.tenant, one.routed.event.id, rows.day_of(micros(one.routed.event.accept_time)))
            for one in left
        ]
        found: dict[int, dict[str, rows.Row]] = {}
        for place, kind, *known in await self._pool.read(_SQL["known"], *rows.columns(names, 4), *rows.columns(ids, 4)):
            found.setdefault(place, {})[kind] = known
        revisions: dict[str, int] = {}
        for tenant in {one.routed.event.tenant for one in left}:
            row = await self._pool.read(_SQL["revision"], tenant)
            revisions[tenant] = row[0][0] if row else 0
        self._left = []
        for one in left:
            known_as = found.get(one.ord, {})
            made = known_as.get("event")
            if made is not None and made[3] == self._token:
                answers[one.number] = Accepted(await self._positions(one, made[4]))
                self._wake_owners_later(one)
                continue
            others = {kind: row for kind, row in known_as.items() if row[3] != self._token}
            revision = revisions[one.routed.event.tenant]
            if "key" in others:
                answers[one.number] = _repeated("idempotency_key", others["key"], one.routed.digest)
            elif "id" in others or "event" in others:
                answers[one.number] = _repeated("id", others.get("id") or others["event"], one.routed.digest)
            elif revision != one.routed.revision:
                answers[one.number] = Stale(revision)
            else:
                self._left.append(one)

    async def _positions(self, one: _Placed, event_pos: int) -> list[int]:
        """Where the deliveries of a commit stand whose answer was lost; 0 for one that is not there (any more)."""
        base = event_pos - one.ord
        tenant = one.routed.event.tenant
        keys = [(tenant, new.lane, base | place) for new, place in zip(one.routed.deliveries, one.deliveries, strict=True)]
        there = {pos for (pos,) in await self._pool.read(_SQL["still_fresh"], *rows.columns(keys, 3))}
        return [pos if pos in there else 0 for _, _, pos in keys]

    def _wake_owners_later(self, one: _Placed) -> None:
        """Who owns those lanes is not known any more: let everybody look."""
        if one.routed.deliveries:
            lanes = tuple(LaneKey(one.routed.event.tenant, new.lane) for new in one.routed.deliveries)
            self._wakes.post(EVERYBODY, Wake(WakeKind.LANES, lanes))
        if one.routed.fanout:
            self._wakes.post(EVERYBODY, Wake(WakeKind.JOBS))


def _repeated(field: str, known: rows.Row, digest: bytes) -> Duplicate | Clash:
    event_id, first, accept = known[:3]
    return Duplicate(event_id, moment(accept)) if first == digest else Clash(field, event_id)


async def event(pool: Pool, tenant: str, event_id: str) -> Event | None:
    """One event."""
    found = await pool.read(_SQL["event"], tenant, event_id)
    return rows.event(found[0]) if found else None


async def falling(pool: Pool, tenant: str, which: EventFilter, before: int | None, limit: int) -> list[Positioned]:
    """Events in falling position. The first page waits for commits under way, so that no later one can be paged past."""
    bound = await pages_begin(pool) if before is None else before
    found = await pool.read(_SQL["falling"], tenant, bound, *_bounds(which), limit)
    return [Positioned(row[0], rows.event(row[1:])) for row in found]


async def rising(pool: Pool, tenant: str, which: EventFilter, after: int, limit: int) -> list[Positioned]:
    """Events in rising position, up to where every commit of ours is over."""
    below = (await settled_below(pool))[0]
    found = await pool.read(_SQL["rising"], tenant, after, *_bounds(which), limit, below)
    return [Positioned(row[0], rows.event(row[1:])) for row in found]


def _bounds(which: EventFilter) -> tuple[int, int, list[str], int]:
    """From, to, types, and the first day, for older partitions to be left out; what was carried forward has a later day."""
    start, first = (-LAST, 0) if which.from_time is None else (which.from_time, max(0, rows.day_of(which.from_time)))
    return start, LAST if which.to_time is None else which.to_time, list(which.types), first
