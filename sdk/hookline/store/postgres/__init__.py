"""The store of many replicas: PostgreSQL 14 or newer."""

from hookline.store.postgres.address import Address
from hookline.store.postgres.migrations import VERSION, migrate_at, print_migrations, version_of
from hookline.store.postgres.store import PostgresStore

__all__ = ["VERSION", "Address", "PostgresStore", "migrate_at", "print_migrations", "version_of"]
