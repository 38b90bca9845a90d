"""Verdicts: what a run says of each requirement, and of the target as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hookline_conformance.exchange import Exchange
from hookline_conformance.requirement import Binds, Level, Requirement


class Status(StrEnum):
    """What became of a requirement; the order is from good to bad."""

    PASSED = "passed"
    UNSUPPORTED = "unsupported"
    """The target declares that it lacks the feature."""
    NOT_CHECKED = "not-checked"
    """It could not be looked at: no effects probe, the quick mode, `--safe`; never counted as passed."""
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """0 for the best; a requirement's verdict is the worst of its checks'."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run says of one requirement.

    `check` names the checks that looked at it; `detail` says why it was not checked, or what failed in a
    sentence; `expected`, `got`, `example` and `exchanges` show a failure (the smallest one found);
    `repeat` is the command that repeats just this; `known` is the reason given in the file of known
    failures, empty where the requirement is not declared there.
    """

    requirement: Requirement
    status: Status
    check: str
    detail: str = ""
    expected: str = ""
    got: str = ""
    example: str = ""
    exchanges: tuple[Exchange, ...] = ()
    repeat: str = ""
    known: str = ""

    @property
    def unexpected_failure(self) -> bool:
        """Failed, and not declared."""
        return self.status is Status.FAILED and not self.known

    @property
    def unexpected_pass(self) -> bool:
        """Declared as a failure or as unsupported, and it passed."""
        return self.status is Status.PASSED and bool(self.known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run's outcome: its verdicts in catalogue order, or the reason why there are none.

    `start` is in UTC, `duration` in seconds.
    """

    kind: Binds
    target: str
    scheme: str | None
    seed: int
    verdicts: tuple[Verdict, ...]
    start: datetime
    duration: float
    mode: str
    version: str
    no_verdict: str = ""

    @property
    def exit_code(self) -> int:
        """0: no MUST failed unexpectedly; 1: one did; 2: no verdict could be reached."""
        if self.no_verdict or not any(verdict.status in {Status.PASSED, Status.FAILED} for verdict in self.verdicts):
            return 2
        failed = any(verdict.unexpected_failure and verdict.requirement.level is Level.MUST for verdict in self.verdicts)
        return 1 if failed else 0

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """All that failed, the declared ones among them."""
        return tuple(verdict for verdict in self.verdicts if verdict.status is Status.FAILED)

    @property
    def unexpected_passes(self) -> tuple[Verdict, ...]:
        """What was declared to fail and passed."""
        return tuple(verdict for verdict in self.verdicts if verdict.unexpected_pass)

    def counts(self) -> Mapping[Status, int]:
        """How many verdicts of each status."""
        return count(self.verdicts)

    def by_area_and_level(self) -> Mapping[tuple[str, Level], Mapping[Status, int]]:
        """The counts for each area and level that occurs, in catalogue order."""
        groups: dict[tuple[str, Level], list[Verdict]] = {}
        for verdict in self.verdicts:
            groups.setdefault((verdict.requirement.area, verdict.requirement.level), []).append(verdict)
        return {key: count(verdicts) for key, verdicts in groups.items()}


def count(verdicts: Iterable[Verdict]) -> Mapping[Status, int]:
    """How many verdicts of each status, zeros included."""
    counts = dict.fromkeys(Status, 0)
    for verdict in verdicts:
        counts[verdict.status] += 1
    return counts
