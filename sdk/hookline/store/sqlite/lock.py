"""Locks between processes on one machine: flock(2) on small files beside the database."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hookline.errors import Unavailable

POLL: Final = 0.0002
"""Seconds between two looks at a lock that somebody holds."""

PATIENCE: Final = 10.0
"""Seconds to wait for a lock before giving up."""

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _free(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _free(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC if hasattr(os, "O_CLOEXEC") else os.O_RDWR | os.O_CREAT, 0o600)


class HeldLock:
    """A lock that is held as long as this object is open; the system frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        """Take the lock at once. Raises BlockingIOError if somebody holds it."""
        self.path = path
        self._descriptor = _open(path)
        if not _try(self._descriptor):
            self.close()
            raise BlockingIOError(f"{path} is held")

    def close(self) -> None:
        """Close the descriptor; in the process that took the lock this frees it. Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_free(path: Path) -> bool:
    """Whether the lock file exists and nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return _try(descriptor)
    finally:
        os.close(descriptor)


class WriteLock:
    """The right to write, passed from process to process in turn.

    Two locks, a gate and the right itself. Whoever wants to write stands in the gate until it has the
    right. A writer that is done and wants to write again finds the gate taken by whoever waits, so
    that two that never rest still alternate. One that is alone pays four system calls.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock's files, `path` and `path` with `.gate` appended; takes nothing yet."""
        self._path = path
        self._right = _open(path)
        self._gate = _open(path.with_name(path.name + ".gate"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the right to write. Raises Unavailable after PATIENCE seconds."""
        deadline = 0.0
        for descriptor in (self._gate, self._right):
            while not _try(descriptor):
                now = time.monotonic()
                deadline = deadline or now + PATIENCE
                if now > deadline:
                    if descriptor == self._right:
                        _free(self._gate)
                    raise Unavailable(
                        f"{self._path} has been held by another process for {PATIENCE:.0f} s: "
                        "look for one that is stopped or stuck on its disk",
                        retry_after=1.0,
                    )
                time.sleep(POLL)
        _free(self._gate)
        try:
            yield
        finally:
            _free(self._right)

    def close(self) -> None:
        """Close the files. Safe to repeat."""
        for descriptor in (self._gate, self._right):
            if descriptor >= 0:
                os.close(descriptor)
        self._gate = self._right = -1
