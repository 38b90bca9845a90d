"""`hookline-conformance catalogue`, and the help."""

import re

import pytest

from hookline_conformance import load_catalogue
from hookline_conformance.cli import main


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")


def test_the_catalogue_lists_every_requirement(capsys):
    assert main(["catalogue"]) == 0
    assert set(re.findall(r"^[A-Z]{3}-\d{3}", capsys.readouterr().out, re.MULTILINE)) == set(load_catalogue())


def test_the_catalogue_can_be_narrowed(capsys):
    assert main(["catalogue", "--for", "receiver", "--area", "sig", "--level", "must"]) == 0
    listed = set(re.findall(r"^[A-Z]{3}-\d{3}", capsys.readouterr().out, re.MULTILINE))
    expected = {
        name for name, item in load_catalogue().items() if item.area == "SIG" and item.binds == "receiver" and item.level == "MUST"
    }
    assert listed == expected


def test_a_requirement_is_shown_with_its_sources(capsys):
    item = next(iter(load_catalogue().values()))
    assert main(["catalogue", item.id.lower()]) == 0
    out = capsys.readouterr().out
    assert item.text in out
    assert item.sources[0].url in out


@pytest.mark.parametrize("words", [["catalogue", "SIG-999"], ["catalogue", "--area", "XYZ"], ["catalog"]])
def test_what_does_not_exist_is_one_line_and_exit_code_2(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_help_explains_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    assert "no verdict" in capsys.readouterr().out
