"""`hookline profiles`."""

import pytest

from hookline import PROFILE_NAMES


def test_every_profile_is_listed(hookline) -> None:
    items = hookline("profiles", "list", "--json").json["items"]
    assert [item["name"] for item in items] == list(PROFILE_NAMES)
    assert all(name in hookline("profiles", "list").out for name in PROFILE_NAMES)


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_every_profile_is_shown_with_its_sources(hookline, name: str) -> None:
    shown = hookline("profiles", "show", name)
    assert shown.code == 0
    found = hookline("profiles", "show", name, "--json").json
    assert found["sources"]
    assert all(source["url"] in shown.out for source in found["sources"])
    assert found["subscription"]["signature_scheme"] in shown.out


def test_an_unknown_profile_is_refused_with_the_names_there_are(hookline) -> None:
    refused = hookline("profiles", "show", "strype")
    assert refused.code == 2
    assert "'strype'" in refused.line
    assert "stripe" in refused.line
