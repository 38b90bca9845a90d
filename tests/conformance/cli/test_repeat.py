"""The command that repeats a run."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.cli.repeat import repeat_command


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["receiver", "--url", "http://x/?a=b c"], "hookline-conformance receiver --url 'http://x/?a=b c'"),
        (["receiver", "--only", "SIG-001", "--seed=3", "--quick", "--safe"], "hookline-conformance receiver --safe"),
        (["receiver", "--html", "a b.html", "--json=x"], "hookline-conformance receiver"),
        (
            ["receiver", "--secret", "a", "--secret=b"],
            'hookline-conformance receiver --secret "$HOOKLINE_CONFORMANCE_SECRET" --secret "$HOOKLINE_CONFORMANCE_NEXT_SECRET"',
        ),
    ],
)
def test_what_selects_and_what_writes_is_left_out_and_secrets_are_variables(words, command):
    assert repeat_command(words) == command


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda word: not word.startswith("-"))))
def test_every_other_word_reaches_the_program_as_it_was(words):
    assert shlex.split(repeat_command(["receiver", *words]))[2:] == words


@given(st.text("abcdef+/=", min_size=8), st.booleans())
def test_no_secret_stands_in_the_command(secret, joined):
    words = [f"--secret={secret}"] if joined else ["--secret", secret]
    assert secret not in repeat_command(["receiver", *words, "--only", "SIG-001"])
