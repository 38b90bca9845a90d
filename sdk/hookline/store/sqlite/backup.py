"""Copying a store while it runs."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from hookline.errors import StoreError
from hookline.store.sqlite.faults import at_opening
from hookline.store.sqlite.opening import prepare


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy what `connection` sees into a new file (mode 0600), and open the copy to see that it is whole.

    Raises StoreError: the target exists, or cannot be written; nothing is left of it then.
    """
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise StoreError(f"{target} exists already: name a new file") from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}; name a new file in a directory that exists") from error
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            connection.backup(made)
            found = made.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"{target} is not a faithful copy ({found}): the store itself may be damaged")
            prepare(made, str(target), in_file=True)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error | OSError):
            raise at_opening(error, target) from error
        raise
