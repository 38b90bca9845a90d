"""hookline in the process, in virtual time, passes everything that binds a sender."""

import pytest
from conformance.sender.virtual import EmbeddedAdapter

from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.verdict import Status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
GUARD = frozenset({"SAF-105", "SAF-106", "SAF-107", "SAF-109"})
NEEDS_A_KILL = {"RTY-114", "RTY-115"}
"""kill -9 is of processes: test_hookline_server.py."""


async def test_the_embedded_client_passes_everything_that_applies() -> None:
    report = await run(SenderTarget(EmbeddedAdapter(), name="hookline, embedded"), Options(seed=5))
    assert report.no_verdict == ""
    others = {one.requirement.id: one.detail for one in report.verdicts if one.status in {Status.FAILED, Status.NOT_CHECKED}}
    assert others == {}
    unsupported = {one.requirement.id for one in report.verdicts if one.status is Status.UNSUPPORTED}
    assert unsupported == GUARD | NEEDS_A_KILL


async def test_the_address_guard_of_production_keeps_its_requirements() -> None:
    report = await run(GuardedTarget(EmbeddedAdapter(guarded=True), name="hookline, guarded"), Options(only=GUARD))
    assert report.no_verdict == ""
    assert {one.requirement.id: (one.status, one.detail) for one in report.verdicts if one.status is not Status.PASSED} == {}
    assert {one.requirement.id for one in report.verdicts} == GUARD


class GuardedTarget(SenderTarget):
    """A sender that refuses loopback cannot show that it delivers to it."""

    async def _probe(self) -> None:
        pass
