"""`hookline.emit` refuses what every other way in refuses, and nothing else; and names the argument."""

import functools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from postgres.server import server

from hookline.errors import InvalidArgument
from hookline.model import EventSpec
from hookline.validation import check_event

PLAIN = EventSpec(type="a.b", data=b"{}")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ARGUMENTS = {"data_content_type": "content_type", "not_before_time": "not_before"}
"""What the function calls otherwise."""
EMIT = """\
SELECT hookline.emit_bytes('acme', $1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13)"""
CASES: list[dict[str, Any]] = [
    *({"data_content_type": text} for text in (
        "", "nonsense", "text/plain", "a/b;c=d", "a/b; c=\"d e\\\"\"", 'a/b;c="', "a/b;", "a /b", "Application/JSON",
        "text/json ",
        "application/x+json", "application/x+json;a=b", "a/" + "b" * 253, "a/" + "b" * 254, "application/\u0130", "ä/b",
        "a/b\n", "a/b;c=[d]",
        "APPLICATION/PROBLEM+JSON",
    )),
    *({"data": b"{", "data_content_type": kind} for kind in (
        "", "text/json", "TEXT/JSON;a=b", "application/json", "application/jsons", "a/b+json", "a/b+jsonp", "a/json",
        "application/json ; a=b",
    )),
    *({"data": data} for data in (
        b"", b" ", b"\xff", b"\xef\xbb\xbf1", b'"\xed\xa0\x80"', b'"\x00"', b'"\x01"', b'"\\u0000"', b"01", b"1.", b".1", b"-",
        b"-0", b"+1", b"1e400000", b"1E+2",
        b"9" * 400, b"nul", b"null", b"NaN", b"'a'", b"[1,]", b'{"a":1,}', b'{"a":1,"a":2}', b"{1:2}", b"// a\n1", b"1 2",
        b'"\t"',
        b'"\\ud800"', b'"\\udc00"', b'"\\uD83D\\uDC00"', b'"\\ud83d\\udc00"', b'"\\ud83d\\ud83d\\udc00"',
        b'"\\ud83d\\\\\\udc00"', b'"\\\\ud800"',
        b'"\\ud83d\\ud83d\\udc00\\udc00"', b'"\\ud83d \\udc00"', b'"\\\\\\ud800"', b'"\\U0041"', b'"\\x"', b'"\\/"',
        b'{"\\udfff":1}', b'"\\ud83d\\n"',
        b"[" * 512 + b"]" * 512, b"[" * 513 + b"]" * 513, b'{"a":' * 512 + b"1" + b"}" * 512,
        b'{"a":' * 513 + b"1" + b"}" * 513, b"[" * 100_000 + b"]" * 100_000,
        b"[" + b'"[[\\"[[",' * 600 + b"1]", b"[" + b"[],{}," * 400 + b"1]", b"x" * 262_145, b'"' + b"x" * 262_142 + b'"',
        b'"' + b"x" * 262_143 + b'"',
    )),
    *({name: text} for name in ("source", "data_schema") for text in (
        "relative", "/a/b", "//h/p", "https://example.com/a?b#c", "urn:a:b", "a b", "a%", "a%2", "a%2f", "%%", "1a:b", "a:",
        ":", "a//b", "x:y:z", "./a:b", "a:b c",
        "http://[::1]:80/", "http://[::1]x", "http://u:p@h:1/", "http://a@b@c", "http://h:1:2", "#", "?", "", "#a#b", "ä",
        "a[", "a\\b", "a\n", "mailto:a@b",
        "https://h" + "/a" * 1020, "https://h" + "/a" * 1019 + "b", "https://h" + "/a" * 1030, "a:///b", "a:////b", "a:?b?c",
        "-a:b", "a+b-c.d:e", "?:", "/:",
    )),
    *({"traceparent": text} for text in (
        "x", TRACE, TRACE.upper(), TRACE + "-x", "01" + TRACE[2:] + "-x y", "01" + TRACE[2:] + "-xy", "ff" + TRACE[2:],
        "01" + TRACE[2:], "cc" + TRACE[2:] + "-" + "x" * 456,
        "cc" + TRACE[2:] + "-" + "x" * 457, "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01", TRACE + "\n",
        "cc" + TRACE[2:] + "-",
    )),
    *({name: text} for name in ("idempotency_key", "ordering_key") for text in ("x" * 256, "x" * 257, "é" * 128, "é" * 129,
    "€" * 85, "€" * 86, "\U0001f600" * 64, "\n")),
    *({"subject": text} for text in ("x" * 1024, "x" * 1025, "é" * 512, "é" * 513)),
    *({"id": text} for text in ("a.b", "x" * 64, "x" * 65, "ä", "a\n", "-_")),
    *({"type": text} for text in ("", "a", "a.", ".a", "a..b", "x" * 128, "x" * 129, "a.b\n", "ä")),
    *({"labels": labels} for labels in (
        {f"k{number}": "v" for number in range(32)}, {f"k{number}": "v" for number in range(33)}, {"A": "b"}, {"": "b"},
        {"x" * 63: "b"}, {"x" * 64: "b"}, {"a": "é" * 128},
        {"a": "é" * 129}, {"a": "x" * 257}, {"a": 1}, {"a": None}, {"a": "b", "c": {}},
    )),
    *({name: moment} for name in ("time", "not_before_time") for moment in (
        datetime(1, 1, 2, tzinfo=UTC), datetime(1, 1, 1, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC),
    )),
    *({"time": moment} for moment in (datetime(9999, 12, 30, tzinfo=UTC), datetime(9999, 12, 30, 0, 0, 0, 1, tzinfo=UTC))),
    {"not_before_time": datetime(9999, 12, 30, tzinfo=UTC)},
]  # fmt: skip


