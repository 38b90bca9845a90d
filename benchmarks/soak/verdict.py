"""Is it flat? Samples in, a verdict out; nothing here measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the server held at one moment. Sizes are in bytes; `at` is in seconds since the load began."""

    at: float
    rss: float
    descriptors: float
    threads: float
    tasks: float
    blocks: float
    """Of Python's allocator."""
    database: float
    log: float
    """The write-ahead log."""
    events: float
    """Acknowledged until then."""
    processor: float
    """Seconds of processor time of the server until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """By how much a measure may rise over the second half of the run: the greatest of three amounts.

    `least` is what the noise of a sample may make of it, `share` is of its mean, `per_event` is for each event that was
    acknowledged in that half.
    """

    measure: str
    unit: str
    scale: float = 1.0
    least: float = 0.0
    share: float = 0.0
    per_event: float = 0.0


MB: Final = 1e6
BOUNDS: Final = (
    Bound(measure="rss", unit="MB", scale=MB, least=4 * MB, share=0.03),
    Bound(measure="descriptors", unit="", least=6, share=0.05),
    Bound(measure="threads", unit="", least=1.5),
    Bound(measure="tasks", unit="", least=8, share=0.05),
    Bound(measure="blocks", unit="thousand", scale=1e3, least=15e3, share=0.02),
    # An event that is gone leaves its id for 30 days, so that it is known if it comes again: a row with two indexes.
    Bound(measure="database", unit="MB", scale=MB, least=4 * MB, per_event=400),
    Bound(measure="log", unit="MB", scale=MB, least=4 * MB),
)
FEWEST: Final = 10
"""Samples in the second half, below which nothing can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a measure went over the second half. `rise` is the least-squares slope times the half's length."""

    bound: Bound
    mean: float
    largest: float
    rise: float
    allowed: float

    @property
    def flat(self) -> bool:
        """It did not rise by more than is allowed; falling is no leak."""
        return self.rise <= self.allowed


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the least-squares line through (x, y); 0.0 if all x are one."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def trends(samples: Sequence[Sample], bounds: Sequence[Bound] = BOUNDS) -> list[Trend]:
    """The trend of every measure over the second half of the time. Raises ValueError if there are too few samples."""
    if not samples:
        raise ValueError("there are no samples; the run must be longer")
    middle = (samples[0].at + samples[-1].at) / 2
    half = [sample for sample in samples if sample.at >= middle]
    if len(half) < FEWEST:
        raise ValueError(f"{len(half)} samples in the second half are too few, {FEWEST} are needed; the run must be longer")
    length, events = half[-1].at - half[0].at, half[-1].events - half[0].events
    found = []
    for bound in bounds:
        points = [(sample.at, float(getattr(sample, bound.measure))) for sample in half]
        mean = sum(value for _, value in points) / len(points)
        found.append(
            Trend(
                bound=bound,
                mean=mean,
                largest=max(value for _, value in points),
                rise=slope(points) * length,
                allowed=max(bound.least, bound.share * mean, bound.per_event * events),
            )
        )
    return found
