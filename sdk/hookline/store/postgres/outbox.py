"""The outbox: what callers have emitted in their own transactions, taken as it commits.

Read forward, like a lane: a position, and the transactions that were in progress below it. What was read
is removed only after it was appended; the append is idempotent by the event's id, so whoever crashes in
between, or reads beside another, repeats it without effect.
"""

import json
from decimal import Decimal
from typing import Any, Final

from hookline.clock import moment
from hookline.model import EventSpec
from hookline.outbox import LARGEST_READ, UNREADABLE, Batch, OutboxRow, unreadable
from hookline.store.postgres.pool import TIMEOUT, Pool, Row
from hookline.store.postgres.queue import Snapshot
from hookline.store.postgres.statements import load

_SQL: Final = load("outbox")


class PostgresOutbox:
    """See `hookline.outbox.Outbox`."""

    def __init__(self, pool: Pool) -> None:
        """Nothing was read yet: begin at the oldest."""
        self._pool = pool
        self._born: object = None
        self._from = 0
        self._suspects: list[int] = []

    async def open(self, max_data: int) -> None:
        """`hookline.emit` refuses more than `max_data` bytes of data, which are not accepted. Raises Unavailable."""
        await self._pool.safely(lambda connection: connection.execute(_SQL["max_data"], max_data, timeout=TIMEOUT))

    async def read(self, limit: int) -> Batch:
        """Up to `limit` committed events in the order of their transactions. Raises Unavailable."""
        found = await self._pool.read(_SQL["read"], self._from, self._suspects, limit, LARGEST_READ)
        snapshot, born = Snapshot.parse(found[0][0]), found[0][1]
        if born != self._born:  # another life of the server, which may give transaction ids again
            anew = self._from > 0
            self._born = born
            self.restart()
            if anew:
                return await self.read(limit)
        rows = [_row(row[3:]) for row in found if row[2] is not None]
        count = found[0][2] or 0
        more = count == limit or count > len(rows)
        # Never above a transaction that is known to be committed, nor above one of which a part is left: those are read forward.
        last = max((row.place[0] for row in rows), default=0)
        self._from = max(last, self._from)
        if last == self._from or not more:
            self._suspects = [xid for xid in snapshot.under_way if xid < self._from]
        return Batch(rows, more)

    async def remove(self, rows: list[OutboxRow]) -> None:
        """These are appended. Raises Unavailable."""
        where = [row.place for row in rows]
        await self._pool.safely(
            lambda connection: connection.execute(
                _SQL["remove"], [xid for xid, _ in where], [no for _, no in where], timeout=TIMEOUT
            )
        )

    async def refuse(self, rows: list[tuple[OutboxRow, str]]) -> None:
        """These can never be appended: keep them aside, each with the reason. Raises Unavailable."""
        places = [row.place for row, _ in rows]
        reasons = [reason for _, reason in rows]
        await self._pool.safely(
            lambda connection: connection.execute(
                _SQL["refuse"], [xid for xid, _ in places], [no for _, no in places], reasons, timeout=TIMEOUT
            )
        )

    def restart(self) -> None:
        """Something that was read was not appended after all: read from the oldest again."""
        self._from, self._suspects = 0, []


def _row(row: Row) -> OutboxRow:
    (xid, no, tenant, event_id, kind, data, content_type, data_schema, source, subject, time, labels, key, ordering_key,
        not_before, traceparent) = row  # fmt: skip
    try:
        spec = EventSpec(
            type=kind,
            data=data,
            id=event_id,
            source=source,
            subject=subject,
            time=_moment(time),
            data_content_type=content_type,
            data_schema=data_schema,
            labels=json.loads(labels or "{}"),
            idempotency_key=key,
            ordering_key=ordering_key,
            not_before_time=_moment(not_before),
            traceparent=traceparent,
        )
    except UNREADABLE as error:
        return unreadable(tenant, (xid, no), event_id, error)
    return OutboxRow(tenant=tenant, place=(xid, no), event=spec)


def _moment(seconds: str | None) -> Any:
    return None if seconds is None else moment(int(Decimal(seconds) * 1_000_000))
