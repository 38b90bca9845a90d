"""Reading: snapshots on connections of their own, beside the writer."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hookline.store.sqlite.faults import at_work, is_environment
from hookline.store.sqlite.worker import Call, Outcome, Worker


class Reader(Worker):
    """Does each call in a read transaction: a snapshot of every commit that was acknowledged before."""

    path: Path

    def do(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """Do the calls."""
        return [self._read(call) for call in calls]

    def _read(self, call: Call) -> Outcome:
        try:
            connection = self.connection()
            connection.execute("BEGIN")
            try:
                answer: Any = call.verb(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return Outcome(call.future, answer, None)
        except Exception as error:  # noqa: BLE001  # the caller gets it
            if is_environment(error):
                self._drop()
            return Outcome(call.future, None, at_work(error, self.path))

    def _drop(self) -> None:
        try:
            self.disconnect()
        except sqlite3.Error:
            self._connection = None
