"""Where events stand from the moment they are answered until they are handled: SQLite or PostgreSQL, and the worker.

The one for PostgreSQL, `hookline.receiver.inbox.postgres.PostgresInbox`, needs asyncpg.
"""

from hookline.receiver.inbox.inbox import DeadLetter, Inbox, StoredEvent
from hookline.receiver.inbox.sqlite import SqliteInbox
from hookline.receiver.inbox.worker import Worker

__all__ = ["DeadLetter", "Inbox", "SqliteInbox", "StoredEvent", "Worker"]
