"""What the pytest plugin does once a test asks for it."""

import asyncio
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import hookline_conformance.receiver  # noqa: F401 - registers its checks
from hookline_conformance.check import checks_binding
from hookline_conformance.explore import Mode
from hookline_conformance.known import Known, load_known
from hookline_conformance.pytest_plugin import Receiver, Selection, UnexpectedPass
from hookline_conformance.receiver.effects import CallableProbe
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.report.failure_text import failure_text
from hookline_conformance.report.masking import masked
from hookline_conformance.report.standing import Standing, standing
from hookline_conformance.requirement import Binds, Level, Requirement, load_catalogue
from hookline_conformance.runner import Options, run
from hookline_conformance.schemes import scheme_named
from hookline_conformance.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One requirement, and how it is checked."""

    requirement: Requirement
    scheme: str
    options: Options

    def hold(self, receiver: Receiver) -> None:
        """Check it; raises what pytest takes for a failure, an expected one or a skip, RuntimeError without a verdict."""
        __tracebackhide__ = True
        target = _target(receiver, self.scheme)
        api_key = receiver.parameters.get("api_key")
        secrets = (*target.secrets, *target.retired, *([api_key] if api_key else []))
        report = masked(asyncio.run(run(target, self.options)), secrets)
        if report.no_verdict:
            raise RuntimeError(f"no verdict: {report.no_verdict}")
        for verdict in report.verdicts:
            _tell(verdict, receiver.url)


def cases(selection: Selection) -> list[Case]:
    """The requirements that are selected and have checks; raises ValueError for an option that means nothing."""
    scheme = selection.scheme
    options = Options(
        seed=selection.seed,
        level=Level(selection.level),
        areas=frozenset(selection.areas),
        only=frozenset(selection.only),
        mode=Mode(selection.mode),
        safe=selection.safe,
        known=Known() if selection.known is None else load_known(Path(selection.known), scheme),
    )
    checked = {name for item in checks_binding(Binds.RECEIVER) for name in item.requirements}
    binding = load_catalogue().binding(Binds.RECEIVER)
    chosen = [item for item in binding if item.id in checked and options.selects(item, scheme)]
    if not chosen:
        raise ValueError("no requirement fits all of the options")
    return [Case(requirement=item, scheme=scheme, options=replace(options, only=frozenset({item.id}))) for item in chosen]


def _target(receiver: Receiver, scheme: str) -> ReceiverTarget:
    async def restart() -> None:
        ended = receiver.restart() if receiver.restart is not None else None
        if ended is not None:
            await ended

    return ReceiverTarget(
        url=receiver.url,
        scheme=scheme_named(scheme, **receiver.parameters),
        secrets=(receiver.secret, *receiver.more_secrets),
        retired=receiver.retired_secrets,
        effects=None if receiver.effects is None else CallableProbe(receiver.effects),
        restart=None if receiver.restart is None else restart,
    )


def _tell(verdict: Verdict, url: str) -> None:
    __tracebackhide__ = True
    match standing(verdict):
        case Standing.FAILED:
            pytest.fail(failure_text(verdict, url), pytrace=False)
        case Standing.WARNED | Standing.KNOWN:
            pytest.xfail(failure_text(verdict, url))
        case Standing.NOT_CHECKED | Standing.UNSUPPORTED:
            pytest.skip(f"{standing(verdict).label}: {verdict.detail}")
        case Standing.PASSED:
            if verdict.unexpected_pass:
                words = f"{verdict.requirement.id} is declared as failing, and it holds: {verdict.known}"
                warnings.warn(words, UnexpectedPass, stacklevel=4)
