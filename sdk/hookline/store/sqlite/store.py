"""The SQLite store on a file that several processes may share."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from hookline.clock import Clock
from hookline.errors import Closed
from hookline.store.protocol import NodeRow, Wake, WakeKind
from hookline.store.sqlite import nodes
from hookline.store.sqlite.backup import copy
from hookline.store.sqlite.base import SqlStore
from hookline.store.sqlite.faults import at_opening, at_work
from hookline.store.sqlite.lock import HeldLock, WriteLock, is_free
from hookline.store.sqlite.opening import connect, make_place, prepare
from hookline.store.sqlite.reader import Reader
from hookline.store.sqlite.transaction import Post, Transaction
from hookline.store.sqlite.wake import HAS_SOCKETS, Ear, Mouth
from hookline.store.sqlite.worker import Worker
from hookline.store.sqlite.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

MIB: Final = 1024 * 1024
READERS: Final = 2
FLOOR: Final = 0.25
"""Seconds between two looks at whether another process has written, in case a wake got lost."""


class SqliteStore(SqlStore):
    """One SQLite file: writes on one thread in group commits, reads on others.

    Beside the file stand `<file>.lock` and `<file>.lock.gate` (who may write) and `<file>-nodes/` (a
    lock file and a socket for each living node). Nothing is opened before `open`. After a fork the
    child's copy refuses every verb; the parent's goes on.
    """

    def __init__(self, path: Path, clock: Clock, *, floor: float | None = FLOOR) -> None:
        """Make a store that is not open yet. Without `floor`, only wakes tell that others have written."""
        super().__init__(clock)
        self.path: Final = path
        self._floor = floor
        self._reason = "the store is not open"
        self._lock: WriteLock | None = None
        self._writer: Writer | None = None
        self._readers: list[Reader] = []
        self._turn = cycle(self._readers)
        self._mouth: Mouth | None = None
        self._held: dict[int, HeldLock] = {}
        self._ears: dict[int, Ear] = {}
        self._listeners: dict[int, Callable[[Wake], None]] = {}
        self._at_rest: list[Worker] = []
        """Whose guards are held over a fork."""

    # Opening and closing.

    async def open(self) -> None:
        """Open, migrate if needed; if it is open, nothing. Raises StoreError."""
        if self._writer is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._lock = await asyncio.to_thread(self._prepare)
        except Exception as error:
            raise at_opening(error, self.path) from error
        self._mouth = Mouth() if HAS_SOCKETS else None
        self._writer = Writer(self.path, loop, lambda: connect(self.path), self._write_lock, self._send)
        self._readers = [self._reader(number, loop) for number in range(READERS)]
        self._turn = cycle(self._readers)
        for worker in self._workers():
            worker.start()
        _opened.add(self)

    def _prepare(self) -> WriteLock:
        make_place(self.path)
        lock = WriteLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            with lock.held(), contextlib.closing(connect(self.path)) as connection:
                prepare(connection, str(self.path), in_file=True)
        except BaseException:
            lock.close()
            raise
        return lock

    def _reader(self, number: int, loop: asyncio.AbstractEventLoop) -> Reader:
        reader = Reader(f"hookline-reader-{number}", loop, lambda: connect(self.path, reading=True))
        reader.path = self.path
        return reader

    def _workers(self) -> list[Worker]:
        return [*self._readers, self._writer] if self._writer is not None else []

    def _write_lock(self) -> WriteLock:
        if self._lock is None:
            raise Closed(self._reason)
        return self._lock

    async def close(self) -> None:
        """Finish the running commit and close. Safe to repeat."""
        _opened.discard(self)
        workers = self._workers()
        self._writer, self._readers, self._reason = None, [], "the store is closed"
        for worker in workers:
            await worker.stop()
        for ear in self._ears.values():
            ear.close()
        for held in self._held.values():
            held.close()
        if self._lock is not None:
            self._lock.close()
        if self._mouth is not None:
            self._mouth.close()
        self._lock = self._mouth = None
        self._ears, self._held, self._listeners = {}, {}, {}

    # A way to write and a way to read.

    async def _write(self, verb: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._writer is None:
            raise Closed(self._reason)
        answer: T = await self._writer.submit(lambda tx: verb(tx, *args, **kwargs))
        return answer

    async def _read(self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._writer is None:
            raise Closed(self._reason)
        answer: T = await next(self._turn).submit(lambda connection: verb(connection, *args, **kwargs))
        return answer

    async def pressure(self, margin: int) -> str:
        """Why nothing new should be taken: the disk of the file has less than `margin` bytes left."""
        if not margin:
            return ""
        free = shutil.disk_usage(self.path.parent).free  # at once: a question to the kernel, about a local disk
        if free >= margin:
            return ""
        return (
            f"the disk of {self.path} has {free // MIB} MiB left, less than the margin of {margin // MIB} MiB (disk_margin_mb): "
            "make room there"
        )

    async def backup(self, target: Path) -> None:
        """Copy the whole into a new file (0600), consistently, while it runs. Raises StoreError."""
        if self._writer is None:
            raise Closed(self._reason)
        await asyncio.to_thread(self._backup, target)

    def _backup(self, target: Path) -> None:
        with contextlib.closing(connect(self.path, reading=True)) as connection:
            copy(connection, target)

    # Nodes.

    @property
    def _nodes(self) -> Path:
        return self.path.with_name(f"{self.path.name}-nodes")

    def _lock_of(self, node: int) -> Path:
        return self._nodes / f"{node}.lock"

    async def join(self) -> int:
        """Begin as a new node: its lock is held, and its socket bound, before others see its row."""
        node = await self._write(nodes.reserve)
        try:
            await self._write(nodes.join, node, self._arrive(node))
        except BaseException:
            self._part(node)
            raise
        return node

    def _arrive(self, node: int) -> str:
        """Hold the node's lock and bind its socket; the socket's address."""
        try:
            self._nodes.mkdir(mode=0o700, exist_ok=True)
            self._held[node] = HeldLock(self._lock_of(node))
            if not HAS_SOCKETS:
                return ""
            ear = self._ears[node] = Ear(self._nodes, node)
        except OSError as error:
            raise at_work(error, self._nodes) from error
        return ear.address

    async def beat(self, node: int, load: int) -> Sequence[NodeRow]:
        """One heartbeat; the living nodes. A node that was buried has nothing beside the file any more."""
        living = await super().beat(node, load)
        if all(row.id != node for row in living):
            self._listeners.pop(node, None)
            self._part(node)
        return living

    async def leave(self, node: int) -> None:
        """Go: the lanes become orphans, and the others are woken to sweep them."""
        self._listeners.pop(node, None)
        await super().leave(node)
        self._part(node)

    def _part(self, node: int) -> None:
        ear = self._ears.pop(node, None)
        if ear is not None:
            ear.close()
        held = self._held.pop(node, None)
        if held is not None:
            held.close()
            held.path.unlink(missing_ok=True)

    async def bury(self, node: int, beat: int) -> bool:
        """Remove a node whose (id, beat) has stood still, and what it left beside the file."""
        buried = await super().bury(node, beat)
        if buried and node not in self._held:
            self._lock_of(node).unlink(missing_ok=True)
            (self._nodes / f"{node}.sock").unlink(missing_ok=True)
        return buried

    async def dead(self) -> Sequence[NodeRow]:
        """Nodes whose lock file nobody holds: their process is gone."""
        living = await self._read(nodes.nodes)
        return [row for row in living if row.id not in self._held and is_free(self._lock_of(row.id))]

    # Wakes.

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node` by this or another process."""
        if self._writer is None:
            raise Closed(self._reason)
        self._listeners[node] = heard
        ear = self._ears.get(node)
        if ear is not None:
            ear.listen(self._writer.loop, heard)
        if self._floor is not None:
            self._writer.when_idle(self._floor, self._look)

    def _send(self, posts: Sequence[Post]) -> None:
        """In the writer's thread, after the commit."""
        here = [post for post in posts if post.node in self._listeners]
        if here and self._writer is not None:
            self._writer.tell(self._hear, here)
        if self._mouth is not None:
            for post in posts:
                if post.address and post.node not in self._listeners:
                    self._mouth.say(post.address, post.wake)

    def _hear(self, posts: Sequence[Post]) -> None:
        for post in posts:
            heard = self._listeners.get(post.node)
            if heard is not None:
                heard(post.wake)

    def _look(self) -> None:
        """In the writer's thread, now and then."""
        writer = self._writer  # closing takes it away, in another thread
        if writer is not None and writer.changed():
            look = Wake(WakeKind.LOOK)
            writer.tell(self._hear, [Post(node, "", look) for node in list(self._listeners)])

    # Forks.

    def _before_fork(self) -> None:
        """Bring every thread to rest and close what a child must not inherit: SQLite does not survive a fork."""
        for worker in self._workers():
            worker.guard.acquire()
            self._at_rest.append(worker)
            worker.disconnect()

    def _after_in_parent(self) -> None:
        at_rest, self._at_rest = self._at_rest, []
        for worker in at_rest:
            worker.guard.release()

    def _after_in_child(self) -> None:
        """Close the copies of the descriptors; the parent's locks and sockets stay as they are."""
        self._writer, self._readers = None, []
        self._reason = "this store was opened before a fork: open a new one in the child process"
        if self._lock is not None:
            self._lock.close()
        if self._mouth is not None:
            self._mouth.close()
        for held in self._held.values():
            held.close()
        for ear in self._ears.values():
            ear.abandon()
        self._lock = self._mouth = None
        self._held, self._ears, self._listeners, self._at_rest = {}, {}, {}, []


_opened: Final[weakref.WeakSet[SqliteStore]] = weakref.WeakSet()
_forking: Final[list[SqliteStore]] = []
_fork_turn: Final = threading.Lock()
"""Held over a fork: threads that fork at the same time do so one after the other."""


def _before_fork() -> None:
    _fork_turn.acquire()
    _forking[:] = list(_opened)
    for store in _forking:
        store._before_fork()


def _after_fork(what: Callable[[SqliteStore], None]) -> None:
    try:
        for store in _forking:
            what(store)
    finally:
        _forking.clear()
        _fork_turn.release()


def _after_in_parent() -> None:
    _after_fork(SqliteStore._after_in_parent)


def _after_in_child() -> None:
    _opened.clear()
    _after_fork(SqliteStore._after_in_child)


if sys.platform != "win32":
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
