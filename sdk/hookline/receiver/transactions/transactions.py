"""What a source of transactions is, and what it keeps.

`once` runs an effect in the transaction that records the event's key, so that both happen or neither: a
second delivery finds the key, or waits for the first one, or is told that it is still being handled.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar

from hookline.errors import FailedPrecondition, InvalidArgument, quoted

T = TypeVar("T")

CREATE_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS hookline_received ("
    "scope VARCHAR(64) NOT NULL, event_key VARCHAR(256) NOT NULL, received_time BIGINT NOT NULL, "
    "PRIMARY KEY (scope, event_key))"
)
CREATE_INDEX: Final = "CREATE INDEX IF NOT EXISTS hookline_received_by_time ON hookline_received (scope, received_time)"
BUSY_ELSEWHERE: Final = "the same event is being handled in another transaction"
ENDED: Final = "the handler ended the transaction that it was given; right is to leave commit and rollback to the receiver"
INSERTED_IN: Final = " RETURNING pg_current_xact_id()::text"
"""Behind an INSERT on PostgreSQL: the transaction that it is in."""
STILL_IN: Final = "SELECT pg_current_xact_id_if_assigned()::text"
"""On PostgreSQL: the transaction that has written so far. It fails where an error has undone the transaction already."""
MARK: Final = "SAVEPOINT hookline_once"
"""On SQLite, which gives its transactions no names: what is gone with the transaction that it was set in."""
UNMARK: Final = "RELEASE hookline_once"
_DIALECTS: Final = frozenset({"sqlite", "postgresql"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKey:
    """What an event is known by: whose it is (the receiver's name, at most 64 characters), and its key there."""

    scope: str
    key: str

    def lock(self) -> int:
        """A signed number of 64 bits for an advisory lock; two keys may have the same, and then wait for each other."""
        return int.from_bytes(sha256(f"{self.scope}\0{self.key}".encode()).digest()[:8], "big", signed=True)


class Transactions(ABC, Generic[T]):
    """A source of transactions for handlers that are not async. Its methods block, and are called in threads."""

    @abstractmethod
    def setup(self) -> None:
        """Make the table `hookline_received`, if it is not there."""

    @abstractmethod
    def once(self, key: EventKey, now: int, effect: Callable[[T], object]) -> bool:
        """Record `key` at `now` (microseconds since 1970) and run `effect`, in one transaction; or answer False.

        False says that the key was recorded before. Raises StillHandled if another transaction holds it, and
        whatever `effect` raises, after which nothing is recorded.
        """

    @abstractmethod
    def seen(self, key: EventKey) -> bool:
        """Whether the key is recorded."""

    @abstractmethod
    def purge(self, scope: str, before: int) -> int:
        """Forget the keys of a scope that were recorded before a time (microseconds since 1970); how many."""


class AsyncTransactions(ABC, Generic[T]):
    """The same for handlers that are async."""

    @abstractmethod
    async def setup(self) -> None:
        """See `Transactions.setup`."""

    @abstractmethod
    async def once(self, key: EventKey, now: int, effect: Callable[[T], Awaitable[object]]) -> bool:
        """See `Transactions.once`."""

    @abstractmethod
    async def seen(self, key: EventKey) -> bool:
        """See `Transactions.seen`."""

    @abstractmethod
    async def purge(self, scope: str, before: int) -> int:
        """See `Transactions.purge`."""


AnyTransactions = Transactions[Any] | AsyncTransactions[Any]


def check_dialect(name: str) -> None:
    """Raise InvalidArgument unless the statements here are right for a database."""
    if name not in _DIALECTS:
        raise InvalidArgument.of("database", f"{quoted(name)} is not supported; right are SQLite and PostgreSQL")


def check_same(began: object, now: object) -> None:
    """Raise FailedPrecondition if the transaction that the key was recorded in is not the one that there is now."""
    check_open(began is not None and began == now)


def check_open(still: bool) -> None:
    """Raise FailedPrecondition if the handler ended the transaction: what it did since is not in it."""
    if not still:
        raise FailedPrecondition(ENDED)