@functools.cache
def database() -> str:
    return server().database(lasting=True)


@pytest.fixture
async def door() -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server().url(database()))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def refused(door: Any, spec: EventSpec) -> str | None:
    """The argument that the function names, and whether its code is a proper one; None if it takes the event."""
    values = (
        spec.type, spec.data, spec.idempotency_key, spec.ordering_key, spec.id, spec.source, spec.subject,
        json.dumps(dict(spec.labels)) if spec.labels else None, spec.time, spec.not_before_time, spec.data_content_type,
        spec.data_schema, spec.traceparent,
    )  # fmt: skip
    try:
        async with door.transaction():
            await door.execute(EMIT, *values)
    except asyncpg.PostgresError as error:
        found = error
    else:
        return None
    said = str(found).removeprefix("hookline.emit: ")
    assert found.sqlstate == ("22P02" if said.startswith("data is no JSON") else "22023"), said
    return said.split()[0]


async def agree(door: Any, spec: EventSpec) -> None:
    named = await refused(door, spec)
    try:
        check_event(spec, now=datetime.now(UTC))
    except InvalidArgument as error:
        fields = {violation.field.removeprefix("event.").partition(".")[0] for violation in error.violations}
        assert named in {ARGUMENTS.get(field, field) for field in fields}, (spec, named)
    else:
        assert named is None, (spec, named)


async def test_every_edge_is_where_it_is_for_other_events(door: Any) -> None:
    for case in CASES:
        await agree(door, replace(PLAIN, **case))
    for days in (29.99, 30.01):
        await agree(door, replace(PLAIN, not_before_time=datetime.now(UTC) + timedelta(days=days)))


def near(pieces: str, *, size: int = 12) -> st.SearchStrategy[str]:
    """Text that is made of what matters in a grammar, so that it is right about as often as it is wrong."""
    return st.lists(st.sampled_from(pieces.split(" ")), max_size=size).map("".join)


URIS = near("a : / // ? # [ ] @ %41 % 1 . - + ::1 http ! ä \\ ")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSON_TEXTS = near('[ ] { } " \\ \\\\ \\ud83d \\uDC00 u d8 : , 1 -0 . e5 null "a" é \x01') | st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
).map(json.dumps)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": near("a . - _ B 1 ä"),
    "data": JSON_TEXTS.map(lambda text: text.encode(errors="replace")) | st.binary(max_size=8),
    "id": near("a _ - . Z"),
    "source": URIS,
    "data_schema": URIS.map("a:".__add__) | URIS,
    "data_content_type": near('a / +json text/json application/json ; = " \\ c é')
    | near('a=b ; " "x" c=', size=4).map("a/b;".__add__),
    "traceparent": near("00- 01- ff- 4bf92f3577b34da6a3ce929d0e0e4736- 00f067aa0ba902b7- 01 - x", size=6)
    | near("- x é", size=3).map((TRACE.replace("00-", "02-", 1)).__add__),
    "labels": st.dictionaries(
        near("a - _ A é", size=3), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    ),
}
SPECS = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: FIELDS[name].map(lambda value: replace(PLAIN, **{name: value})))


@given(specs=st.lists(SPECS, min_size=1, max_size=20))
@example(specs=[replace(PLAIN, source="a%")])
@settings(max_examples=30)
async def test_whatever_is_said_is_refused_exactly_if_it_is_for_other_events(specs: list[EventSpec]) -> None:
    connection = await asyncpg.connect(server().url(database()))
    try:
        async with connection.transaction():
            for spec in specs:
                await agree(connection, spec)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("time", ["'0044-03-15 00:00+00 BC'", "'infinity'", "'-infinity'", "'10000-01-01 00:00+00'"]),
        ("not_before", ["'0044-03-15 00:00+00 BC'", "'infinity'", "'-infinity'"]),
        ("labels", ["'null'", "'[]'", "'1'"]),
    ],
)
async def test_what_only_sql_can_say_is_refused_too(door: Any, argument: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(asyncpg.InvalidParameterValueError, match=f"^hookline.emit: {argument} "):
            async with door.transaction():
                await door.execute(f"""SELECT hookline.emit('acme', 'a.b', '{{}}', "{argument}" => {value})""")


async def test_null_is_what_is_left_out(door: Any) -> None:
    names = ["idempotency_key", "ordering_key", "id", "source", "subject", "labels", "time", "not_before"]
    nulls = ", ".join(f'"{name}" => NULL' for name in [*names, "content_type", "data_schema", "traceparent"])
    assert await door.fetchval(f"SELECT hookline.emit('acme', 'a.b', '{{}}', {nulls})")
    row = await door.fetchrow("SELECT * FROM hookline.outbox")
    assert row["content_type"] == "application/json"


async def test_the_rules_hold_for_a_caller_whose_strings_have_escapes(door: Any) -> None:
    await door.execute("SET LOCAL standard_conforming_strings = off")
    await agree(door, replace(PLAIN, data=b'"\\ud800"'))
    await agree(door, replace(PLAIN, source="urn:a\\b"))
    await agree(door, replace(PLAIN, data_content_type='a/b;c="\\""'))
