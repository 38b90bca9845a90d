"""What happened, as the world saw it; the model of what must be true is made of this."""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from simulation.loop import Loop, Process

from hookline.engine import Engine
from hookline.model import Subscription
from hookline.store.protocol import LaneKey, Work


@dataclass(slots=True, kw_only=True)
class Told:
    """One thing that was said, however often: what became of it. `tag` stands in the data of its event."""

    tag: int
    kind: str
    tenant: str
    acknowledged: list[str] = field(default_factory=list)
    """The ids of the answers."""
    refused: int = 0
    unknown: int = 0
    asked: int = 0


@dataclass(slots=True, kw_only=True)
class Committed:
    """An event, when it was committed, and to whom it goes by the catalogue of that moment."""

    tag: int
    kind: str
    at: float
    must: frozenset[str]
    fanout: bool
    accept: int
    tenant: str


@dataclass(slots=True, kw_only=True, eq=False)
class Begun:
    """An attempt from its start on. `valid`: its node owned the lane at that epoch then."""

    process: Process
    engine: Engine
    key: LaneKey
    epoch: int
    work: Work
    subscription: Subscription
    state: str
    """What the former owner had kept with the lane."""
    at: float
    wall: int
    latest: int
    """The wall clock of its node (microseconds), and the latest that it ever was."""
    valid: bool
    thawed: bool
    """Its node has just gone on after a stop; it was about to begin then."""
    order: int = 0
    """Its start among all starts and ends."""
    end: float | None = None
    end_order: int = 0
    status: int | None = None
    slow: bool = False
    """It showed that its receiver has too much to do."""
    ours: bool = False
    """It says nothing of the receiver."""
    unmade: bool = False
    """No request was made: the filter refused the event, or no body could be made of it."""
    failed: bool = False
    retry_after: float | None = None


@dataclass(slots=True, kw_only=True)
class Change:
    """When what of a subscription changed."""

    at: float
    subscription: Subscription | None


class Books:
    """Everything that was noted, in order; equal in two runs of a seed."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._hash = blake2b(digest_size=16)
        self.lines: list[str] = []
        self._order = itertools.count(1)
        self.faults: list[tuple[str, str]] = []
        """Laws that were broken: which, and how."""
        self.told: dict[int, Told] = {}
        self.committed: dict[str, Committed] = {}
        self.begun: list[Begun] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.changes: defaultdict[str, list[Change]] = defaultdict(list)
        self.success: dict[tuple[str, int], float] = {}
        self.counted: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        """The attempts that counted, by delivery and run."""
        self.waits: dict[str, int] = {}
        """Until when a delivery waits, by the last outcome that counted or a retry by hand."""
        self.by_attempt: dict[str, Begun] = {}
        self.requeued: dict[str, int] = {}
        self.cancelled: dict[str, float] = {}
        self.replays: dict[str, tuple[float, int]] = {}
        """When they were begun, and the last tag then."""
        self.notices: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        """When operational events were committed, by type and subscription."""
        self.orderly: set[tuple[LaneKey, int]] = set()
        """Lanes, and the epochs at which their owners gave them up of themselves, having kept what there was to keep."""
        self.unkept: set[int] = set()
        """Nodes to which the store refused to keep something."""
        self.jumps: list[tuple[str, float]] = []
        """Nodes whose wall clock was set, and when."""
        self.epochs: dict[LaneKey, int] = {}
        self.taken: defaultdict[tuple[str, str], int] = defaultdict(int)
        """How often a receiver took a webhook id, by subscription."""

    @property
    def now(self) -> float:
        """The world's time."""
        return self._loop.now

    def next(self) -> int:
        """A place in the order of things."""
        return next(self._order)

    def note(self, *what: Any) -> None:
        """Write a line."""
        line = f"{self._loop.now:9.4f} " + " ".join(str(one) for one in what)
        self._hash.update(line.encode())
        self.lines.append(line)

    def blame(self, law: str, how: str) -> None:
        """A law was broken."""
        self.note("BROKEN", law, how)
        self.faults.append((law, how))

    def digest(self) -> str:
        """Over all lines."""
        return self._hash.hexdigest()
