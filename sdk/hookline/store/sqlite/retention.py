"""Retention: what is finished and old goes, in small steps."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from hookline.store.protocol import Purged
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import Transaction

_SQL: Final = load("retention")


def unneeded(connection: sqlite3.Connection, after: int, accepted_before: int, limit: int) -> list[int]:
    """Positions above `after` of events that nothing needs. Read outside the write transaction: it may have to pass many."""
    names = {"after": after, "before": accepted_before, "limit": limit}
    return [pos for (pos,) in connection.execute(_SQL["unneeded"], names)]


def purge_deliveries(tx: Transaction, finished_before: int, limit: int) -> Purged:
    """Remove deliveries that finished before, with their attempts."""
    found = tx.cursor.execute(_SQL["finished"], (finished_before, limit)).fetchall()
    attempts = 0
    horizons: dict[str, int] = {}
    for tenant, pos in found:
        count, last = tx.cursor.execute(_SQL["count_attempts"], (pos,)).fetchone()
        attempts += count
        horizons[tenant] = max(horizons.get(tenant, 0), last)
        tx.cursor.execute(_SQL["remove_changes"], (pos,))
        tx.cursor.execute(_SQL["remove_done"], (tenant, pos))
        tx.cursor.execute(_SQL["remove_delivery"], (tenant, pos))
    tx.cursor.executemany(_SQL["raise_horizon"], horizons.items())
    return Purged(len(found), attempts, 0)


def purge_events(tx: Transaction, positions: Sequence[int], keys_before: int) -> int:
    """Remove those of the events that nothing needs; the ids of young ones are carried forward."""
    removed = 0
    for pos in positions:
        row = tx.cursor.execute(_SQL["still_unneeded"], (pos,)).fetchone()
        if row is None:
            continue
        tenant, event_id, digest, accept = row
        if accept >= keys_before:
            tx.cursor.execute(_SQL["carry_forward"], (tenant, event_id, event_id, digest, accept))
        tx.cursor.execute(_SQL["remove_event"], (pos,))
        removed += 1
    return removed


def purge_records(tx: Transaction, finished_before: int, keys_before: int, limit: int) -> int:
    """Remove what has expired beside: idempotency records, repeatable calls, jobs, lanes without history; how many."""
    removed = 0
    for find, remove, bounds in (
        ("expired_keys", "remove_key", (keys_before, limit)),
        ("expired_requests", "remove_request", (keys_before, limit)),
        ("finished_jobs", "remove_job", (finished_before, limit)),
        ("empty_lanes", "remove_lane", (limit,)),
    ):
        found = tx.cursor.execute(_SQL[find], bounds).fetchall()
        tx.cursor.executemany(_SQL[remove], found)
        removed += len(found)
    tx.forget()
    return removed
