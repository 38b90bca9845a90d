"""The account of every event: what must have been delivered, what must not, and what broke a law."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

DELIVERED: Final = 1
"""`hookline.change.state` of a delivery's success."""
AFTER_STOP: Final = 2_000_000
"""Microseconds after a replica goes on during which what it had begun to begin may still begin."""


class Tried(NamedTuple):
    """An attempt, as the replica wrote it down before its outcome was written. Times in microseconds, all by one clock."""

    replica: str
    lane: str
    epoch: int
    id: str
    event: str
    key: str
    start: int
    end: int
    taken: bool
    run: int = 1


class Written(NamedTuple):
    """An attempt, as the database has it. `state` is that of the delivery after it, None for a superseded one.

    `pos` does not tell the order of commits: a settle may have its number before a takeover, and commit after it.
    """

    pos: int
    lane: str
    attempt: str
    delivery: str
    event: str
    state: int | None
    run: int = 1
    holds: int | None = None
    """The epoch of the lane in the moment of the commit; None: nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was seen. `lanes`: which take keyed events in order (True), which plain ones."""

    lanes: Mapping[str, bool]
    acknowledged: set[str]
    committed: set[str]
    promised: set[str]
    """Of `committed` those whose COMMIT was answered; the database itself must have them."""
    rolled_back: set[str]
    taken: Mapping[str, Mapping[str, int]]
    tried: Sequence[Tried]
    written: Sequence[Written]
    stops: Sequence[tuple[str, int, int]]
    """Replica, from, to: when it stood still."""
    watched: set[str]
    """The attempts that a watch has shown."""
    cancelled: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Deliveries that the database has as cancelled: the event, and for which subscription."""
    asked: frozenset[str] = frozenset()
    """Deliveries that were to be cancelled."""
    answered: frozenset[str] = frozenset()
    """Of those, the ones that were said to be."""


@dataclass(slots=True)
class Account:
    """The numbers, and the faults: one line for each law that was broken."""

    numbers: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As it is printed."""
        width = max(map(len, self.numbers), default=0)
        lines = [f"  {name:<{width}}  {number:>8,}" for name, number in self.numbers.items()]
        return "\n".join([*lines, *(f"  FAULT: {fault}" for fault in self.faults)] or ["  nothing"])

    def blame(self, what: str, cases: Sequence[str]) -> None:
        """A fault, with its first cases, if there is any."""
        if cases:
            self.faults.append(f"{what}: {len(cases)}, such as {', '.join(cases[:3])}")


def judge(seen: Seen) -> Account:
    """The account."""
    account = Account()
    owed = seen.acknowledged | seen.committed
    numbers = account.numbers
    numbers["acknowledged"] = len(seen.acknowledged)
    numbers["committed in SQL transactions"] = len(seen.committed)
    numbers["  of which the answer to the COMMIT was lost"] = len(seen.committed - seen.promised)
    numbers["rolled back"] = len(seen.rolled_back)
    called_off = set(seen.cancelled.values())
    expected = {
        lane: {name for name in owed if _is_plain(name) is not ordered and (name, lane) not in called_off}
        for lane, ordered in seen.lanes.items()
    }
    numbers["cancelled"] = len(called_off)
    account.blame("cancelled, though nobody asked", sorted(seen.cancelled.keys() - seen.asked))
    account.blame("said to be cancelled, and is not", sorted(seen.answered - seen.cancelled.keys()))
    lost = [f"{name} for {lane}" for lane, names in expected.items() for name in sorted(names - seen.taken.get(lane, {}).keys())]
    numbers["deliveries owed"] = sum(map(len, expected.values()))
    numbers["lost"] = len(lost)
    account.blame("lost", lost)
    counts = [count for taken in seen.taken.values() for count in taken.values()]
    numbers["taken twice or more"] = sum(count > 1 for count in counts)
    account.blame("committed, and gone from the database", sorted(seen.promised - seen.committed))
    ghosts = {name for taken in seen.taken.values() for name in taken} & seen.rolled_back
    account.blame("delivered, though rolled back", sorted(ghosts))
    _settled(seen, account)
    _leases(seen, account)
    return account


def _is_plain(name: str) -> bool:
    return "p" in name


def _settled(seen: Seen, account: Account) -> None:
    """Every delivery succeeded once in the database, and no outcome counted after its lane had a new owner."""
    counted = [one for one in seen.written if one.state is not None]
    account.numbers["attempts that counted"] = len(counted)
    account.numbers["attempts superseded"] = len(seen.written) - len(counted)
    ends = Counter((one.delivery, one.run) for one in counted if one.state == DELIVERED)
    account.blame("delivered twice in the books", [name for (name, _), count in ends.items() if count > 1])
    epochs = {one.id: one.epoch for one in seen.tried}
    account.blame("not shown by Watch", sorted({one.attempt for one in seen.written} - seen.watched))
    account.blame("counted, though nobody wrote that it was tried", [one.attempt for one in counted if one.attempt not in epochs])
    late = [
        f"{one.attempt} of epoch {epochs[one.attempt]} when the lane was at {one.holds}"
        for one in counted
        if one.attempt in epochs and one.holds is not None and one.holds != epochs[one.attempt]
    ]
    account.numbers["times a lane changed hands, at least"] = sum(
        len({one.epoch for one in seen.tried if one.lane == lane}) - 1 for lane in {one.lane for one in seen.tried}
    )
    account.blame("settled by a node that had lost the lane", late)


def _leases(seen: Seen, account: Account) -> None:
    """What began after another had the lane; and of all the rest, the order within each key."""
    late = {one.id for one in _late(seen.tried)}
    stale = [one for one in seen.tried if one.id in late]
    account.numbers["attempts begun after the lease"] = len(stale)
    unexplained = [one for one in stale if not any(_after(one, stop) for stop in seen.stops)]
    account.blame("begun after the lease by a replica that had not been stopped", [one.id for one in unexplained])
    by_key: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    for one in seen.tried:
        # A finished delivery that is retried by hand begins another run, at the end of the queue.
        if one.key and one.run == 1 and seen.lanes[one.lane.partition("/")[0]] and one.id not in late:
            by_key[one.lane, one.key].append(one)
    account.numbers["keys in order"] = len(by_key)
    counted = {one.attempt for one in seen.written if one.state == DELIVERED}
    broken: list[str] = []
    for tries in by_key.values():
        ended: dict[int, int] = {_number(one): one.end for one in tries if one.id in counted}
        tries.sort(key=lambda one: one.start)
        begun = -1
        for one in tries:
            number = _number(one)
            if number < begun:
                broken.append(f"{one.event} at epoch {one.epoch} of {one.lane} begun after number {begun}")
            open_ = [before for before, end in ended.items() if begun <= before < number and end > one.start]
            if open_:
                broken.append(f"{one.event} at epoch {one.epoch} of {one.lane} begun before the end of number {open_[0]}")
            begun = max(begun, number)
    account.blame("out of order within a key", broken)


def _late(tried: Sequence[Tried]) -> Iterator[Tried]:
    first: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for one in tried:
        first[one.lane][one.epoch] = min(one.start, first[one.lane].get(one.epoch, one.start))
    for one in tried:
        if any(epoch > one.epoch and start < one.start for epoch, start in first[one.lane].items()):
            yield one


def _after(one: Tried, stop: tuple[str, int, int]) -> bool:
    """Whether it began when its replica had just been stopped and went on."""
    replica, since, until = stop
    return one.replica == replica and since <= one.start <= until + AFTER_STOP


def _number(one: Tried) -> int:
    return int(one.event.rpartition("-")[2])
