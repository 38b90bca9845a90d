"""The embedded store: one SQLite file, one writer thread, group commits."""

from hookline.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
