"""How lanes are spread: which of them a node gives to which other, so that work evens out, and then their number.

A node says with each beat what it does (attempts a second) and how many lanes it has. It gives away only what it has above
the mean, and only as far as the other stays below it; where lanes are too coarse for that, the busiest node gives one, if the other
stays below what is left. So a lane never goes to where it makes more than there was, and with constant work nothing moves any more
after a while. Differences that are small, or may be chance, move nothing; and who has given away what is busy waits
until that shows in what the other says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self, TypeVar

from hookline.engine.lane import Lane
from hookline.store.protocol import NodeRow

T = TypeVar("T")

SLACK: Final = 0.25
"""Of its own work, by which a node must have more than another before busy lanes move."""
LEAST: Final = 10.0
"""Attempts a second, the same."""
BUSY: Final = 1.0
"""Attempts a second from which on a lane moves for its work's sake."""
IDLE: Final = 0.1
"""Attempts a second up to which a lane moves for the number's sake to wherever there are fewer."""
ROUGH: Final = 0.05
"""Of the mean, by which work may miss it."""
CALM: Final = 4
"""Beats from a giving of busy lanes to the next: the other takes them, measures them for one beat, and says it with the next."""
_BITS: Final = 16
_MOST_LANES: Final = (1 << _BITS) - 1
_MOST_BUSY: Final = (1 << 15) - 1


class Load(NamedTuple):
    """What a node has to do: attempts a second, and lanes. In the store it is one number of 31 bits."""

    busy: int
    lanes: int

    @classmethod
    def parse(cls, number: int) -> Self:
        """What `number` says."""
        return cls(number >> _BITS, number & _MOST_LANES)

    @property
    def number(self) -> int:
        """It as one number."""
        return min(self.busy, _MOST_BUSY) << _BITS | min(self.lanes, _MOST_LANES)


class Meter:
    """Attempts a second of each lane, smoothed over a few beats."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self._at = 0.0
        self._seen: dict[Lane, tuple[int, float, int]] = {}

    def measure(self, lanes: Iterable[Lane], now: float) -> dict[Lane, float]:
        """The rate of each of `lanes`, from what they have finished since the last time (`now` in seconds)."""
        elapsed, self._at = now - self._at, now
        former, self._seen = self._seen, {}
        for lane in lanes:
            count, rate, beats = former.get(lane, (0, 0.0, 0))
            if elapsed > 0:
                latest = (lane.finished - count) / elapsed
                rate = (rate + latest) / 2 if beats > 1 else latest  # the first was not measured for a whole beat
            self._seen[lane] = lane.finished, rate, beats + 1
        return {lane: rate for lane, (_, rate, _) in self._seen.items()}


class Gift(NamedTuple):
    """Lanes for another node."""

    to: int
    lanes: Sequence[Any]
    busy: bool
    """It changes what the nodes have to do."""


def choose(
    node: int, rates: Mapping[T, float], rows: Sequence[NodeRow], *, order: Callable[[T], Any], limit: int, calm: bool
) -> Gift | None:
    """What `node`, whose lanes have these rates, gives away; None: nothing.

    Of lanes that are equally good to give, `order` says which go first. Without `calm` only what is idle is given.
    """
    others = {row.id: Load.parse(row.load) for row in rows if row.id != node}
    if not others or limit <= 0:
        return None
    work = sum(rates.values())
    if calm:
        to = min(others, key=lambda other: (others[other].busy, others[other].lanes, other))
        if work - others[to].busy >= max(LEAST, SLACK * work):
            mean = (work + sum(load.busy for load in others.values())) / (1 + len(others))
            lanes = sorted((lane for lane, rate in rates.items() if rate >= BUSY), key=lambda lane: (order(lane), -rates[lane]))
            richest = all((load.busy, -other) < (work, -node) for other, load in others.items())
            sides = _Sides(work, others[to].busy, mean, ROUGH * mean)
            given = _given(lanes, rates.__getitem__, sides, coarse=richest, limit=limit)
            if given:
                return Gift(to, given, True)
    to = min(others, key=lambda other: (others[other].lanes, others[other].busy, other))
    most = (work - others[to].busy + max(LEAST, SLACK * max(work, others[to].busy)) / 2) / 2 if calm else 0.0
    lanes, moved = [], 0.0
    for lane in sorted(rates, key=lambda lane: (order(lane), rates[lane])):
        if rates[lane] <= IDLE or moved + rates[lane] <= most:
            moved += rates[lane]
            lanes.append(lane)
    mean = (len(rates) + sum(load.lanes for load in others.values())) / (1 + len(others))
    richest = all((load.lanes, -other) < (len(rates), -node) for other, load in others.items())
    given = _given(lanes, lambda _: 1.0, _Sides(len(rates), others[to].lanes, mean, 0.0), coarse=richest, limit=limit)
    return Gift(to, given, any(rates[lane] > IDLE for lane in given)) if given else None


class _Sides(NamedTuple):
    mine: float
    theirs: float
    mean: float
    rough: float


def _given(lanes: Sequence[T], cost: Callable[[T], float], sides: _Sides, *, coarse: bool, limit: int) -> list[T]:
    """Of `lanes`, in this order, those by which neither side crosses the mean; or one by which they do not change places."""
    mine, theirs, mean, rough = sides
    given: list[T] = []
    for lane in lanes:
        if len(given) < limit and mine - cost(lane) >= mean - rough and theirs + cost(lane) <= mean + rough:
            mine, theirs = mine - cost(lane), theirs + cost(lane)
            given.append(lane)
    if not given and coarse:
        given = [lane for lane in lanes if 2 * cost(lane) <= mine - theirs][:1]
    return given
