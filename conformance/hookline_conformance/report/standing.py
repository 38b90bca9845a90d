"""How a verdict counts: whether a failure breaks the target, is a weakness, or was declared."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hookline_conformance.requirement import AREAS, Binds, Level, load_catalogue
from hookline_conformance.verdict import Report, Status, Verdict


class Standing(StrEnum):
    """What a verdict means to who reads the report, from good to bad."""

    PASSED = "passed"
    UNSUPPORTED = "unsupported"
    NOT_CHECKED = "not-checked"
    KNOWN = "known"
    """It failed, and the file of known failures says so."""
    WARNED = "warned"
    """A SHOULD or a MAY failed: it does not count for the exit code."""
    FAILED = "failed"
    """A MUST failed, and nobody expected it."""

    @property
    def mark(self) -> str:
        """One character, so that no colour has to be told apart."""
        return _MARKS[self]

    @property
    def label(self) -> str:
        """In a word or two."""
        return _LABELS[self]


_MARKS: Mapping[Standing, str] = {
    Standing.PASSED: "✓",
    Standing.UNSUPPORTED: "○",
    Standing.NOT_CHECKED: "–",
    Standing.KNOWN: "≈",
    Standing.WARNED: "!",
    Standing.FAILED: "✗",
}
_LABELS: Mapping[Standing, str] = {
    Standing.PASSED: "passed",
    Standing.UNSUPPORTED: "unsupported",
    Standing.NOT_CHECKED: "not checked",
    Standing.KNOWN: "known failure",
    Standing.WARNED: "not met",
    Standing.FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What a report says in a sentence; `tone` is good, fair, bad or void."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The verdicts of one area."""

    code: str
    title: str
    verdicts: tuple[Verdict, ...]


def standing(verdict: Verdict) -> Standing:
    """How `verdict` counts."""
    if verdict.status is not Status.FAILED:
        return Standing(verdict.status.value)
    if verdict.known:
        return Standing.KNOWN
    return Standing.FAILED if verdict.requirement.level is Level.MUST else Standing.WARNED


def tally(verdicts: Iterable[Verdict]) -> Mapping[Standing, int]:
    """How many verdicts stand how; what does not occur is left out, the good comes first."""
    counts = Counter(standing(verdict) for verdict in verdicts)
    return {item: counts[item] for item in Standing if counts[item]}


def areas(report: Report) -> tuple[Area, ...]:
    """The verdicts by area, in the order of the catalogue."""
    titles = load_catalogue().areas
    groups: dict[str, list[Verdict]] = {code: [] for code in AREAS}
    for verdict in report.verdicts:
        groups[verdict.requirement.area].append(verdict)
    return tuple(
        Area(code=code, title=titles.get(code, code), verdicts=tuple(verdicts)) for code, verdicts in groups.items() if verdicts
    )


def worst_first(report: Report) -> tuple[Verdict, ...]:
    """Everything that failed: what breaks the target first, then by level, in the order of the catalogue."""
    order = {Standing.FAILED: 0, Standing.WARNED: 1, Standing.KNOWN: 2}
    return tuple(sorted(report.failures, key=lambda verdict: (order[standing(verdict)], verdict.requirement.level.rank)))


def no_verdict(report: Report) -> str:
    """Why `report` says nothing; empty where it says something."""
    if report.no_verdict or report.exit_code != 2:
        return report.no_verdict
    reasons = Counter(verdict.detail for verdict in report.verdicts if verdict.detail)
    common = reasons.most_common(1)
    return f"nothing was checked: {common[0][0]}" if common else "nothing was checked: no requirement fits the options"


def dialled(report: Report) -> str:
    """The URL that the suite's requests went to; empty where it was called instead of calling."""
    return report.target if report.kind is Binds.RECEIVER else ""


def headline(report: Report) -> Headline:
    """The report in a sentence."""
    if reason := no_verdict(report):
        return Headline(tone="void", text=f"No verdict: {reason}")
    counts = tally(report.verdicts)
    failed, warned, known = (counts.get(item, 0) for item in (Standing.FAILED, Standing.WARNED, Standing.KNOWN))
    if failed:
        return Headline(
            tone="bad", text=f"Does not conform: {failed} MUST {'requirement fails' if failed == 1 else 'requirements fail'}"
        )
    remarks = [f"{warned} of SHOULD and MAY not met"] if warned else []
    remarks += [f"{known} known {'failure' if known == 1 else 'failures'}"] if known else []
    return Headline(tone="fair" if remarks else "good", text=", ".join(["Conforms", *remarks]))
