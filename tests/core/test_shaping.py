"""Filters, fields and transforms: what is refused when they are saved, and what they make of an event."""

import json
import math
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from core.strategies import NOW, json_data, json_values, names
from hypothesis import given
from hypothesis import strategies as st

from hookline.body import render
from hookline.body.cel import ExpressionError, compile_filter, compile_transform
from hookline.body.cel_cost import LABEL, SIZES
from hookline.body.cel_process import Done, Task, perform, task
from hookline.body.cel_values import LARGEST_OUTPUT, ShapingError
from hookline.body.fields import allow, split_path
from hookline.body.shape import reshaped
from hookline.errors import InvalidArgument
from hookline.model import BodyFormat, Event, SubscriptionSpec
from hookline.validation import check_subscription, text
from hookline.validation import event as validated


def event(data: bytes = b"{}", **fields) -> Event:
    usual = {
        "tenant": "t",
        "id": "evt_1",
        "type": "invoice.paid",
        "source": "/billing",
        "subject": "inv-17",
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "data_content_type": "application/json",
        "data_schema": "",
        "labels": {"env": "prod"},
        "idempotency_key": "",
        "ordering_key": "",
        "not_before_time": None,
        "traceparent": "",
        "accept_time": NOW,
    }
    return Event(data=data, **(usual | fields))


INVOICE = event(b'{"amount": 120, "net": 1.10, "customer": {"id": 7, "name": "Zo\\u00eb"}, "items": [{"sku": "a"}, {"sku": "b"}]}')


@pytest.mark.parametrize(
    ("source", "admitted"),
    [
        ("event.type == 'invoice.paid'", True),
        ("event.type.startsWith('invoice.') && event.data.amount > 100", True),
        ("event.data.amount > 120", False),
        ("event.data.net == 1.1", True),
        ("event.labels.env == 'prod' || event.labels.missing == 'x'", True),
        ("'env' in event.labels && event.labels['env'] in ['prod', 'test']", True),
        ("event.source == '/billing' && event.subject == 'inv-17' && event.id == 'evt_1'", True),
        ("event.time > timestamp('2026-01-01T00:00:00Z') && event.time.getFullYear() == 2026", True),
        ("event.data.items.exists(i, i.sku == 'b')", True),
        ("event.data.items.all(i, i.sku != 'c') && size(event.data.items) == 2", True),
        ("event.data.items.filter(i, i.sku == 'z').size() == 0", True),
        ("has(event.data.customer.id) && !has(event.data.customer.age)", True),
        ("event.type.matches('^invoice[.]')", True),
        ('event.data.items[1].sku == "b"', True),
        ("event.data.amount % 50 == 20 ? true : false", True),
        ("// a comment\nevent.data.customer.name == r'Zoë'", True),
    ],
)
def test_a_filter_says_of_an_event_what_it_says_in_words(source: str, admitted: bool) -> None:
    check_subscription(SubscriptionSpec(url="https://example.com/", filter=source), allow_http_loopback=False)
    assert compile_filter(source).admits(INVOICE) is admitted


