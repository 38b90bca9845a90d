"""The runner: which checks run against a target, and what their outcomes say of each requirement."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from hookline_conformance.check import Check, Died, NotChecked, NoVerdict, Target, Violation, checks_binding
from hookline_conformance.explore import Mode, Plan
from hookline_conformance.known import Known
from hookline_conformance.requirement import Level, Requirement, load_catalogue
from hookline_conformance.verdict import Report, Status, Verdict

_CHECK_SECONDS: Final = {Mode.QUICK: 120.0, Mode.FULL: 600.0, Mode.THOROUGH: 3600.0}
_MOST_REVIVALS: Final = 5


class OptionsError(ValueError):
    """An option cannot be used; the message names it and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is run, and how much of it.

    `level`: only requirements of this level and stronger; `areas` and `only`: only these areas (three
    letters) and requirements, all when empty; `safe`: polite requests only.
    """

    seed: int = 0
    level: Level = Level.MAY
    areas: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    mode: Mode = Mode.FULL
    safe: bool = False
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        catalogue = load_catalogue()
        for area in sorted(self.areas - set(catalogue.areas)):
            raise OptionsError(f"area {area!r} is none of {', '.join(catalogue.areas)}")
        for requirement in sorted(self.only - set(catalogue)):
            raise OptionsError(f"there is no requirement {requirement!r}; `hookline-conformance catalogue` lists them all")

    def selects(self, requirement: Requirement, scheme: str | None) -> bool:
        """Whether a requirement is asked for, and applies to the scheme."""
        return (
            requirement.applies_to(scheme)
            and requirement.level.rank <= self.level.rank
            and (not self.areas or requirement.area in self.areas)
            and (not self.only or requirement.id in self.only)
        )


async def run(target: Target, options: Options, progress: Callable[[Verdict], None] = lambda _: None) -> Report:
    """Run the checks that the options select against a target, and report.

    `progress` gets each requirement's verdict as soon as its last check is done. A target that cannot be
    judged gives a report with `no_verdict` and no verdicts.
    """
    start = datetime.now(UTC)
    begun = time.monotonic()
    no_verdict = ""
    verdicts: tuple[Verdict, ...] = ()
    try:
        await target.open()
        try:
            verdicts = await _verdicts(target, options, progress)
        finally:
            await target.close()
    except NoVerdict as reason:
        no_verdict, verdicts = str(reason), ()
    return Report(
        kind=target.binds,
        target=target.name,
        scheme=target.scheme,
        seed=options.seed,
        verdicts=verdicts,
        start=start,
        duration=time.monotonic() - begun,
        mode=options.mode.value,
        version=_version(),
        no_verdict=no_verdict,
    )


async def _verdicts(target: Target, options: Options, progress: Callable[[Verdict], None]) -> tuple[Verdict, ...]:
    catalogue = load_catalogue()
    selected = {item.id: item for item in catalogue.binding(target.binds) if options.selects(item, target.scheme)}
    checks = [item for item in checks_binding(target.binds) if selected.keys() & set(item.requirements)]
    waiting = {name: sum(name in item.requirements for item in checks) for name in selected}
    outcomes: dict[str, list[Verdict]] = {name: [] for name in selected}
    done: dict[str, Verdict] = {}
    life = _Life(target, options, selected)
    for item in checks:
        found = await life.outcomes(item)
        for name, verdict in found.items():
            outcomes[name].append(verdict)
            waiting[name] -= 1
            if not waiting[name]:
                done[name] = _worst([*outcomes[name], *life.deaths.get(name, ())], options.known)
                progress(done[name])
    # One may have died of what an earlier check, which had passed, sent last.
    died = {name: _worst([done[name], *life.deaths.get(name, ())], options.known) for name in done}
    return tuple(died[name] for name in selected if name in died)


class _Life:
    """Runs checks against a target that may die of them; `deaths` are the failures that this was, by requirement."""

    def __init__(self, target: Target, options: Options, selected: Mapping[str, Requirement]) -> None:
        self._target = target
        self._options = options
        self._selected = selected
        self._revivals = 0
        self._dead = ""
        self.deaths: dict[str, list[Verdict]] = {}

    async def outcomes(self, item: Check) -> Mapping[str, Verdict]:
        """Run a check; what it says of each of its selected requirements."""
        for _ in range(2):  # a check that met one dead already runs again when it was revived
            if self._dead:
                return self._none(item, self._dead)
            try:
                return await _outcomes(item, self._target, self._options, self._selected)
            except Died as died:
                await self._died(died)
                if died.check.name == item.name:
                    break
        return self._none(item, self._dead or "the target stopped answering during the check")

    def _none(self, item: Check, detail: str) -> Mapping[str, Verdict]:
        passed = _passed(item, self._target, self._options, self._selected)
        return {name: replace(verdict, status=Status.NOT_CHECKED, detail=detail) for name, verdict in passed.items()}

    async def _died(self, died: Died) -> None:
        for name in died.requirements:
            if name not in self._selected:
                continue
            verdict = Verdict(
                requirement=self._selected[name],
                status=Status.FAILED,
                check=died.check.name,
                detail=f"expected {died.expected}, got {died.got}",
                expected=died.expected,
                got=died.got,
                exchanges=died.exchanges,
                repeat=_repeat(self._target, self._options, name),
            )
            self.deaths.setdefault(name, []).append(verdict)
        self._revivals += 1
        if self._revivals > _MOST_REVIVALS or not await self._target.revive():
            self._dead = f"the target does not answer any more since the check {died.check.name}"


async def _outcomes(item: Check, target: Target, options: Options, selected: Mapping[str, Requirement]) -> Mapping[str, Verdict]:
    """Run one check; what it says of each of its selected requirements."""
    passed = _passed(item, target, options, selected)

    def all_are(status: Status, detail: str) -> Mapping[str, Verdict]:
        return {name: replace(verdict, status=status, detail=detail) for name, verdict in passed.items()}

    declared = [options.known.unsupported.get(name) for name in passed]
    if all(declared):
        return all_are(Status.UNSUPPORTED, declared[0] or "")
    if (skip := _skip(item, target, options)) is not None:
        return all_are(*skip)
    target.plan = Plan(seed=options.seed, mode=options.mode, safe=options.safe).for_check(item.name)
    limit = _CHECK_SECONDS[options.mode]
    try:
        await target.before(item)
        async with asyncio.timeout(limit):
            await item.function(target)
    except Violation as violation:
        return _violated(violation, passed, target)
    except NotChecked as reason:
        return all_are(Status.NOT_CHECKED, str(reason))
    except TimeoutError as error:
        await target.confirm()
        raise NoVerdict(f"the check {item.name} was not done after {limit:.0f} s") from error
    except (Died, NoVerdict, asyncio.CancelledError):
        raise
    except Exception as error:
        raise NoVerdict(f"the check {item.name} could not be run: {type(error).__name__}: {error}") from error
    return passed


def _passed(item: Check, target: Target, options: Options, selected: Mapping[str, Requirement]) -> Mapping[str, Verdict]:
    return {
        name: Verdict(requirement=selected[name], status=Status.PASSED, check=item.name, repeat=_repeat(target, options, name))
        for name in item.requirements
        if name in selected
    }


def _repeat(target: Target, options: Options, requirement: str) -> str:
    mode = "" if options.mode is Mode.FULL else f" --{options.mode}"
    return f"{target.command()} --only {requirement} --seed {options.seed}{mode}"


def _skip(item: Check, target: Target, options: Options) -> tuple[Status, str] | None:
    for need in item.needs:
        if (lack := target.lacks(need)) is not None:
            return Status.UNSUPPORTED if lack.unsupported else Status.NOT_CHECKED, lack.reason
    if options.mode is Mode.QUICK and not item.quick:
        return Status.NOT_CHECKED, "takes too long for the quick mode; run without --quick"
    if options.safe and not item.polite:
        return Status.NOT_CHECKED, "not polite enough for --safe; run it against a test system without --safe"
    return None


def _violated(violation: Violation, passed: Mapping[str, Verdict], target: Target) -> Mapping[str, Verdict]:
    stopped = f"the check stopped at a violation of {violation.requirement_id}"
    verdicts = {name: replace(verdict, status=Status.NOT_CHECKED, detail=stopped) for name, verdict in passed.items()}
    if violation.requirement_id in passed:
        verdicts[violation.requirement_id] = replace(
            passed[violation.requirement_id],
            status=Status.FAILED,
            detail=f"expected {violation.expected}, got {violation.got}",
            expected=violation.expected,
            got=violation.got,
            example=violation.example,
            exchanges=violation.exchanges or target.exchanges(),
        )
    return verdicts


def _worst(outcomes: Sequence[Verdict], known: Known) -> Verdict:
    worst = max(outcomes, key=lambda verdict: verdict.status.rank)
    requirement = worst.requirement.id
    checks = ", ".join(verdict.check for verdict in outcomes)
    reason = known.failures.get(requirement) or known.unsupported.get(requirement) or ""
    return replace(worst, check=checks if worst.status is Status.PASSED else worst.check, known=reason)


def _version() -> str:
    try:
        return version("hookline")
    except PackageNotFoundError:
        return "unknown"
