"""Where events and deliveries are kept."""

from pathlib import Path
from typing import Final

from hookline.clock import Clock, SystemClock
from hookline.errors import StoreError, quoted
from hookline.store.memory import MemoryStore
from hookline.store.place import hidden
from hookline.store.protocol import Store
from hookline.store.sqlite import SqliteStore

MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite://"
_POSTGRES: Final = ("postgresql:", "postgres:")


def open_store(place: str | Path, clock: Clock | None = None) -> Store:
    """A store that is not open yet: call its `open`.

    `place` is `memory:`, a path, `sqlite:///relative/path` (four slashes for an absolute one), or
    `postgresql://user:password@host:5432/database`. Raises StoreError for anything else.
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
    if place.startswith(_POSTGRES):
        return _postgres(place, clock)
    if "://" in place or not place or "\0" in place:
        raise StoreError(
            f"{quoted(hidden(place))} is not the address of a store: write memory:, a path, sqlite:///path, or postgresql://…"
        )
    return SqliteStore(Path(place), clock)


def _postgres(url: str, clock: Clock) -> Store:
    try:
        from hookline.store.postgres import Address, PostgresStore  # noqa: PLC0415  # its library is an extra
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise StoreError("PostgreSQL needs the extra `postgres`: pip install 'hookline[postgres]'") from error
    return PostgresStore(Address.parse(url), clock)


__all__ = ["MEMORY", "MemoryStore", "SqliteStore", "Store", "hidden", "open_store"]
