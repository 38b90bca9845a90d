"""One write transaction, as the verbs see it: positions, lanes, tallies, and whom to wake afterwards."""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from hookline.store.protocol import LaneKey, Repeatable, Wake, WakeKind
from hookline.store.sqlite.statements import load

_SQL: Final = load("core")
_LANE: Final = _SQL["lane"]
_REVISION: Final = _SQL["revision"]

EVERYBODY: Final = -1
"""A wake for every living node."""

PENDING: Final = 0
DELIVERED: Final = 1
EXHAUSTED: Final = 2
CANCELLED: Final = 3
"""States as they are stored; also their places in a tally."""


class LaneRow(NamedTuple):
    """A lane as it stands in this transaction."""

    no: int
    owner: int
    epoch: int
    ordered: int
    taking: int


class Post(NamedTuple):
    """A wake for one node, and the address of its socket (empty: it has none)."""

    node: int
    address: str
    wake: Wake


class Transaction:
    """What the write verbs of one commit share.

    Everything here is a copy of what the transaction read; it dies with the transaction.
    """

    __slots__ = ("_commits", "_hints", "_lanes", "_nodes", "_position", "_revisions", "_tally", "cursor")

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Start on a connection that has just begun a write transaction."""
        self.cursor = connection.cursor()
        meta: tuple[int, int, int] = self.cursor.execute(_SQL["meta"]).fetchone()
        self._position, self._commits, self._nodes = meta
        self._lanes: dict[tuple[str, str], LaneRow | None] = {}
        self._revisions: dict[str, int] = {}
        self._tally: dict[int, list[int]] = {}
        self._hints: dict[tuple[int, WakeKind], tuple[dict[LaneKey, None], dict[str, None]]] = {}

    def position(self) -> int:
        """The next position."""
        self._position += 1
        return self._position

    def node_id(self) -> int:
        """A node id that was never given out before."""
        self._nodes += 1
        return self._nodes

    def lane(self, tenant: str, name: str) -> LaneRow | None:
        """A lane that is not over; None if there is none."""
        key = (tenant, name)
        try:
            return self._lanes[key]
        except KeyError:
            row = self.cursor.execute(_LANE, key).fetchone()
            lane = self._lanes[key] = LaneRow(*row) if row else None
            return lane

    def revision(self, tenant: str) -> int:
        """The catalogue's revision; 0 if the tenant has none."""
        try:
            return self._revisions[tenant]
        except KeyError:
            row = self.cursor.execute(_REVISION, (tenant,)).fetchone()
            revision = self._revisions[tenant] = row[0] if row else 0
            return revision

    def forget(self) -> None:
        """Lanes or revisions were changed: read them again."""
        self._lanes.clear()
        self._revisions.clear()

    def count(self, lane: int, state: int, by: int) -> None:
        """Change a lane's tally; written once, at the end."""
        try:
            self._tally[lane][state] += by
        except KeyError:
            row = self._tally[lane] = [0, 0, 0, 0]
            row[state] += by

    def hint(self, node: int, kind: WakeKind, lanes: Iterable[LaneKey] = (), ids: Iterable[str] = ()) -> None:
        """Wake `node` (or EVERYBODY) after the commit."""
        keys, names = self._hints.setdefault((node, kind), ({}, {}))
        keys.update(dict.fromkeys(lanes))
        names.update(dict.fromkeys(ids))

    def recall(self, tenant: str, request: Repeatable | None) -> str | None:
        """What was made when this call came first; None if it comes first now."""
        if request is None:
            return None
        row = self.cursor.execute(_SQL["request"], (tenant, request.method, request.request_id)).fetchone()
        return row[1] if row else None

    def remember(self, tenant: str, request: Repeatable | None, result: str, at: int) -> None:
        """Keep the answer to a call that may be repeated."""
        if request is not None:
            row = (tenant, request.method, request.request_id, request.digest, request.result or result, at)
            self.cursor.execute(_SQL["add_request"], row)

    def settle_up(self) -> int:
        """Write counters and tallies, the last thing before the commit; the number of this commit."""
        self._commits += 1
        if self._tally:
            self.cursor.executemany(_SQL["tally"], [(*deltas, lane) for lane, deltas in self._tally.items()])
            self._tally.clear()
        self.cursor.execute(_SQL["save_meta"], (self._position, self._commits, self._nodes))
        return self._commits

    def posts(self) -> list[Post]:
        """Whom to wake, with their addresses."""
        if not self._hints:
            return []
        living = dict(self.cursor.execute(_SQL["living"]).fetchall())
        posts: list[Post] = []
        for (node, kind), (lanes, ids) in self._hints.items():
            if node == EVERYBODY:
                targets = list(living)
            elif node in living:
                targets = [node]
            else:  # nobody owns it: whoever lives may sweep
                targets, kind, lanes, ids = list(living), WakeKind.NODES, {}, {}  # noqa: PLW2901  # the wake becomes another
            wake = Wake(kind, tuple(lanes), tuple(ids))
            posts.extend(Post(target, living[target], wake) for target in targets)
        return posts
