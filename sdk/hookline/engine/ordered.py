"""A lane in order: the works of one ordering key one by one, in commit order.

The next work of a key starts after the settle of the one before it is committed. A head that waits
for a retry *blocks* its key: its followers leave the memory, claims skip them while the head stands
among the waiting, and when the head is over the key is read on its own (*probed*) until it is empty.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from hookline.engine.lane import Lane, Memory
from hookline.engine.target import Target
from hookline.engine.turns import Tenant
from hookline.store.protocol import ClaimAnswer, DueAnswer, OwnedLane, Result, Settlement, Work

KEY_SHARE: Final = 32
"""One key's works take at most one in so many places of the window, so that a slow key leaves room for the others."""
LEAST_OF_KEY: Final = 4


class OrderedLane(Lane):
    """The window of a lane in order. Works without an ordering key have none."""

    def __init__(
        self, owned: OwnedLane, target: Target, tenant: Tenant, *, now: int, monotonic: float, window: int, memory: Memory
    ) -> None:
        """A lane just taken."""
        super().__init__(owned, target, tenant, now=now, monotonic=monotonic, window=window, memory=memory)
        self._busy: dict[str, deque[Work]] = {}
        """Keys with a work that is ready or under way, and what follows it in memory."""
        self._blocked: dict[str, bool] = {}
        """Keys whose followers stand in the store alone; True when some may have come since the last probe."""
        self._probing: dict[str, None] = {}
        self._heads: dict[str, int] = {}
        """Until when the heads of blocked keys wait, by their last outcome (microseconds)."""
        self._waited: dict[str, int] = {}
        """Those, when the read under way began."""
        self._sought: dict[str, int] = {}
        """Those that a read did not bring, so that all that waits is read from the earliest on."""
        self.passed_over = False
        """Something waited for its time since all was read: the cursor may stand behind followers of it.

        A key that is not known is then read on its own first, as something of it may stand before the cursor.
        """
        self._most = max(LEAST_OF_KEY, window // KEY_SHARE)
        """Works of one key in memory, beside the first."""

    @property
    def wants_probe(self) -> bool:
        """A key's head is over and its followers stand in the store."""
        return bool(self._probing) and self.room > 0 and not self.closing and self.target.active

    @property
    def places(self) -> int:
        """How many works may be in memory, as far as that goes: all, so as to see past keys that wait."""
        return self.window

    @property
    def probe_room(self) -> int:
        """How many works of one key are read at once."""
        return min(self.room, self._most)

    def offer(self, work: Work) -> bool:
        """Straight from the commit goes only what has no key: an earlier one may have come through another node."""
        if work.event.ordering_key:
            self.behind = True
            return False
        return super().offer(work)

    def settled(self, settlement: Settlement) -> None:
        """A settle is committed: the key goes on, or is blocked and its followers leave the memory."""
        super().settled(settlement)
        key = self._key(settlement.work)
        if not key:
            return
        if settlement.aside:  # it waits without its key from now on; what follows goes on as if it were over
            self.passed_over = True
            self._advance(key)
            return
        if settlement.result is Result.WAIT:
            self.passed_over = True
            for follower in self._busy.pop(key, ()):
                self._unknow(follower)
                if follower.due is not None:
                    self._keep_below(follower.due)
            self._blocked[key] = True
            if settlement.due is not None:
                self._heads[key] = settlement.due
        else:
            self._advance(key)

    def begin_read(self) -> tuple[bool, bool]:
        """A read begins; whether it is to read fresh works, and waiting ones."""
        self._waited = dict(self._heads)
        return super().begin_read()

    def absorb(self, claimed: ClaimAnswer | None, due: DueAnswer | None) -> None:
        """The read is over, and this came in with it."""
        if due is not None and (due.works or due.next_due is not None):
            self.passed_over = True
        over = frozenset(self._over)
        super().absorb(claimed, due)
        if due is None or due.more or self._stale_read:
            return
        if all(work.pos in self.known or work.pos in over for work in due.works):
            self._miss_heads(due.next_due)

    def _miss_heads(self, next_due: int | None) -> None:
        """All that waits was read: who was to be in it and is not was cancelled, and its key goes on.

        Nobody else may tell: a cancel can come while the outcome after which the head waits is repeated, its answer being lost.
        A head that was made due by hand may stand below the floor, as whoever did it has another clock: so all is read once
        more from the earliest on, be it in several pieces, before that is believed.
        """
        for key, until in self._waited.items():
            if self._heads.get(key) == until and (next_due is None or next_due > until) and key not in self._busy:
                if self._sought.get(key) == until:
                    self._advance(key)
                else:
                    self._sought[key] = until
                    self.waits = True
                    self.doubt_floor()

    def look_for_moved(self) -> None:
        """The store alone can tell what of its key goes first."""
        self.empty()

    def empty(self) -> None:
        """Drop what has not started; keys that are under way stay blocked until the store was asked again."""
        for followers in self._busy.values():
            for work in followers:
                self._unknow(work)
        super().empty()
        self.passed_over = False
        self._heads.clear()
        self._sought.clear()
        under_way = {self._key(work) for work in self.known.values()} - {""}
        self._busy = {key: deque() for key in under_way}
        self._blocked = dict.fromkeys(under_way, True)
        self._probing.clear()  # one that was left over would find its key blocked again, by a head that waits

    def next_probe(self) -> str | None:
        """A key to be read on its own now; answer with `probed` or `reprobe`. None: there is none, or no room."""
        while self.wants_probe:
            key = next(iter(self._probing))
            del self._probing[key]
            if key in self._blocked and key not in self._busy:
                self._blocked[key] = False
                return key
        return None

    def probed(self, key: str, works: Iterable[Work]) -> None:
        """What the store has of `key`."""
        if key not in self._blocked:
            return
        fresh = [work for work in works if work.pos not in self.known]
        if fresh and self.room <= 0:  # works without a key have come meanwhile
            self.reprobe(key)
            return
        for work in fresh[: self.room]:
            self._know(work)
            self._queue(work)
        if fresh:
            self._blocked[key] = True
        elif self._blocked[key]:
            self._probing[key] = None
        else:
            del self._blocked[key]

    def reprobe(self, key: str) -> None:
        """A probe failed: ask again."""
        if key in self._blocked:
            self._blocked[key] = True
            self._probing[key] = None

    def _advance(self, key: str) -> None:
        self._heads.pop(key, None)
        self._sought.pop(key, None)
        followers = self._busy.get(key)
        if followers:
            self.ready.append(followers.popleft())
            return
        self._busy.pop(key, None)
        if key in self._blocked:
            self._blocked[key] = True
            self._probing[key] = None

    def _load(self, works: Iterable[Work]) -> bool:
        for work in works:
            key = self._key(work)
            if work.pos in self.known or work.pos in self._over:
                continue
            if self.room <= 0:
                return False
            if key and work.due is not None:
                self._blocked.setdefault(key, True)
                self._heads.pop(key, None)
                self._sought.pop(key, None)
            elif key in self._blocked:
                self._blocked[key] = True
                continue
            elif key in self._busy:
                if len(self._busy[key]) >= self._most:  # the others of this key are read when these are over
                    self._blocked[key] = True
                    continue
            elif key and self.passed_over:
                self._blocked[key] = True
                self._probing[key] = None
                continue
            self._know(work)
            self._queue(work)
        return True

    @staticmethod
    def _key(work: Work) -> str:
        """The ordering key, unless the work has stepped aside."""
        return "" if work.aside else work.event.ordering_key

    def _queue(self, work: Work) -> None:
        key = self._key(work)
        if not key:
            self.ready.append(work)
        elif key in self._busy:
            self._busy[key].append(work)
        else:
            self._busy[key] = deque()
            self.ready.append(work)
