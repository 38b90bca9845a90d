"""The stores that must pass the suite: a further one joins by a line in `KINDS`."""

from collections.abc import Callable
from pathlib import Path

from postgres.server import SYSTEM, WHEEL, server

from hookline.clock import SystemClock
from hookline.store import MemoryStore, SqliteStore, Store
from hookline.store.postgres import Address, PostgresStore


def postgres(query: str = "", source: str = WHEEL) -> PostgresStore:
    """A store on a new database. Its days are long past for the suite's times, so that retention goes row by row."""
    address = Address.parse(server(source).url(server(source).database(), query=query))
    return PostgresStore(address, SystemClock(), floor=None)


KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(SystemClock()),
    "sqlite": lambda folder: SqliteStore(folder / "hookline.db", SystemClock()),
    "postgres": lambda _: postgres(),
    "pooled": lambda _: postgres("&pooler=1"),
}

OWN: dict[str, Callable[[Path], Store]] = {"postgres of the system": lambda _: postgres(source=SYSTEM)}
"""Stores that pass the heart of it: `HEART`."""
HEART = ("test_append", "test_queue", "test_nodes")
"""Modules of the suite whose statements have much to do with the server's version."""
