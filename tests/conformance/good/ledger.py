"""What a receiver did, in a file: an event takes effect once, whoever asks, and survives restarts."""

import os
import sqlite3
from contextlib import closing


def _open() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["LEDGER"], timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE IF NOT EXISTS effects (event TEXT PRIMARY KEY)")
    return connection


def take(event_id: str) -> None:
    """The effect: a row; one that is there already stays the only one."""
    with closing(_open()) as connection:
        connection.execute("INSERT OR IGNORE INTO effects VALUES (?)", (event_id,))


def report() -> dict[str, object]:
    with closing(_open()) as connection:
        events = [row[0] for row in connection.execute("SELECT event FROM effects")]
    return {"effects": dict.fromkeys(events, 1), "total": len(events)}
