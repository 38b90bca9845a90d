"""The work queue as its owner reads it: the forward claim, what is due, one key's works."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hookline.model import Event
from hookline.store.postgres import rows
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.statements import load
from hookline.store.protocol import ClaimAnswer, ClaimRequest, DueAnswer, DueRequest, LaneKey, Work
from hookline.store.sqlite import rows as common

_SQL: Final = load("queue")

LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of data after which a claim brings one work a lane and no more; the rest is read next."""
_SNAPSHOT: Final = re.compile(r"(\d+):(\d+):([\d,]*)")
_OWN: Final = 8
"""Columns of a work, before its event's 15."""


class Cursor(NamedTuple):
    """How far a lane was read: all below `pos`, but for the transactions that were under way at the time.

    `suspects` are the first positions of those; `born` says which life of which server the positions
    belong to: in another, all is read anew.
    """

    born: str
    pos: int
    suspects: tuple[int, ...]


class Snapshot(NamedTuple):
    """What a statement could see: every transaction below `end` but those in `under_way`."""

    end: int
    under_way: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Read the text form of a pg_snapshot, `xmin:xmax:xip,…`."""
        found = _SNAPSHOT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a snapshot")
        return cls(int(found[2]), tuple(int(xid) for xid in found[3].split(",") if xid))


class Reader:
    """Claims. Remembers the highest transaction that is known to be on disk.

    A cursor never stands above that one: after a crash the server gives numbers again that no
    transaction on disk had used, and what is committed under those must not lie below a cursor.
    """

    def __init__(self, pool: Pool, bereaved: Callable[[str, str], None]) -> None:
        """`bereaved` is told of a delivery whose event is gone: tenant and id. Nothing was seen yet."""
        self._pool = pool
        self._bereaved = bereaved
        self._durable = 0
        self._born: object = None

    def committed(self, pos: int) -> None:
        """A transaction with this position is committed."""
        self._durable = max(self._durable, pos >> 20)

    async def claim(self, requests: Sequence[ClaimRequest]) -> list[ClaimAnswer]:
        """Read fresh works: what late commits have put below each cursor, then forward."""
        common.check_room(requests)
        ranges: list[rows.Row] = []
        for i, request in enumerate(requests):
            cursor = request.cursor
            starts: tuple[tuple[int, int], ...] = ((0, rows.LAST),)
            if isinstance(cursor, Cursor):
                starts = (*((low, (low | (rows.ORDINAL - 1)) + 1) for low in cursor.suspects), (cursor.pos, rows.LAST))
            ranges += [(i, *request.key, low, high, request.room + 1) for low, high in starts]
        found = await self._pool.read(_SQL["claim"], *rows.columns(ranges, 6), LARGEST_ANSWER)
        snapshot, born = Snapshot.parse(found[0][0]), found[0][1]
        if born != self._born:  # perhaps another server, which was behind: what was on disk there says nothing here
            self._born, self._durable = born, 0
        if any(isinstance(request.cursor, Cursor) and request.cursor.born != born for request in requests):
            return await self.claim(
                [
                    request._replace(cursor=None) if isinstance(request.cursor, Cursor) and request.cursor.born != born else request
                    for request in requests
                ]
            )
        works: list[list[Work]] = [[] for _ in requests]
        counts = [0] * len(requests)
        taken = [row[2:] for row in found if row[2] is not None]
        events = await self._events([(row[_OWN + 2 :], requests[row[0]].key.tenant) for row in taken])
        for (i, count, *columns), event in zip(taken, events, strict=True):
            counts[i] = count
            self.committed(columns[0])
            if event is not None:
                works[i].append(rows.work(requests[i].key.lane, columns[:_OWN], event))
            else:
                self._bereaved(requests[i].key.tenant, columns[2])
        passed: dict[int, int] = {}
        read: dict[int, int] = {}
        for i, _, pos, *_ in taken:
            passed[i] = pos
            read[i] = read.get(i, 0) + 1
        return [
            ClaimAnswer(
                works[i],
                self._cursor(request, snapshot, born, passed.get(i), more=counts[i] > read.get(i, 0)),
                counts[i] > read.get(i, 0),
            )
            for i, request in enumerate(requests)
        ]

    def _cursor(self, request: ClaimRequest, snapshot: Snapshot, born: str, last: int | None, *, more: bool) -> Cursor:
        """Where the next claim begins."""
        former = request.cursor if isinstance(request.cursor, Cursor) else None
        start = 0 if former is None else former.pos
        partly: tuple[int, ...] = ()
        if not more:
            pos = max(start, min(snapshot.end, self._durable + 1) << 20)
        elif last is not None and last < start and former is not None:  # it ended among the late ones: those above it are unread
            pos = start
            ends = [(low, low | (rows.ORDINAL - 1)) for low in former.suspects]
            partly = tuple(max(low, last + 1) for low, end in ends if end > last)
        else:
            pos = start if last is None else max(start, last + 1)
        fresh = tuple(xid << 20 for xid in snapshot.under_way if xid << 20 < pos)
        unread = {low >> 20: low for low in fresh} | {low >> 20: low for low in partly}
        return Cursor(born, pos, tuple(sorted(unread.values())))

    async def due(self, requests: Sequence[DueRequest]) -> list[DueAnswer]:
        """Read waiting works that are due."""
        common.check_room(requests)
        asked = [(i, *request.key, request.until, request.room + 1, *request.after) for i, request in enumerate(requests)]
        found = await self._pool.read(_SQL["due"], *rows.columns(asked, 7), LARGEST_ANSWER)
        works: list[list[Work]] = [[] for _ in requests]
        next_due: list[int | None] = [None] * len(requests)
        counts = [0] * len(requests)
        read = [0] * len(requests)
        events = await self._events([(row[_OWN + 3 :], requests[row[0]].key.tenant) for row in found])
        for (i, following, count, *columns), event in zip(found, events, strict=True):
            next_due[i] = following
            if count is None:
                continue
            counts[i] = count
            read[i] += 1
            if event is not None:
                aside = columns[-1] is None and event.ordering_key != ""
                works[i].append(rows.work(requests[i].key.lane, columns[:_OWN], event)._replace(aside=aside))
            else:
                self._bereaved(requests[i].key.tenant, columns[2])
        return [DueAnswer(works[i], next_due[i], counts[i] > read[i]) for i in range(len(requests))]

    async def probe(self, key: LaneKey, ordering_key: str, room: int) -> list[Work]:
        """Fresh works of one ordering key."""
        found = await self._pool.read(_SQL["probe"], *key, ordering_key, room)
        events = await self._events([(row[_OWN:], key.tenant) for row in found])
        return [rows.work(key.lane, row[:_OWN], event) for row, event in zip(found, events, strict=True) if event is not None]

    async def _events(self, found: Sequence[tuple[Sequence[Any], str]]) -> list[Event | None]:
        """The events of works: 15 columns and the id. One that was carried forward to another day is asked for by its id."""
        events = [rows.event(row) if row[1] is not None else None for row, _ in found]
        missing = [(tenant, row[15]) for (row, tenant), event in zip(found, events, strict=True) if event is None and row[15]]
        if missing:
            carried = await self._pool.read(_SQL["carried"], *rows.columns(missing, 2))
            by_id = {(row[0], row[1]): rows.event(row) for row in carried}
            events = [
                event or by_id.get((tenant, row[15])) for (row, tenant), event in zip(found, events, strict=True)
            ]  # fmt: skip
        return events
