"""Every mutant is killed by the requirement it breaks; every MUST and SHOULD that binds receivers has one."""

import pytest
from conformance.mutants.receivers.mutant import Mutant
from conformance.mutants.receivers.mutants import MUTANTS
from conformance.mutants.receivers.running import judge

from hookline_conformance import Binds, Level, Mode, load_catalogue


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
async def test_a_mutant_is_killed_by_the_requirement_it_breaks(mutant: Mutant) -> None:
    report = await judge(mutant.receiver(), only=frozenset({mutant.requirement}), mode=Mode.FULL, deadline=mutant.deadline)
    assert report.no_verdict == ""
    assert [failure.requirement.id for failure in report.failures] == [mutant.requirement]
    (failure,) = report.failures
    assert failure.expected
    assert failure.got
    assert failure.exchanges
    assert f"--only {mutant.requirement} --seed 0" in failure.repeat


def test_every_must_and_should_that_binds_receivers_has_a_mutant() -> None:
    broken = {mutant.requirement for mutant in MUTANTS}
    wanted = {item.id for item in load_catalogue().binding(Binds.RECEIVER) if item.level is not Level.MAY}
    assert wanted - broken == set()
    assert len(MUTANTS) >= 60


def test_each_mutant_stands_once() -> None:
    names = [f"{mutant} {mutant.base.__name__}" for mutant in MUTANTS]
    assert len(set(names)) == len(names)