@pytest.mark.parametrize(
    ("source", "line", "column", "word"),
    [
        ("event.tpye == 'x'", 1, 7, "tpye"),
        ("event.type ==", 1, 14, "ends here"),
        ("event.type == 'x' &&\n  event.type > 1", 2, 14, "string > int"),
        ("event.type = 'x'", 1, 12, "'='"),
        ("evnt.type == 'x'", 1, 1, "evnt"),
        ("event.type", 1, 1, "string"),
        ("event.data.amount + 1", 1, 1, "int"),
        ("event.type + 1 == 'x'", 1, 12, "'+'"),
        ("event.type.nonsense()", 1, 12, "nonsense"),
        ("event.type.amount == 1", 1, 12, "amount"),
        ("event.data.a.all(x, x.b.all(y, y > 0))", 1, 25, "within another loop"),
        ("event.data.a.exists(event, true)", 1, 21, "meaning already"),
        ("event.data.a == 99999999999999999999", 1, 17, "64 bits"),
        ("'open", 1, 1, "does not end"),
        ("!" * 30 + "true", 1, 1, "signs in a row"),
        ("(" * 30 + "true" + ")" * 30, 1, 25, "24 levels"),
        ("||".join(["true"] * 400), 1, 1, ""),
        ("{1: 2}.size() == 1", 1, 2, "right is a string"),
        ("has(event)", 1, 1, "asks for a field"),
        ("event.data.`a` == 1", 1, 12, "no meaning"),
        ("true && while", 1, 9, "a name"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_at_its_place(source: str, line: int, column: int, word: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_subscription(SubscriptionSpec(url="https://example.com/", filter=source), allow_http_loopback=False)
    (violation,) = refusal.value.violations
    assert violation.field == "subscription.filter"
    where, text, caret = violation.description.split("\n")
    if word:
        assert where.startswith(f"line {line}, column {column}: ")
    assert word in where
    assert caret[-1] == "^"
    assert len(caret) - 3 <= len(text)


@pytest.mark.parametrize(
    "source",
    [
        "[event.data.s]" + ".map(x, x + x)" * 17,
        "[event.data.s]" + ".map(x, [x, x].size() > 0, x + x)" * 18,
        "event.data." + "a" * 4096,
        ".".join(["event.data", *["a"] * 400]),
        "[" * 40 + "]" * 40,
        ", ".join(["1"] * 5),
        "type(event.data)",
        "event.data.a.map(x, event.data.b.map(y, x + y))",
    ],
)
def test_a_transform_that_cannot_be_bounded_or_makes_no_json_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_transform(source)


def test_a_subscription_has_fields_or_a_transform() -> None:
    spec = SubscriptionSpec(url="https://example.com/", fields=("a",), transform="event.data")
    with pytest.raises(InvalidArgument, match="one of the two"):
        check_subscription(spec, allow_http_loopback=False)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a\\", "a\\b", ".".join("a" * 17), "a\0b", "x" * 513])
def test_a_path_that_is_none_is_refused_by_its_place(path: str) -> None:
    with pytest.raises(InvalidArgument, match=r"subscription\.fields\[1\]"):
        check_subscription(SubscriptionSpec(url="https://example.com/", fields=("ok", path)), allow_http_loopback=False)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("event.data.amount", "120"),
        ("{'id': event.id, 'skus': event.data.items.map(i, i.sku)}", '{"id":"evt_1","skus":["a","b"]}'),
        ("{'b': 1, 'a': {'z': true, 'y': null}}", '{"a":{"y":null,"z":true},"b":1}'),
        ("{'at': event.time, 'for': duration('90.5s'), 'raw': b'ab'}", '{"at":"2026-01-02T03:04:05Z","for":"90.5s","raw":"YWI="}'),
        ("event.data.amount > 100 ? 'large' : 'small'", '"large"'),
        ("event.data.net", "1.1"),
        ("-9223372036854775808", "-9223372036854775808"),
    ],
)
def test_a_transform_makes_json_the_same_each_time(source: str, made: str) -> None:
    assert compile_transform(source).transform(INVOICE).decode() == made


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("1.0 / 0.0", "JSON does not have"),
        ("9223372036854775807 + event.data.amount", "overflow"),
        ("event.data.missing", "missing"),
        ("event.data.items.map(i, i.price)", "price"),
        ("event.data.amount + 'x'", "overload"),
        ("event.data.items[9]", "out of bounds"),
        ("{event.data.amount: 1}", "right is a string"),
    ],
)
def test_a_transform_that_has_no_value_says_why(source: str, word: str) -> None:
    with pytest.raises(ShapingError, match=word):
        compile_transform(source).transform(INVOICE)


