"""A lane in memory: a small window on a subscription's queue, whatever its backlog in the store.

What is in memory is *known* (by position) from the moment it is loaded until its settle is committed,
so that a read that was under way in between neither loads it twice nor brings back what is over.
Nothing here waits or does I/O.
"""

from collections import deque
from collections.abc import Container, Iterable
from typing import Final

from hookline.clock import micros
from hookline.engine.pace import Pace
from hookline.engine.target import Target
from hookline.engine.turns import Tenant
from hookline.lanes import limited
from hookline.store.protocol import FIRST, ClaimAnswer, Cursor, DueAnswer, OwnedLane, Result, Settlement, Work

OVERHEAD: Final = 1_024
"""Bytes of a work and its event, beside the data."""
TENANT_SHARE: Final = 4
"""So many times the memory that is free a tenant may hold, for each unit of its weight; as with slots."""
LANE_COST: Final = 15
"""A lane may hold one part in so many of what its tenant could still take. The first one gets a fifth of the budget."""
LANE_SHARE: Final = 4
"""One lane takes at most this part (a quarter) of the memory."""
LEAST: Final = 8
"""Works that a lane may hold however little memory is left, so that it goes on."""
AHEAD: Final = 32
"""Works that are read ahead for each request that may run at once: what waits longer need not wait in memory."""
FEW: Final = 4
"""A read is worth it when it may bring more than one in so many of what is ready."""
NEVER: Final = 1 << 62
"""A time after all others (microseconds)."""
BACKLOG: Final = 256
"""Works that wait in memory, from which on a lane may be late: what is shorter is gone in a moment."""
LATE: Final = 2_000_000
"""Microseconds after which an event, or a retry, is not in time any more."""


