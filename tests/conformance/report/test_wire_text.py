"""Bytes are shown so that nothing hides in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.report.wire_text import wire_text


@given(st.binary())
def test_no_control_character_reaches_the_reader(data):
    assert all(char.isprintable() or char == "\n" or ord(char) >= 0xA0 for char in wire_text(data))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a\r\nb", "a\nb"),
        (b"a\nb", "a\nb"),
        (b"a\r\nb\nc", "a\nb\\n\nc"),
        (b"a\rb", "a\\rb"),
        (b"a:\tb \r\n", "a:\\tb\\x20\n"),
        (b"\xff\x00", "\\xff\\x00"),
        ("Zoë\u202e".encode(), "Zoë\\u202e"),
        (b"\x1b[31m", "\\x1b[31m"),
    ],
)
def test_line_ends_foreign_bytes_and_turned_text_are_told_apart(data, shown):
    assert wire_text(data) == shown


@given(st.binary(min_size=200, max_size=400))
def test_of_a_long_message_the_start_the_end_and_the_number_between_are_shown(data):
    shown = wire_text(data, limit=100)
    assert f"[… {len(data) - 100} bytes left out …]" in shown
    assert shown.startswith(wire_text(data[:74])[:60])
