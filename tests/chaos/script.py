"""What the enemy does, in order: a seed repeats it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Blow(StrEnum):
    """A thing that the enemy does."""

    KILL = "kill"
    """kill -9 of a replica; another takes its place."""
    STOP = "stop"
    """SIGSTOP until its lease has lapsed, then SIGCONT."""
    CUT = "cut"
    """All connections of one process to the database break."""
    LAG = "lag"
    """What one process and the database say to each other arrives late."""
    HOLD = "hold"
    """Nothing arrives until the lease has lapsed; then all of it."""
    REFUSE = "refuse"
    """The connections break, and there are no new ones for a while."""
    FAST = "restart, fast"
    """PostgreSQL is stopped in good order, its sessions are ended, and it starts again."""
    IMMEDIATE = "restart, immediate"
    """PostgreSQL is stopped without a checkpoint, starts again and recovers."""


_WEIGHTS: Final = {
    Blow.KILL: 60,
    Blow.STOP: 8,
    Blow.CUT: 12,
    Blow.LAG: 6,
    Blow.HOLD: 6,
    Blow.REFUSE: 4,
    Blow.FAST: 2,
    Blow.IMMEDIATE: 2,
}
_LASTS: Final = {Blow.STOP: (1.3, 2.2), Blow.HOLD: (1.2, 2.0), Blow.LAG: (0.3, 1.5), Blow.REFUSE: (0.1, 0.8)}
"""How long a blow lasts, in leases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """One blow: seconds to wait before it, which process it hits (modulo their number), and how long it lasts, in leases."""

    pause: float
    blow: Blow
    at: int
    lasts: float


def script(seed: int, kills: int) -> Iterator[Stroke]:
    """Blows in a random order until `kills` processes were killed; each kind at least once."""
    dice = random.Random(seed)
    blows = list(Blow)
    dice.shuffle(blows)
    left = kills
    while left > 0:
        blow = blows.pop() if blows else dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        left -= blow is Blow.KILL
        low, high = _LASTS.get(blow, (0.0, 0.0))
        yield Stroke(pause=dice.uniform(0.05, 0.85), blow=blow, at=dice.randrange(1 << 16), lasts=dice.uniform(low, high))
