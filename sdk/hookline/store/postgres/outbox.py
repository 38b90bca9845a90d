"""The outbox: what callers have emitted in their own transactions, taken as it commits.

Read forward, like a lane: a position, and the transactions that were in progress below it. What was read
is removed only after it was appended; the append is idempotent by the event's id, so whoever crashes in
between, or reads beside another, repeats it without effect.
"""

import json
from typing import Final

from hookline.model import NO_LABELS, EventSpec
from hookline.outbox import OutboxRow
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

    async def read(self, limit: int) -> list[OutboxRow]:
        """Up to `limit` committed events in the order of their transactions. Raises Unavailable."""
        found = await self._pool.read(_SQL["read"], self._from, self._suspects, limit)
        snapshot, born = Snapshot.parse(found[0][0]), found[0][1]
        if born != self._born:  # another life of the server, which may give transaction ids again
            anew = self._from > 0
            self._born = born
            self.restart()
            if anew:
                return await self.read(limit)
        rows = [_row(row[2:]) for row in found if row[2] is not None]
        if len(rows) < limit:
            # Never above a transaction that is known to be committed: those above it are read forward.
            self._from = max([self._from, *(row.place[0] for row in rows)])
            self._suspects = [xid for xid in snapshot.under_way if xid < self._from]
        return rows

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
    spec = EventSpec(
        type=kind,
        data=data,
        id=event_id,
        source=source,
        subject=subject,
        time=time,
        data_content_type=content_type,
        data_schema=data_schema,
        labels=json.loads(labels) if labels else NO_LABELS,
        idempotency_key=key,
        ordering_key=ordering_key,
        not_before_time=not_before,
        traceparent=traceparent,
    )
    return OutboxRow(tenant=tenant, place=(xid, no), event=spec)
