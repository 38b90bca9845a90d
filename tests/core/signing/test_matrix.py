"""Each scheme against the platforms' own packages, in five languages: both directions, rotation, and each part tampered with.

`docs/signatures.json` keeps what came of it, and the tables of `docs/signatures.md` are made from that
(`scripts/generate_signature_table.py`).
"""

import json

import pytest
from core.signing.cases import named
from core.signing.judges import PYTHON, RECIPE
from core.signing.matrix import LAXER, MATRIX, ROTATES_OTHERWISE, STRICTER, available, examine, taken_by_hookline_alone
from interop import foreign
from scripts.generate_signature_table import RESULTS, outdated

GENERATE = "`python scripts/generate_signature_table.py` writes it"


def marked(value, key, *more):
    """A parameter about the judge `key`: all on one worker, so that each judge is started once."""
    needs = [] if key[1] in {PYTHON, RECIPE} else [pytest.mark.interop]
    return pytest.param(value, marks=[pytest.mark.xdist_group("judges"), *needs], id="-".join([*key, *more]))


every_judge = pytest.mark.parametrize("key", [marked(key, key) for key in MATRIX])


@pytest.fixture(scope="module", autouse=True)
def judges():
    yield
    foreign.stop()


@pytest.fixture
def row(key):
    if reason := available(key):
        pytest.skip(reason)
    return examine(key)


@every_judge
def test_hookline_and_the_judge_are_of_one_mind(key, row, record_property):
    record_property("row", json.dumps(row.plain))
    assert row.accepts_ours
    assert row.ours_accepts in ({None} if MATRIX[key].sign is None else {True})
    assert row.rotation == ROTATES_OTHERWISE.get(key[1:], ("both" if named(key[0]).several else "new",))[0]
    assert {"body", "secret", "signature", "header missing"} <= row.refused.keys()
    assert all(refused["ours"] for refused in row.refused.values())
    passed = {part for part, refused in row.refused.items() if not refused["theirs"]}
    assert passed == LAXER.get(key[1:], (set(),))[0]


@every_judge
def test_what_came_of_it_is_what_is_kept(key, row):
    kept = {(each["scheme"], each["language"], each["package"]): each for each in json.loads(RESULTS.read_text())["rows"]}
    assert kept.get(key) == row.plain, f"{RESULTS.name} is not up to date; {GENERATE}"


@pytest.mark.parametrize("stricter", [marked(each, each.key, each.change.__name__) for each in STRICTER])
def test_what_the_docs_call_stricter_is(stricter):
    if reason := available(stricter.key):
        pytest.skip(reason)
    assert taken_by_hookline_alone(stricter)


def test_every_judge_is_kept_and_no_other():
    kept = json.loads(RESULTS.read_text())
    assert {(each["scheme"], each["language"], each["package"]) for each in kept["rows"]} == MATRIX.keys()


def test_the_tables_in_the_docs_are_what_is_kept():
    assert not outdated(), f"docs/signatures.md is not up to date; {GENERATE}"
