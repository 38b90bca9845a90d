"""hookline.receiver keeps every requirement of the schemes that it verifies, with nothing declared."""

import os
from pathlib import Path

import pytest
from conformance.kit.judging import KEPT, Kept, judge

from hookline_conformance import Mode, Status

MODE = Mode(os.environ.get("CONFORMANCE_MODE", "quick"))
"""CONFORMANCE_MODE=full asks for the long run, with every scheme."""
OFTEN = {"standard-inbox", "stripe-inbox", "http-message-inbox", "github-transaction"}
RESTARTS = frozenset({"IDM-003", "IDM-013"})

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kept", [each for each in KEPT if MODE is not Mode.QUICK or str(each) in OFTEN], ids=str)
async def test_the_receiving_kit_passes_everything_that_applies(kept: Kept, tmp_path: Path) -> None:
    report = await judge(kept, tmp_path, MODE)
    assert report.no_verdict == ""
    assert {v.requirement.id: v.detail for v in report.failures} == {}
    not_checked = {v.requirement.id: v.detail for v in report.verdicts if v.status is Status.NOT_CHECKED}
    assert [name for name, reason in not_checked.items() if "quick mode" not in reason] == []


@pytest.mark.parametrize("kept", [each for each in KEPT if str(each) in {"standard-inbox", "github-transaction"}], ids=str)
async def test_an_event_takes_effect_once_across_a_restart(kept: Kept, tmp_path: Path) -> None:
    report = await judge(kept, tmp_path, Mode.FULL, only=RESTARTS)
    assert report.no_verdict == ""
    assert {v.requirement.id: v.status for v in report.verdicts} == dict.fromkeys(sorted(RESTARTS), Status.PASSED)
