"""The suite tells good senders from broken ones."""

import pytest
from conformance.mutants.senders.making import Mutant, make, mutants
from conformance.seeds import SEEDS

from hookline_conformance.check import checks_binding
from hookline_conformance.explore import Mode
from hookline_conformance.requirement import Binds, load_catalogue
from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.verdict import Status

pytestmark = pytest.mark.timeout(300)  # searches may take a while on a busy machine
ALL = mutants()
SEARCHED = {"EMI-104"}
"""What one search finds depends on luck, and on the modules that happen to be loaded: a few are made."""
SEARCHES = 5


@pytest.fixture(autouse=True)
def shrinks_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked for is found before it is made small."""
    monkeypatch.setattr("hookline_conformance.explore._SHRINK_SECONDS", 1.0)


def test_every_mutant_is_one_line_away_and_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in ALL}) == len(ALL)
    for mutant in ALL:
        assert mutant.source()


def test_every_sender_requirement_that_can_be_broken_has_a_mutant() -> None:
    bound = {requirement.id for requirement in load_catalogue().binding(Binds.SENDER)}
    assert bound - {mutant.breaks for mutant in ALL} == set()


async def test_the_good_sender_passes_everything() -> None:
    report = await run(SenderTarget(make(), name="reference"), Options(seed=1))
    assert report.no_verdict == ""
    assert {verdict.requirement.id: verdict.detail for verdict in report.verdicts if verdict.status is not Status.PASSED} == {}
    assert report.exit_code == 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_seed_gives_the_good_sender_the_same_verdicts(seed: int) -> None:
    report = await run(SenderTarget(make(), name="reference"), Options(seed=seed, mode=Mode.QUICK))
    assert report.no_verdict == ""
    quick = {name for check in checks_binding(Binds.SENDER) if check.quick for name in check.requirements}
    assert {verdict.requirement.id for verdict in report.verdicts if verdict.status is Status.PASSED} == quick
    assert [verdict.requirement.id for verdict in report.verdicts if verdict.status is Status.FAILED] == []


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
async def test_a_mutant_is_killed_by_the_requirement_it_breaks(mutant: Mutant) -> None:
    for seed in range(SEARCHES if mutant.breaks in SEARCHED else 1):
        target = SenderTarget(make(mutant), name=mutant.name, patience=2.0)
        report = await run(target, Options(only=frozenset({mutant.breaks}), seed=seed))
        assert report.no_verdict == ""
        (verdict,) = report.verdicts
        if verdict.status is Status.FAILED:
            break
    assert verdict.status is Status.FAILED, verdict.detail
    assert verdict.expected
    assert verdict.got