@pytest.mark.parametrize(
    "number",
    ["18446744073709551616", "-9223372036854775809", "1" * 5000, "0.12345678901234567890", "1e400", "1e-400", "9007199254740993.0"],
)
def test_a_number_that_does_not_fit_is_refused_and_never_rounded(number: str) -> None:
    big = event(b'{"other": %s, "a": 1}' % number.encode())
    for shape in (
        lambda: compile_transform("event.data.a").transform(big),
        lambda: compile_filter("event.data.a == 1").admits(big),
    ):
        with pytest.raises(ShapingError, match="not rounded"):
            shape()
    assert compile_filter("event.type == 'invoice.paid'").admits(big)
    assert allow(["other"]).select(big) == b'{"other":%s}' % number.encode()


@given(st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_fits_comes_out_as_it_went_in(number: float) -> None:
    made = json.loads(compile_transform("event.data").transform(event(json.dumps([number]).encode())))
    assert made == [number]
    assert type(made[0]) is type(number)


@pytest.mark.parametrize("source", ["event.data == 1", "event.data.x == 1"])
def test_data_that_is_not_json_fails_what_reads_it_and_nothing_else(source: str) -> None:
    image = event(b"\x89PNG", data_content_type="image/png")
    with pytest.raises(ShapingError, match="image/png"):
        compile_filter(source).admits(image)
    with pytest.raises(ShapingError, match="image/png"):
        allow(["a"]).select(image)
    assert compile_filter("event.type == 'invoice.paid'").admits(image)


def test_a_transform_makes_no_more_than_it_may() -> None:
    large = event(b'{"s": "%s", "n": [%s]}' % (b"x" * 10_000, b"1," * 99 + b"1"))
    with pytest.raises(ShapingError, match=str(LARGEST_OUTPUT)):
        compile_transform("event.data.n.map(i, event.data.s)").transform(large)


@pytest.mark.parametrize(
    "source",
    [
        "event.data.n.map(i, i + 1).size() > 0",
        "event.data.n.filter(i, i > 0).size() > 0",
        "event.data.n.all(i, i in event.data.n)",
        "event.data.n.all(i, string(event.data.n) != '')",
        "event.data.s.matches(event.data.p)",
        "event.data.s.matches('(a{50}){50}')",
        "event.data.s.matches('" + "a?" * 60 + "')",
    ],
)
def test_what_is_not_provably_cheap_is_not_evaluated_on_the_spot(source: str) -> None:
    heavy = event(b'{"n": [%s]}' % (b"1," * 3_999 + b"1"))
    assert not compile_filter(source).cheap(heavy)


def test_what_is_simple_is_evaluated_on_the_spot() -> None:
    for source in (
        "event.type == 'x'",
        "event.data.items.exists(i, i.sku == 'b') && event.data.amount > 1",
        "event.type.matches('^a')",
        "event.type.matches('^(invoice|order)[.](paid|due)$') && event.labels.env.matches('^prod')",
        "event.data.customer.name.matches('[a-z]+@example[.]com$')",
    ):
        assert compile_filter(source).cheap(INVOICE)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "\\w*" * 33 + "!",
            "\\d",
            "\\pL",
            "\\p{Greek}+",
            "\\bpaid",
            "\\s",
            "[\\w-]+",
            "[[:alpha:]]",
            "[à-ÿ]",
            "(?i)paid",
            "(?s).",
            "a{2}",
        ),
        *("a?" * 60, "(a|b)*a" + "(a|b)" * 12 + "c", ".*a" + "." * 30 + "c", "x" * 201),
    ],
)
def test_a_pattern_of_which_no_small_bound_is_known_is_never_matched_on_the_spot(pattern: str) -> None:
    filtering = compile_filter(f"event.data.s.matches({json.dumps(pattern)})")
    assert not filtering.cheap(event(b'{"s": "%s"}' % (b"a" * 1_900)))


