"""hookline in the process, in virtual time and on each of its stores, passes everything that binds a sender."""

from pathlib import Path

import pytest
from conformance.sender.stored import StoredAdapter, options
from conformance.sender.virtual import EmbeddedAdapter
from postgres.server import server

from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.verdict import Status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
GUARD = frozenset({"SAF-105", "SAF-106", "SAF-107", "SAF-109"})
NEEDS_A_KILL = {"RTY-114", "RTY-115"}
"""kill -9 is of processes: test_hookline_server.py."""
NEEDS_VIRTUAL_TIME = {"RTY-103", "RTY-110"}


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


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_embedded_client_passes_everything_on_a_store_of_its_own(kind: str, tmp_path: Path) -> None:
    store = str(tmp_path / "hookline.db") if kind == "sqlite" else server().url(server().database())
    report = await run(SenderTarget(StoredAdapter(store), name=f"hookline, on {kind}"), options(seed=5))
    assert report.no_verdict == ""
    assert {one.requirement.id: one.detail for one in report.verdicts if one.status is Status.FAILED} == {}
    not_checked = {one.requirement.id: one.detail for one in report.verdicts if one.status is Status.NOT_CHECKED}
    assert [name for name, reason in not_checked.items() if "quick mode" not in reason] == []
    unsupported = {one.requirement.id for one in report.verdicts if one.status is Status.UNSUPPORTED}
    assert unsupported <= GUARD | NEEDS_A_KILL | NEEDS_VIRTUAL_TIME


class GuardedTarget(SenderTarget):
    """A sender that refuses loopback cannot show that it delivers to it."""

    async def _probe(self) -> None:
        pass
