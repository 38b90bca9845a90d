"""Transactions that commit after newer ones were read: the readers of the PostgreSQL store over a small model of its snapshots.

A transaction is given its number when it begins, and what it wrote is seen from its commit on; so a reader
that goes forward by numbers meets lower ones later. After a crash of the server numbers that no committed
transaction had are given again. The classes are the store's own; the SQL is said once more in Python.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hookline.errors import Unavailable
from hookline.store.postgres.outbox import PostgresOutbox
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.queue import Reader
from hookline.store.postgres.statements import load
from hookline.store.protocol import ClaimRequest, LaneKey

_QUEUE, _OUTBOX = load("queue"), load("outbox")
KEY = LaneKey("acme", "sub_1")
ACTS = 120
SIZE = 1_000


@dataclass(slots=True)
class Transaction:
    """One that is under way; `ours` tells the reader when it is committed."""

    xid: int
    rows: int
    ours: bool


@dataclass(slots=True)
class Server:
    """What PostgreSQL knows. A row of the queue is (position, name), one of the outbox (xid, number, name)."""

    dice: random.Random
    next_xid: int = 100
    born: int = 1
    under_way: dict[int, Transaction] = field(default_factory=dict)
    fresh: dict[int, str] = field(default_factory=dict)
    outbox: dict[tuple[int, int], str] = field(default_factory=dict)
    last: int = 99
    """The highest transaction that is over: a snapshot ends after it, whatever has begun since."""
    committed: int = 99
    names: int = 0

    def begin(self) -> Transaction:
        """One more is under way; some write nothing."""
        made = Transaction(self.next_xid, self.dice.choice((0, 1, 1, 2, 4)), self.dice.random() < 0.5)
        self.next_xid += 1
        self.under_way[made.xid] = made
        return made

    def commit(self, one: Transaction) -> list[str]:
        """What it wrote is seen from now on; the names."""
        del self.under_way[one.xid]
        self.last = max(self.last, one.xid)
        made: list[str] = []
        for number in range(one.rows):
            self.names += 1
            made.append(f"row-{self.names}")
            self.fresh[one.xid << 20 | number] = made[-1]
            self.outbox[one.xid, number] = made[-1]
        if one.rows:
            self.committed = max(self.committed, one.xid)
        return made

    def abort(self, one: Transaction) -> None:
        """Nothing of it is ever seen."""
        del self.under_way[one.xid]
        self.last = max(self.last, one.xid)

    def crash(self, *, restart: bool) -> None:
        """What is under way is gone; numbers of which nothing is on disk are given again."""
        self.under_way.clear()
        self.next_xid = self.committed + 1
        self.last = self.committed
        self.born += restart

    def snapshot(self) -> str:
        """As pg_current_snapshot() says it: nothing from `last` + 1 on is seen, nor what is listed."""
        end = self.last + 1
        listed = sorted(xid for xid in self.under_way if xid < end)
        return f"{min([*listed, end])}:{end}:{','.join(map(str, listed))}"


class FakePool:
    """Answers the statements of the two readers; between two statements others act."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.fails = False
        self.between: Any = lambda: None

    async def read(self, sql: str, *args: Any) -> Sequence[Sequence[Any]]:
        """One statement."""
        if self.fails:
            raise Unavailable("the server is away", retry_after=1.0)
        answer = self._claim(*args) if sql == _QUEUE["claim"] else self._outbox(*args)
        self.between()
        return answer

    async def safely(self, work: Any) -> Any:
        """A statement that changes something."""
        if self.fails:
            raise Unavailable("the server is away", retry_after=1.0)
        return await work(self)

    async def execute(self, sql: str, xids: Sequence[int], numbers: Sequence[int], *, timeout: float) -> None:
        """The one that removes."""
        del timeout
        assert sql == _OUTBOX["remove"]
        for place in zip(xids, numbers, strict=True):
            self._server.outbox.pop(place, None)

    def _claim(  # noqa: PLR0917  # the statement's parameters
        self, index: list[int], tenants: list[str], lanes: list[str], low: list[int], high: list[int], room: list[int], most: int
    ) -> list[tuple[Any, ...]]:
        server = self._server
        del tenants, lanes
        found: dict[int, list[tuple[int, int]]] = {}
        for i, lo, hi, limit in zip(index, low, high, room, strict=True):
            rows = sorted(pos for pos in server.fresh if lo <= pos < hi)[:limit]
            found.setdefault(i, []).extend((pos, limit) for pos in rows)
        head = (server.snapshot(), str(server.born))
        answer: list[tuple[Any, ...]] = []
        taken = 0
        for i, rows in sorted(found.items()):
            for nth, (pos, limit) in enumerate(sorted(rows), 1):
                if nth < limit and (taken <= most or nth == 1):
                    answer.append((*head, i, len(rows), *_work(pos, server.fresh[pos])))
                taken += SIZE
        return answer or [(*head, *[None] * 26)]

    def _outbox(self, start: int, suspects: list[int], limit: int, most: int) -> list[tuple[Any, ...]]:
        del most  # what is simulated is small
        server = self._server
        head = (server.snapshot(), str(server.born))
        rows = sorted(place for place in server.outbox if place[0] >= start or place[0] in suspects)[:limit]
        found = [
            (*head, len(rows), *place, "acme", server.outbox[place], "a.b", b"{}", *[""] * 4, None, None, "", "", None, "")
            for place in rows
        ]
        return found or [(*head, *[None] * 17)]


