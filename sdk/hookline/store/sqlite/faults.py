"""What SQLite and the file system report, said so that an operator knows what to do."""

import errno
import sqlite3
from pathlib import Path
from typing import Final

from hookline.descriptors import are_short, is_shortage, shortage
from hookline.errors import HooklineError, StoreError, Unavailable

RETRY_AFTER: Final = 1.0
"""Seconds after which a caller may come back."""

FULL: Final = sqlite3.SQLITE_FULL
_LOCKS: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY: Final = 0xFF
_NO_ROOM: Final = "the disk or the quota of {path} is full: make room; writing goes on by itself then"
_NO_WRITING: Final = (
    "{path} cannot be written: check the owner and the mode of the file and its directory, and whether their file system is "
    "mounted read-only, as systems do after an error of the disk"
)
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: _NO_ROOM,
    sqlite3.SQLITE_BUSY: "{path} is locked by another program: end what holds it (a database browser, a copy that runs)",
    sqlite3.SQLITE_LOCKED: "{path} is locked by another program: end what holds it (a database browser, a copy that runs)",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged: stop, keep a copy of the file, and restore a backup",
    sqlite3.SQLITE_NOTADB: "{path} is not an SQLite database: name another file, or restore a backup",
    sqlite3.SQLITE_READONLY: _NO_WRITING,
    sqlite3.SQLITE_PERM: "{path} cannot be accessed: check the owner and the mode of the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: check that its directory exists and may be written",
    sqlite3.SQLITE_IOERR: (
        "reading or writing {path} failed: check the disk, the system's log, and whether the file system has become read-only"
    ),
}
_OF_THE_SYSTEM: Final = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EROFS: _NO_WRITING,
    errno.EACCES: _NO_WRITING,
    errno.EPERM: _NO_WRITING,
}
"""The same in the words of errno(3), for the files beside the database."""


def _remedy(error: sqlite3.Error, path: Path) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that the module raises by itself
    text = None if code is None else _REMEDIES.get(code & _PRIMARY)
    if code is not None and code & _PRIMARY == sqlite3.SQLITE_CANTOPEN and are_short():  # SQLite does not say so
        text = "{path} cannot be opened: " + shortage()
    return None if text is None else f"{text.format(path=path)} ({error})"


def is_environment(error: BaseException) -> bool:
    """Whether the fault lies with the disk or the file and so harms every caller alike."""
    if isinstance(error, Unavailable | OSError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & _PRIMARY in _REMEDIES


def is_locked(error: BaseException) -> bool:
    """Whether another program holds the file: SQLite has waited for it as long as it is told to."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & _PRIMARY in _LOCKS


def at_work(error: BaseException, path: Path) -> BaseException:
    """The error to raise from a verb: Unavailable where the store is to blame, else the error itself."""
    if isinstance(error, HooklineError):
        return error
    if isinstance(error, sqlite3.Error):
        text = _remedy(error, path)
        if text is not None:
            return Unavailable(text, retry_after=RETRY_AFTER)
    if isinstance(error, OSError):
        return Unavailable(_of_the_system(error, path), retry_after=RETRY_AFTER)
    return error


def _of_the_system(error: OSError, path: Path) -> str:
    if is_shortage(error):
        return f"{path} cannot be reached: {shortage(error)}"
    text = _OF_THE_SYSTEM.get(error.errno or 0)
    return f"{path} cannot be reached: {error}" if text is None else f"{text.format(path=path)} ({error})"


def at_opening(error: BaseException, path: Path) -> BaseException:
    """The error to raise when the store cannot be opened."""
    if isinstance(error, HooklineError):
        return error if isinstance(error, StoreError) else StoreError(str(error))
    if isinstance(error, sqlite3.Error):
        return StoreError(_remedy(error, path) or f"{path} cannot be opened: {error}")
    if is_shortage(error):
        return StoreError(f"{path} cannot be opened: {shortage(error)}")
    if isinstance(error, OSError):
        return StoreError(f"{path} cannot be opened: {error.strerror or error}; check the path, its owner and its mode")
    return error