def test_a_pattern_is_matched_on_the_spot_in_a_text_that_is_short_enough_for_it() -> None:
    for pattern, length in (("paid", 16_000), ("^invoice[.]", 16_000), ("[a-z]*!", 4_000), ("[a-z]+@[a-z]+[.]com$", 1_900)):
        filtering = compile_filter(f"event.data.s.matches('{pattern}')")
        assert filtering.cheap(event(b'{"s": "%s"}' % (b"a" * length)))
    assert not compile_filter("event.data.s.matches('[a-z]*!')").cheap(event(b'{"s": "%s"}' % (b"a" * 16_000)))
    assert not compile_filter(" || ".join(["event.data.s.matches('[a-z]*!')"] * 9)).cheap(event(b'{"s": "%s"}' % (b"a" * 1_900)))


@pytest.mark.parametrize(
    "data",
    [b'{"s": [%s]}' % b",".join([b'"a"'] * 3_900), b"[" + b",".join([b"[]"] * 400) + b"]", b'{"a":' * 570 + b"1" + b"}" * 570],
)
def test_data_that_takes_long_to_be_handed_over_is_not_read_on_the_spot(data: bytes) -> None:
    assert len(data) < 16_384
    assert not compile_filter("event.data.s == 'x'").cheap(event(data))
    assert compile_filter("event.type == 'x'").cheap(event(data))


def test_no_field_of_an_event_is_larger_than_is_assumed() -> None:
    assert SIZES["type"][0] >= text.LONGEST_TYPE
    assert SIZES["source"][0] >= text.LONGEST_URI * 4
    assert SIZES["subject"][0] >= validated.LONGEST_SUBJECT * 4
    assert LABEL >= text.LONGEST_LABEL_VALUE * 4
    assert SIZES["labels"] == (text.MOST_LABELS * (LABEL + 128), text.MOST_LABELS)


def nest(levels: int, innermost: bytes) -> bytes:
    return b"[" * levels + innermost + b"]" * levels


@pytest.mark.parametrize("levels", [1, 100, 400, 511])
def test_data_as_deep_as_may_be_is_shaped(levels: int) -> None:
    deep = event(nest(levels, b'{"a":1,"b":2}'))
    assert allow(["a"]).select(deep) == nest(levels, b'{"a":1}')
    assert compile_transform("event.data").transform(deep) == deep.data


def test_what_a_transform_makes_is_no_deeper_than_what_is_taken() -> None:
    with pytest.raises(ShapingError, match="deeper than 512"):
        compile_transform("[event.data]").transform(event(nest(512, b"1")))


def test_fields_of_data_that_takes_long_to_go_through_are_not_selected_on_the_spot() -> None:
    text = b'{"a":"%s"}' % (b"x" * 200_000)
    for data, cheap in (
        (text, True),
        (nest(4, text), True),
        (nest(150, text), False),
        (nest(400, b'{"a":1}'), True),
        (b"[" + b",".join([b'{"a":1}'] * 2_000) + b"]", False),
        (b"[" + b",".join([b"1"] * 3_000) + b"]", True),
        (b"[" + b"{}," * 2_000 + text + b"]", False),
    ):
        assert allow(["a"]).cheap(event(data)) is cheap


def test_data_that_cannot_be_gone_through_fails_visibly() -> None:
    for data in (nest(200_000, b"1"), b'{"a":', b"[1,"):
        with pytest.raises(ShapingError, match="cannot be gone through"):
            allow(["a"]).select(event(data))