class Memory:
    """What all lanes of a node hold together, in bytes, and how much that may be."""

    def __init__(self, budget: int) -> None:
        """Nothing is held."""
        self.budget = budget
        self.held = 0

    def left(self, tenant: Tenant, held: int) -> int:
        """How much more a lane of `tenant` that has `held` may take.

        The threshold moves with what is free, as that of the slots does (see `Slots`): however many lanes are far
        behind, some memory stays free for each of the others.
        """
        share = TENANT_SHARE * tenant.weight
        headroom = share * (self.budget - self.held) - tenant.held
        # What the lane takes counts against itself and its tenant, and is no longer free.
        return min(self.budget // LANE_SHARE - held, (headroom - LANE_COST * held) // (LANE_COST + share + 1))


class Lane:
    """The window of a lane without order; see `OrderedLane` for the other kind."""

    def __init__(
        self, owned: OwnedLane, target: Target, tenant: Tenant, *, now: int, monotonic: float, window: int, memory: Memory
    ) -> None:
        """A lane just taken: nothing is known of what the store has for it, so it must be read."""
        self.tenant = tenant
        self.pace = Pace(limited(target.subscription, owned.key.lane), owned.state, now, monotonic)
        self.owned = owned
        self.key = owned.key
        self.target = target
        self.window = window
        self._memory = memory
        self.ready: deque[Work] = deque()
        self.known: dict[int, Work] = {}
        self.held = 0
        """Bytes of what is known, roughly."""
        self._typical = 64 * 1024
        """Bytes of a work, by the last ones; high at first, so that the first read is a small one."""
        self.in_flight = 0
        self.share = tenant.unproven
        """Where its requests count."""
        self.finished = 0
        """Attempts whose outcomes were committed since the lane was taken."""
        self.closing = False
        """Nothing new starts: the lane is to be handed over, or was lost."""
        self.behind = True
        """The store has fresh works that were not read."""
        self.waits = True
        """The store may have waiting works that are due."""
        self.next_due: int | None = None
        self.reading = False
        self.in_round = False
        """It waits for its turn."""
        self.resting = 0.0
        """Until when its pace lets nothing start (seconds by the monotonic clock); 0: it does not rest."""
        self.gives_way = False
        """It is far behind, while others of the node are in time."""
        self.crowded = False
        """It waits until more of the node's slots are free."""
        self.cursor: Cursor | None = None
        self.overlaps = False
        """What is read from the cursor on may be in memory already."""
        self._read_to = 0
        """The highest fresh position that was read. A commit may be heard of after what it wrote was read, even settled."""
        self._stale_read = False
        """The window was emptied while a read was under way; its answer no longer fits."""
        self._over: set[int] = set()
        """Positions that were settled while a read was under way."""
        self.floor = FIRST
        """Due time and position up to which what waits was read: it is in memory, or over."""
        self._ceiling = NEVER
        """Of the floor, after the read under way: something began to wait meanwhile that its answer may not have."""
        self._moved: set[int] = set()
        """Positions of works under way that somebody has moved or ended: it may have been after their outcome was written."""

    @property
    def epoch(self) -> int:
        """Under which it is held."""
        return self.owned.epoch

    @property
    def runnable(self) -> bool:
        """Something can start now."""
        return bool(self.ready) and self.in_flight < self.pace.limit and self.target.active and not self.closing

    @property
    def wants_reading(self) -> bool:
        """The store has something, and there is room for a good part of it."""
        return (
            (self.behind or self.waits)
            and not self.reading
            and not self.closing
            and self.target.active
            and len(self.ready) <= self.places // 2
            and self.room > len(self.ready) // FEW
        )

    def is_late(self, now: int) -> bool:
        """There is a backlog here, and what is next has waited for longer than anything should that is in time."""
        if len(self.known) - self.in_flight < BACKLOG or not self.ready:
            return False
        work = self.ready[0]
        return now - (micros(work.event.accept_time) if work.due is None else work.due) > LATE

    @property
    def drained(self) -> bool:
        """Nothing is under way or unsettled."""
        return not self.known and self.in_flight == 0

    @property
    def places(self) -> int:
        """How many works may be in memory, as far as that goes: a receiver that bears little is read little ahead."""
        return min(self.window, AHEAD * self.pace.limit)

    @property
    def room(self) -> int:
        """How many more works the window takes, as far as memory goes."""
        places = self.places - len(self.known)
        if self.pace.halted:  # what it reads ahead would lie about while others need the memory
            return min(places, LEAST - (len(self.known) - self.in_flight))
        return min(places, max(LEAST - len(self.known), self._memory.left(self.tenant, self.held) // self._typical))

    def offer(self, work: Work) -> bool:
        """Take a work straight from its commit; False (and the lane is behind) if it has to be read later."""
        if self.behind or self.reading or work.pos <= self._read_to or self.room <= 0 or not self.target.active or self.closing:
            self.behind = True
            return False
        self._know(work)
        self.ready.append(work)
        return True

    def take(self) -> Work:
        """The next work to start."""
        self.in_flight += 1
        self.share.in_flight += 1
        return self.ready.popleft()

    def release(self, work: Work) -> None:
        """Its request is over; it stays known until it is settled."""
        self.in_flight -= 1
        self.share.in_flight -= 1

    def sort(self) -> None:
        """Count it among the lanes whose receivers are proven, or among the others."""
        share = self.tenant.proven if self.pace.proven else self.tenant.unproven
        if share is not self.share:
            self.share.in_flight -= self.in_flight
            share.in_flight += self.in_flight
            self.share = share

    def begin_read(self) -> tuple[bool, bool]:
        """A read begins; whether it is to read fresh works, and waiting ones."""
        wanted = self.behind, self.waits
        self.reading, self._stale_read = True, False
        if self.waits:
            self.next_due = None
        self.behind = self.waits = False
        self._over.clear()
        self._ceiling = NEVER
        return wanted

    def abandon_read(self) -> None:
        """The read failed: nothing is known of what the store has."""
        self.reading = False
        self.behind = self.waits = True

    def absorb(self, claimed: ClaimAnswer | None, due: DueAnswer | None) -> None:
        """The read is over, and this came in with it."""
        if self._stale_read:
            self.abandon_read()
            return
        self.reading = False
        if due is not None:
            all_taken = self._load(due.works)
            self.waits |= due.more or not all_taken
            self._raise_floor(due.works)
            if due.next_due is not None and (self.next_due is None or due.next_due < self.next_due):
                self.next_due = due.next_due
        if claimed is not None:
            if claimed.works:
                self._read_to = max(self._read_to, claimed.works[-1].pos)
            if self._load(claimed.works):
                self.cursor, self.overlaps = claimed.cursor, False
                self.behind |= claimed.more
            else:
                self.behind = self.overlaps = True
        self._over.clear()

    def settled(self, settlement: Settlement) -> None:
        """A settle is committed: the work is over, or waits in the store."""
        pos = settlement.work.pos
        self.finished += settlement.attempt is not None
        if self._unknow(settlement.work) and self.reading:
            self._over.add(pos)
        if settlement.due is not None:
            self._keep_below(settlement.due)
            if self.next_due is None or settlement.due < self.next_due:
                self.next_due = settlement.due

    def forget(self, delivery_id: str) -> Work | None:
        """Take a work that has not started out of memory."""
        self.doubt_floor()
        for work in self.ready:
            if work.delivery_id == delivery_id:
                self.ready.remove(work)
                self._unknow(work)
                if self.reading:
                    self._over.add(work.pos)
                return work
        self._stale_read |= self.reading  # the answer that is under way may have it
        return None

    def note_moved(self, delivery_ids: Container[str]) -> None:
        """Somebody has moved or ended these: of what is under way, the outcome may be on disk, and this have come after it."""
        self._moved.update(pos for pos, work in self.known.items() if work.delivery_id in delivery_ids)

    def was_moved(self, settlement: Settlement) -> bool:
        """Whether it may not wait as its outcome says, though that was written."""
        return settlement.result is Result.WAIT and settlement.work.pos in self._moved

    def look_for_moved(self) -> None:
        """A work is not where its outcome has put it: it may wait for another time, or be over."""
        self.behind = self.waits = True
        self.doubt_floor()

    def look_again(self) -> None:
        """Read from the beginning again, and keep what is in memory: something that was dropped may be pending still."""
        self.cursor, self.behind, self.waits = None, True, True
        self.doubt_floor()
        self._stale_read |= self.reading

    def doubt_floor(self) -> None:
        """Something may wait that was read before, or that somebody else has put there: read from the earliest again."""
        self._keep_below(FIRST[0])

    def _keep_below(self, due: int) -> None:
        """Something waits until `due`, or will: its settle may have been answered after a read that did not see it."""
        self.floor = min(self.floor, (due, -1))
        self._ceiling = min(self._ceiling, due)

    def _raise_floor(self, works: Iterable[Work]) -> None:
        """Up to the last of those that were read, none of which was left out before it."""
        reached = self.floor
        for work in works:
            known = self.known.get(work.pos)
            if work.due is None or (known is None and work.pos not in self._over):
                break
            if known is not None and known.due != work.due:
                self._moved.add(work.pos)  # its outcome is on disk: when that is answered, all that waits is read anew
            reached = (work.due, work.pos)
        self.floor = max(self.floor, min(reached, (self._ceiling, -1)))

    def empty(self) -> None:
        """Drop what has not started, and read anew later."""
        for work in self.ready:
            self._unknow(work)
        self.ready.clear()
        self.cursor, self.behind, self.waits, self.next_due = None, True, True, None
        self.doubt_floor()
        self._stale_read = self.reading

    def give_back(self) -> None:
        """Let go of what will not start soon: the store has it. What is needed to go on is read anew."""
        if len(self.known) - self.in_flight > (LEAST if self.pace.halted else 2 * self.places):
            self.empty()

    def _load(self, works: Iterable[Work]) -> bool:
        """Take works into the window; False if not all of them had room."""
        for work in works:
            if work.pos in self.known or work.pos in self._over:
                continue
            if self.room <= 0:
                return False
            self._know(work)
            self.ready.append(work)
        return True

    def _know(self, work: Work) -> None:
        self.known[work.pos] = work
        taken = size(work)
        self.held += taken
        self._memory.held += taken
        self.tenant.held += taken
        self._typical += (taken - self._typical) // 8

    def _unknow(self, work: Work) -> bool:
        if self.known.pop(work.pos, None) is None:
            return False
        self._moved.discard(work.pos)
        taken = size(work)
        self.held -= taken
        self._memory.held -= taken
        self.tenant.held -= taken
        return True


def size(work: Work) -> int:
    """Bytes that a work takes in memory, roughly."""
    return len(work.event.data) + OVERHEAD
