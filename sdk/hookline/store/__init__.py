"""Where events and deliveries are kept."""

from pathlib import Path
from typing import Final

from hookline.clock import Clock, SystemClock
from hookline.errors import StoreError, quoted
from hookline.store.memory import MemoryStore
from hookline.store.protocol import Store
from hookline.store.sqlite import SqliteStore

MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite://"


def open_store(place: str | Path, clock: Clock | None = None) -> Store:
    """A store that is not open yet: call its `open`.

    `place` is `memory:`, a path, or `sqlite:///relative/path` (four slashes for an absolute one).
    Raises StoreError for anything else.
    """
    clock = clock or SystemClock()
    if isinstance(place, Path):
        return SqliteStore(place, clock)
    if place in {MEMORY, ":memory:", "memory://"}:
        return MemoryStore(clock)
    if place.startswith(_SQLITE):
        path = place.removeprefix(_SQLITE)
        if not path.startswith("/") or path == "/":
            raise StoreError(f"{quoted(place)} is not the address of a store: write sqlite:///path, sqlite:////absolute/path")
        return SqliteStore(Path(path[1:]), clock)
    if "://" in place or not place or "\0" in place:
        raise StoreError(f"{quoted(place)} is not the address of a store: write memory:, a path, or sqlite:///path")
    return SqliteStore(Path(place), clock)


__all__ = ["MEMORY", "MemoryStore", "SqliteStore", "Store", "open_store"]