def paths_of(value, way=()):
    """Every leaf of a JSON value with the names that lead to it; arrays have none."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths_of(inner, (*way, name))
    elif isinstance(value, list):
        for inner in value:
            yield from paths_of(inner, way)
    else:
        yield way, value


few_names = st.sampled_from(["a", "b", "c.d", "\\", "é", ""])
nested = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(few_names, inner, max_size=4),
    max_leaves=20,
)
ways = st.lists(st.lists(few_names.filter(bool), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)


def written(way: tuple[str, ...]) -> str:
    return ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in way)


@given(nested.filter(lambda value: isinstance(value, dict | list)), ways, st.booleans())
def test_fields_let_out_exactly_the_leaves_below_an_allowed_path(value, allowed, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()
    made = json.loads(allow(map(written, allowed)).select(event(data)))

    def inside(way):
        return any(way[: len(one)] == one for one in allowed)

    assert [leaf for leaf in paths_of(made) if not inside(leaf[0])] == []
    assert list(paths_of(made)) == [leaf for leaf in paths_of(value) if inside(leaf[0])]


@given(json_data, names)
def test_fields_do_not_change_a_byte_of_what_they_let_out(data: bytes, name: str) -> None:
    whole = b'{"x": [], %s: %s , "y": 1}' % (json.dumps(name + "_").encode(), data)
    assert allow([name + "_"]).select(event(whole)) == b'{"%s":%s}' % ((name + "_").encode(), data.strip())


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5).map(tuple))
def test_a_path_is_read_as_it_was_written(way: tuple[str, ...]) -> None:
    assert split_path(written(way)) == way


numbers = st.integers(-5, 5)
operands = st.sampled_from(["event.data.a", "event.data.b"]) | numbers.map(str)
comparisons = st.tuples(operands, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), operands).map(" ".join)
conditions = st.recursive(
    comparisons
    | st.sampled_from(["event.type == 'invoice.paid'", "event.labels.env != 'prod'", "event.data.a in [1, 2, 3]", "true", "false"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from([" && ", " || "]), inner).map(lambda parts: f"({''.join(parts)})")
        | inner.map(lambda part: f"!({part})")
    ),
    max_leaves=8,
)


@given(conditions, numbers, numbers)
def test_filters_agree_with_a_reference_evaluator(source: str, a: int, b: int) -> None:
    reference = source.replace("&&", " and ").replace("||", " or ").replace("!(", " not (")
    reference = reference.replace("event.data.a", str(a)).replace("event.data.b", str(b)).replace("event.type", "'invoice.paid'")
    reference = reference.replace("event.labels.env", "'prod'").replace("true", "True").replace("false", "False")
    expected = eval(reference)
    assert compile_filter(source).admits(event(json.dumps({"a": a, "b": b}).encode())) is expected


@given(st.text(max_size=60) | st.text("event.data()[]{}!&|<>=+-'\"\\ 1a,:?\n", max_size=60))
def test_whatever_is_written_is_an_expression_or_refused(source: str) -> None:
    for build in (compile_filter, compile_transform):
        with suppress(ExpressionError):
            build(source)


@given(json_values)
def test_what_a_transform_passes_on_is_what_came_in(value) -> None:
    fits = all(not isinstance(leaf, int) or -(2**63) <= leaf < 2**64 for _, leaf in paths_of(value))
    subject = event(json.dumps(value).encode())
    if fits:
        made = json.loads(compile_transform("event.data").transform(subject))
        assert made == value
        assert all(math.isfinite(leaf) for _, leaf in paths_of(made) if isinstance(leaf, float))
    else:
        with pytest.raises(ShapingError):
            compile_transform("event.data").transform(subject)


@pytest.mark.parametrize("body_format", [one for one in BodyFormat if one is not BodyFormat.TEMPLATE])
def test_every_body_format_carries_what_was_made_of_the_data(body_format: BodyFormat) -> None:
    body = render(body_format, reshaped(replace(INVOICE, data_content_type="application/vnd.a+json"), b'{"n":1.10}'))
    assert b'{"n":1.10}' in body.content
    assert "application/" in body.content_type
    assert "vnd.a" not in body.content_type


@pytest.mark.parametrize(
    ("kind", "sources", "done"),
    [
        ("filter", ("event.data.amount > 100",), Done(admitted=True)),
        ("transform", ("event.data.net",), Done(data=b"1.1")),
        ("fields", ("customer.id", "net"), Done(data=b'{"net":1.10,"customer":{"id":7}}')),
    ],
)
def test_another_process_does_what_this_one_does(kind, sources, done: Done) -> None:
    import msgspec

    asked = msgspec.msgpack.decode(task(kind, sources, 1.0, INVOICE)[4:], type=Task)
    assert perform(asked) == done
    assert perform(msgspec.structs.replace(asked, sources=("a..(",))).fault
