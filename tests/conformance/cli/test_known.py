"""The file of known failures."""

import pytest

from hookline_conformance import KnownError, load_catalogue, load_known

FAILURE = '[[failure]]\nrequirement = "{}"\nreason = "an issue"\n'


@pytest.fixture
def name() -> str:
    return next(iter(load_catalogue()))


def test_a_failure_holds_under_every_scheme_or_those_that_it_names(tmp_path, name):
    path = tmp_path / "known.toml"
    path.write_text(FAILURE.format(name))
    assert load_known(path, "stripe").failures == {name: "an issue"}
    path.write_text(FAILURE.format(name) + 'schemes = ["stripe"]\n')
    assert load_known(path, "stripe").failures == {name: "an issue"}
    assert load_known(path, "github").failures == {}


def test_an_area_stands_for_all_of_its_requirements(tmp_path, name):
    path = tmp_path / "known.toml"
    path.write_text(f'[[unsupported]]\narea = "{name[:3]}"\nreason = "not there"\n')
    assert set(load_known(path).unsupported) == {item for item in load_catalogue() if item.startswith(name[:3])}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[failure]", "is not TOML"),
        ("[[failures]]", "failures: is not a field here"),
        ('[[failure]]\nrequirement = "SIG-999"\nreason = "x"', "failure 1: there is no requirement 'SIG-999'"),
        ('[[failure]]\nrequirement = "SIG-999"', "failure 1 reason: is missing"),
        ('[[failure]]\nrequirement = "SIG-999"\nreason = " "', "failure 1 reason"),
        ('[failure]\nrequirement = "SIG-999"', r"write \[\[failure\]\]"),
        ('[[unsupported]]\nreason = "x"', "unsupported 1: .*either a requirement or an area"),
        ('[[unsupported]]\narea = "XYZ"\nreason = "x"', "unsupported 1: area is 'XYZ'"),
    ],
)
def test_an_entry_that_means_nothing_is_named(tmp_path, text, said):
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(KnownError, match=said) as caught:
        load_known(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KnownError, match=r"nowhere\.toml: cannot be read"):
        load_known(tmp_path / "nowhere.toml")
