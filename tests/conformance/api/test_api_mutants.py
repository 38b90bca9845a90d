"""A server that does one thing otherwise is found by the requirement that this breaks; one that does not is not."""

from collections.abc import AsyncIterator

import pytest
from conformance.api.mutants import MUTANTS
from conformance.api.proxy import METHODS, Mutant, proxy
from conformance.api.serving import served

from hookline_conformance.api import ApiTarget
from hookline_conformance.explore import Mode
from hookline_conformance.requirement import Binds, load_catalogue
from hookline_conformance.runner import Options, run
from hookline_conformance.verdict import Status


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with served() as found:
        yield found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.breaks} {mutant.name}")
async def test_a_server_is_found_by_the_requirement_it_breaks(mutant: Mutant, address: str) -> None:
    async with proxy(address, mutant) as broken:
        report = await run(ApiTarget(broken, patience=10.0), Options(only=frozenset({mutant.breaks})))
    assert report.no_verdict == ""
    (verdict,) = report.verdicts
    assert verdict.status is Status.FAILED, verdict.detail
    assert verdict.expected
    assert verdict.got


async def test_what_stands_before_a_server_changes_nothing_by_itself(address: str) -> None:
    async with proxy(address) as same:
        report = await run(ApiTarget(same), Options(mode=Mode.QUICK))
    assert report.no_verdict == ""
    assert {one.requirement.id: one.detail for one in report.verdicts if one.status is not Status.PASSED} == {}


def test_every_mutant_names_methods_and_a_requirement_that_there_are() -> None:
    known = {path.rpartition("/")[2] for path in METHODS}
    bound = {requirement.id for requirement in load_catalogue().binding(Binds.API)}
    for mutant in MUTANTS:
        assert set(mutant.method.split()) <= known, mutant.name
        assert mutant.breaks in bound, mutant.name
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_every_requirement_of_the_api_has_a_mutant() -> None:
    assert {requirement.id for requirement in load_catalogue().binding(Binds.API)} == {mutant.breaks for mutant in MUTANTS}
