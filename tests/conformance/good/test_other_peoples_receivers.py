"""Good receivers with other people's libraries: no MUST fails, and what else they do not do is declared with its evidence."""

import os
from pathlib import Path

import pytest
from conformance.good.judging import GOOD, Good, judge
from conformance.good.serving import why_not

from hookline_conformance import Level, Mode, Status

MODE = Mode(os.environ.get("CONFORMANCE_MODE", "quick"))
"""CONFORMANCE_MODE=full asks for the long run."""
RESTARTS = frozenset({"IDM-003", "IDM-013"})
RESTARTED = {"flask_standardwebhooks", "fastapi_svix", "http_stripe", "go_standardwebhooks"}
"""One for each way to serve; the quick run restarts none."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.app)
async def test_a_good_receiver_with_an_official_library_has_no_unexpected_failure(good: Good, tmp_path: Path) -> None:
    if reason := why_not(good.app, good.command):
        pytest.skip(reason)
    report = await judge(good, tmp_path, MODE)
    assert report.no_verdict == ""
    assert [f"{v.requirement.id} {v.detail}" for v in report.failures if v.unexpected_failure] == []
    assert [v.requirement.id for v in report.unexpected_passes] == []
    assert [v.requirement.id for v in report.failures if v.requirement.level is Level.MUST] == []
    not_checked = [v for v in report.verdicts if v.status is Status.NOT_CHECKED]
    assert [v.requirement.id for v in not_checked if "quick mode" not in v.detail and "secret" not in v.detail] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("good", [good for good in GOOD if good.app in RESTARTED], ids=lambda good: good.app)
async def test_an_event_takes_effect_once_across_a_restart(good: Good, tmp_path: Path) -> None:
    if reason := why_not(good.app, good.command):
        pytest.skip(reason)
    report = await judge(good, tmp_path, Mode.FULL, only=RESTARTS)
    assert report.no_verdict == ""
    assert {v.requirement.id: (v.status, v.detail) for v in report.verdicts} == dict.fromkeys(sorted(RESTARTS), (Status.PASSED, ""))
