"""What SQLite and the file system report, said so that an operator knows what to do."""

import sqlite3
from pathlib import Path
from typing import Final

from hookline.errors import HooklineError, StoreError, Unavailable

RETRY_AFTER: Final = 1.0
"""Seconds after which a caller may come back."""

FULL: Final = sqlite3.SQLITE_FULL
_PRIMARY: Final = 0xFF
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "the disk or the quota of {path} is full: make room; writing goes on by itself then",
    sqlite3.SQLITE_BUSY: "{path} is locked by another program: end what holds it (a database browser, a copy that runs)",
    sqlite3.SQLITE_LOCKED: "{path} is locked by another program: end what holds it (a database browser, a copy that runs)",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged: stop, keep a copy of the file, and restore a backup",
    sqlite3.SQLITE_NOTADB: "{path} is not an SQLite database: name another file, or restore a backup",
    sqlite3.SQLITE_READONLY: "{path} cannot be written: check the owner and the mode of the file and its directory",
    sqlite3.SQLITE_PERM: "{path} cannot be accessed: check the owner and the mode of the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: check that its directory exists and may be written",
    sqlite3.SQLITE_IOERR: "reading or writing {path} failed: check the disk and the system's log",
}


def _remedy(error: sqlite3.Error, path: Path) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that the module raises by itself
    text = None if code is None else _REMEDIES.get(code & _PRIMARY)
    return None if text is None else f"{text.format(path=path)} ({error})"


def is_environment(error: BaseException) -> bool:
    """Whether the fault lies with the disk or the file and so harms every caller alike."""
    if isinstance(error, Unavailable | OSError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & _PRIMARY in _REMEDIES


def at_work(error: BaseException, path: Path) -> BaseException:
    """The error to raise from a verb: Unavailable where the store is to blame, else the error itself."""
    if isinstance(error, HooklineError):
        return error
    if isinstance(error, sqlite3.Error):
        text = _remedy(error, path)
        if text is not None:
            return Unavailable(text, retry_after=RETRY_AFTER)
    if isinstance(error, OSError):
        return Unavailable(f"{path} cannot be reached: {error}", retry_after=RETRY_AFTER)
    return error


def at_opening(error: BaseException, path: Path) -> BaseException:
    """The error to raise when the store cannot be opened."""
    if isinstance(error, HooklineError):
        return error if isinstance(error, StoreError) else StoreError(str(error))
    if isinstance(error, sqlite3.Error):
        return StoreError(_remedy(error, path) or f"{path} cannot be opened: {error}")
    if isinstance(error, OSError):
        return StoreError(f"{path} cannot be opened: {error.strerror or error}; check the path, its owner and its mode")
    return error
