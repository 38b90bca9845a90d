"""A store in memory, for tests and simulations: the SQLite store's own statements, run on the event loop.

No thread, no file, no clock of its own: under a loop with virtual time it keeps that loop's time, and
several engines may share one object as several processes share one file. What it holds dies with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from hookline.clock import Clock
from hookline.errors import Closed
from hookline.store.protocol import NodeRow, Wake
from hookline.store.sqlite import nodes
from hookline.store.sqlite.backup import copy
from hookline.store.sqlite.base import SqlStore
from hookline.store.sqlite.opening import connect, prepare
from hookline.store.sqlite.transaction import Post, Transaction

P = ParamSpec("P")
T = TypeVar("T")


class MemoryStore(SqlStore):
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        """Make a store that is empty and not open yet."""
        super().__init__(clock)
        self._connection: sqlite3.Connection | None = None
        self._listeners: dict[int, Callable[[Wake], None]] = {}
        self._killed: set[int] = set()

    async def open(self) -> None:
        """Make the database; if it is open, nothing."""
        if self._connection is None:
            self._connection = connect(None)
            prepare(self._connection, "memory", in_file=False)

    async def close(self) -> None:
        """Drop the database. Safe to repeat."""
        connection, self._connection = self._connection, None
        self._listeners.clear()
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Closed("the store is not open")
        return self._connection

    async def _write(self, verb: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        await asyncio.sleep(0)  # as with a file, others come in between
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            tx = Transaction(connection)
            answer = verb(tx, *args, **kwargs)
            tx.settle_up()
            posts = tx.posts()
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._send(posts)
        return answer

    async def _read(self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        await asyncio.sleep(0)
        return verb(self._open(), *args, **kwargs)

    def _send(self, posts: Sequence[Post]) -> None:
        loop = asyncio.get_running_loop()
        for post in posts:
            heard = self._listeners.get(post.node)
            if heard is not None:
                loop.call_soon(heard, post.wake)

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node`."""
        self._listeners[node] = heard

    async def join(self) -> int:
        """Begin as a new node; its id."""
        node = await self._write(nodes.reserve)
        await self._write(nodes.join, node, "")
        return node

    async def leave(self, node: int) -> None:
        """Go: the lanes become orphans, and the others are woken to sweep them."""
        self._listeners.pop(node, None)
        await super().leave(node)

    def kill(self, node: int) -> None:
        """Say that a node is dead beyond doubt: from now on `dead` names it. For tests."""
        self._killed.add(node)
        self._listeners.pop(node, None)

    async def dead(self) -> Sequence[NodeRow]:
        """Nodes that were killed."""
        return [row for row in await self._read(nodes.nodes) if row.id in self._killed]

    async def backup(self, target: Path) -> None:
        """Copy the whole into a new file. Raises StoreError."""
        copy(self._open(), target)
