"""A lane in order: the works of one ordering key one by one, in commit order.

The next work of a key starts after the settle of the one before it is committed. A head that waits
for a retry *blocks* its key: its followers leave the memory, claims skip them while the head stands
among the waiting, and when the head is over the key is read on its own (*probed*) until it is empty.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from hookline.engine.lane import Lane
from hookline.engine.target import Target
from hookline.store.protocol import OwnedLane, Result, Settlement, Work


class OrderedLane(Lane):
    """The window of a lane in order. Works without an ordering key have none."""

    def __init__(self, owned: OwnedLane, target: Target, *, window: int) -> None:
        """A lane just taken."""
        super().__init__(owned, target, window=window)
        self._busy: dict[str, deque[Work]] = {}
        """Keys with a work that is ready or under way, and what follows it in memory."""
        self._blocked: dict[str, bool] = {}
        """Keys whose followers stand in the store alone; True when some may have come since the last probe."""
        self._probing: set[str] = set()

    @property
    def wants_probe(self) -> bool:
        """A key's head is over and its followers stand in the store."""
        return bool(self._probing) and not self.closing and self.target.active

    def offer(self, work: Work) -> bool:
        """Straight from the commit goes only what has no key: an earlier one may have come through another node."""
        if work.event.ordering_key:
            self.behind = True
            return False
        return super().offer(work)

    def settled(self, settlement: Settlement) -> Iterable[Work]:
        """A settle is committed: the key goes on, or is blocked and its followers leave the memory."""
        super().settled(settlement)
        key = settlement.work.event.ordering_key
        if not key:
            return ()
        if settlement.result is not Result.WAIT:
            self._advance(key)
            return ()
        followers = self._busy.pop(key, ())
        for follower in followers:
            self.known.pop(follower.pos, None)
        self._blocked[key] = True
        return followers

    def forget(self, delivery_id: str) -> Work | None:
        """Take a work that has not started out of memory."""
        found = super().forget(delivery_id)
        if found is not None:
            if found.event.ordering_key:
                self._advance(found.event.ordering_key)
            return found
        for followers in self._busy.values():
            for work in followers:
                if work.delivery_id == delivery_id:
                    followers.remove(work)
                    del self.known[work.pos]
                    return work
        return None

    def restore(self, work: Work) -> None:
        """Undo a `forget`: the store has it still, in its place."""
        self.empty()

    def empty(self) -> list[Work]:
        """Drop what has not started; keys that are under way stay blocked until the store was asked again."""
        followers = [work for queue in self._busy.values() for work in queue]
        dropped = super().empty() + followers
        for work in followers:
            self.known.pop(work.pos, None)
        under_way = {work.event.ordering_key for work in self.known.values()} - {""}
        self._busy = {key: deque() for key in under_way}
        self._blocked = dict.fromkeys(under_way, True)
        return dropped

    def probes(self) -> Sequence[str]:
        """Keys to be read on their own now; ask once, answer each with `probed`."""
        due = [key for key in self._probing if key in self._blocked]
        self._probing.clear()
        for key in due:
            self._blocked[key] = False
        return due

    def probed(self, key: str, works: Iterable[Work]) -> None:
        """What the store has of `key`."""
        if key not in self._blocked:
            return
        fresh = [work for work in works if work.pos not in self.known]
        for work in fresh:
            self.known[work.pos] = work
        if fresh:
            self._blocked[key] = True
            self._queue(fresh)
        elif self._blocked[key]:
            self._probing.add(key)
        else:
            del self._blocked[key]

    def reprobe(self, key: str) -> None:
        """A probe failed: ask again."""
        if key in self._blocked:
            self._blocked[key] = True
            self._probing.add(key)

    def _advance(self, key: str) -> None:
        followers = self._busy.get(key)
        if followers:
            self.ready.append(followers.popleft())
            return
        self._busy.pop(key, None)
        if key in self._blocked:
            self._blocked[key] = True
            self._probing.add(key)

    def _load(self, works: Iterable[Work]) -> list[Work]:
        taken: list[Work] = []
        for work in works:
            key = work.event.ordering_key
            if work.pos in self.known or work.pos in self._over:
                continue
            if key and work.due is not None:
                self._blocked.setdefault(key, True)
            elif key in self._blocked:
                self._blocked[key] = True
                continue
            self.known[work.pos] = work
            taken.append(work)
        self._queue(taken)
        return taken

    def _queue(self, works: Iterable[Work]) -> None:
        for work in works:
            key = work.event.ordering_key
            if not key:
                self.ready.append(work)
            elif key in self._busy:
                self._busy[key].append(work)
            else:
                self._busy[key] = deque()
                self.ready.append(work)
