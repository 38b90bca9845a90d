"""Writing: one thread, group commits, the file's write lock around each."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from hookline.errors import Unavailable
from hookline.store.sqlite.faults import FULL, RETRY_AFTER, at_work, is_environment, is_locked
from hookline.store.sqlite.lock import WriteLock
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import Post, Transaction
from hookline.store.sqlite.worker import Call, Outcome, Worker

_META: Final = load("core")["meta"]

DOUBT: Final = 5.0
"""Seconds in which a commit of unknown outcome is asked about."""


class Writer(Worker):
    """Takes all that waits into one commit.

    A call that fails harms nobody else: the transaction is rolled back and every call is done again
    in one of its own. (Savepoints would cost each call; failures are rare.)
    """

    MOST = 1000

    def __init__(
        self,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], sqlite3.Connection],
        lock: Callable[[], WriteLock],
        post: Callable[[Sequence[Post]], None],
    ) -> None:
        """`lock` finds the file's write lock; `post` is called in this thread after each commit that wakes somebody."""
        super().__init__("hookline-writer", loop, connect)
        self._path = path
        self._lock = lock
        self._post = post
        self._version: int | None = None

    def do(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """Do the calls in one transaction; if that fails, each in its own, unless what failed would fail them all."""
        try:
            with self._lock().held():
                outcomes, posts = self._together(calls)
        except Exception as error:  # noqa: BLE001  # every caller gets it, or its own
            # A lock was waited for already, and each call by itself would wait as long again.
            if len(calls) > 1 and not isinstance(error, Unavailable) and not is_locked(error):
                return [outcome for call in calls for outcome in self.do((call,))]
            return [Outcome(call.future, None, at_work(error, self._path)) for call in calls]
        if posts:
            self._post(posts)
        return outcomes

    def _together(self, calls: Sequence[Call]) -> tuple[list[Outcome], list[Post]]:
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            tx = Transaction(connection)
            outcomes = [Outcome(call.future, call.verb(tx), None) for call in calls]
            number = tx.settle_up()
            posts = tx.posts()
        except BaseException as error:
            self._undo(connection, error)
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if not self._took_place(number, error):
                raise
        return outcomes, posts

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> None:
        """Roll back; after a fault of the disk or the file, also begin anew with another connection."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop()
        else:
            if is_environment(error) and getattr(error, "sqlite_errorcode", None) != FULL:
                self._drop()

    def _drop(self) -> None:
        try:
            self.disconnect()
        except sqlite3.Error:  # it is no use any more, which is why it goes
            self._connection = None

    def _took_place(self, number: int, error: sqlite3.Error) -> bool:
        """Whether a commit that failed is on disk after all: ask, never guess.

        The write lock is still held, so nobody else has raised the number of commits.
        """
        self._undo(self.connection(), error)
        deadline = time.monotonic() + DOUBT
        while True:
            try:
                commits: int = self.connection().execute(_META).fetchone()[1]
                return commits == number
            except sqlite3.Error as again:
                self._drop()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{self._path}: the outcome of a commit is not known ({error}); the file cannot be read ({again}); "
                        "repeat the call with the same ids",
                        retry_after=RETRY_AFTER,
                    ) from error
                time.sleep(0.05)

    def changed(self) -> bool:
        """Whether another process has committed since this was asked last."""
        try:
            version: Any = self.connection().execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            self._drop()
            return True
        before, self._version = self._version, version
        return before is not None and before != version