def _work(pos: int, name: str) -> tuple[Any, ...]:
    own = (pos, None, f"dlv_{name}", None, 1, 0, 0, 0)
    event = ("acme", name, "a.b", "s", "", 0, b"{}", None, "", None, "", "", None, "", 0)
    return (*own, *event, name)


class Late:
    """One seed: transactions come and go, and both readers read in between."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"late/{seed}")
        self.server = Server(self.dice)
        self.pool = FakePool(self.server)
        self.reader = Reader(cast(Pool, self.pool), lambda tenant, name: None)
        self.outbox = PostgresOutbox(cast(Pool, self.pool))
        self.cursor: object | None = None
        self.claimed: set[str] = set()
        self.accepted: set[str] = set()
        self.committed: set[str] = set()
        self.alone = False
        """Nobody else does anything any more."""
        self.lines: list[str] = []

    async def run(self) -> list[tuple[str, str]]:
        """The laws that were broken."""
        for _ in range(ACTS):
            await self._act()
        for one in list(self.server.under_way.values()):
            self._commit(one)
        self.alone = True
        for _ in range(ACTS):
            if not await self._claim(self.dice.randint(1, 5)) and not await self._drain(self.dice.randint(1, 5)):
                break
        broken: list[tuple[str, str]] = []
        if self.committed - self.claimed:
            broken.append(("nothing is passed over by a claim", ", ".join(sorted(self.committed - self.claimed))))
        if self.committed - self.accepted:
            broken.append(("nothing is passed over in the outbox", ", ".join(sorted(self.committed - self.accepted))))
        if (self.claimed | self.accepted) - self.committed:
            broken.append(("nothing is read that was not committed", ", ".join(sorted(self.claimed - self.committed))))
        return broken

    async def _act(self) -> None:
        dice, under_way = self.dice, list(self.server.under_way.values())
        match dice.choices(
            ("begin", "commit", "abort", "claim", "drain", "settle", "crash", "forget"), (8, 8, 1, 8, 8, 3, 1.0, 0.1)
        )[0]:
            case "begin":
                self.server.begin()
            case "commit" if under_way:
                self._commit(dice.choice(under_way))
            case "abort" if under_way:
                self.server.abort(dice.choice(under_way))
            case "claim":
                await self._claim(dice.choice((1, 3, 20)))
            case "drain":
                await self._drain(dice.choice((2, 20)))
            case "settle":
                for pos in [pos for pos, name in self.server.fresh.items() if name in self.claimed and dice.random() < 0.5]:
                    del self.server.fresh[pos]
            case "crash":
                self.server.crash(restart=dice.random() < 0.5)
                self.lines.append("crash")
            case "forget":  # another node has the lane
                self.cursor = None
            case _:
                pass

    def _commit(self, one: Transaction) -> None:
        names = self.server.commit(one)
        self.committed.update(names)
        self.lines.append(f"{one.xid} commits {names}")
        if one.ours and names:
            self.reader.committed(one.xid << 20)

    def _meanwhile(self) -> None:
        """Between two statements of one reader."""
        if self.alone or self.dice.random() < 0.5:
            return
        for one in list(self.server.under_way.values()):
            if self.dice.random() < 0.3:
                self._commit(one)
        if self.dice.random() < 0.4:
            self.server.begin()
        if self.dice.random() < 0.3:
            self._commit(self.server.begin())

    async def _claim(self, room: int) -> bool:
        self.pool.between = self._meanwhile
        (answer,) = await self.reader.claim([ClaimRequest(KEY, self.cursor, room)])
        self.cursor = answer.cursor
        self.claimed.update(work.event.id for work in answer.works)
        self.lines.append(f"claim of {room}: {[work.pos >> 20 for work in answer.works]} and then {answer.cursor}")
        return bool(answer.more or answer.works)

    async def _drain(self, limit: int) -> bool:
        self.pool.between = self._meanwhile
        rows = (await self.outbox.read(limit)).rows
        self.lines.append(f"outbox: {[row.place for row in rows]}")
        if rows and not self.alone and self.dice.random() < 0.03:  # the append failed
            self.outbox.restart()
            return True
        self.accepted.update(row.event.id for row in rows)
        if rows:
            await self.outbox.remove(rows)
        return bool(rows)
