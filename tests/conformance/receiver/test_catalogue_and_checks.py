import importlib
import importlib.util

import pytest

from hookline_conformance import Binds, CatalogueError, Level, checks_binding, load_catalogue
from hookline_conformance.check import check

SIDES = {Binds.RECEIVER: "receiver", Binds.SENDER: "sender", Binds.API: "api"}


@pytest.mark.parametrize("binds", Binds)
def test_every_requirement_has_a_check_and_every_check_a_requirement(binds: Binds) -> None:
    importlib.import_module(f"hookline_conformance.{SIDES[binds]}")
    required = {requirement.id for requirement in load_catalogue().binding(binds)}
    checked = {name for item in checks_binding(binds) for name in item.requirements}
    assert required - checked == set(), "requirements without a check"
    assert checked - required == set(), "checks without a requirement"
    assert required


def test_a_check_of_an_unknown_requirement_cannot_be_registered() -> None:
    with pytest.raises(CatalogueError, match="SIG-999"):
        check("SIG-999")


def test_receivers_have_at_least_45_requirements_and_each_has_sources_and_a_sentence() -> None:
    receivers = load_catalogue().binding(Binds.RECEIVER)
    assert len(receivers) >= 45
    assert sum(requirement.level is Level.MUST for requirement in receivers) >= 45
    for requirement in receivers:
        assert requirement.sources, requirement.id
        assert requirement.text.endswith("."), requirement.id
        assert all(source.section and source.url.startswith("https://") for source in requirement.sources), requirement.id


def test_what_needs_effects_says_so_in_its_note() -> None:
    catalogue = load_catalogue()
    for item in checks_binding(Binds.RECEIVER):
        if "effects" in item.needs:
            for name in item.requirements:
                assert (
                    "a way to see effects" in catalogue[name].note
                    or "Needs a way to see effects" in catalogue[name].note
                    or name == "TIM-012"
                )
