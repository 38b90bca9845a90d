"""The laws of `routing`: the index answers what a naive model of the grammar answers."""

import re

from core.strategies import patterns
from hypothesis import given
from hypothesis import strategies as st

from hookline.routing import REMEMBERED_TYPES, Routes, is_pattern, matches

few = st.lists(st.sampled_from(["a", "b", "ab", "a-b"]), min_size=1, max_size=4).map(".".join)
few_patterns = st.just("*") | few | few.map(lambda name: name + ".*")
tables = st.lists(st.tuples(st.integers(0, 9), st.lists(few_patterns, max_size=4)), max_size=12)


def model(pattern, event_type):
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".+"), event_type) is not None


@given(few_patterns, few)
def test_a_pattern_matches_what_its_regular_expression_matches(pattern, event_type):
    assert matches(pattern, event_type) == model(pattern, event_type)


@given(tables, st.lists(few, min_size=1, max_size=20))
def test_the_index_answers_each_matching_key_once_in_its_own_order(table, event_types):
    routes = Routes(table)
    order = list(dict.fromkeys(key for key, _ in table))
    for event_type in event_types:
        expected = {key for key, given_patterns in table if any(model(pattern, event_type) for pattern in given_patterns)}
        assert routes.match(event_type) == tuple(key for key in order if key in expected)


@given(patterns)
def test_every_pattern_of_the_grammar_is_one(pattern):
    assert is_pattern(pattern)


@given(st.text(max_size=20))
def test_what_is_a_pattern_is_made_of_names_and_one_star_at_the_end(text):
    names = text.removesuffix("*").removesuffix(".") if text.endswith(".*") else text
    expected = text == "*" or all(re.fullmatch("[A-Za-z0-9_-]+", name) for name in names.split("."))
    assert is_pattern(text) == expected


def test_a_prefix_does_not_match_its_own_name():
    assert matches("invoice.*", "invoice.paid")
    assert matches("invoice.*", "invoice.paid.late")
    assert not matches("invoice.*", "invoice")
    assert not matches("invoice.*", "invoices.paid")


def test_memory_stays_bounded_whatever_types_come():
    routes = Routes([("s", ("*",))])
    for number in range(3 * REMEMBERED_TYPES):
        assert routes.match(f"type.{number}") == ("s",)
    assert len(routes._remembered) <= REMEMBERED_TYPES
