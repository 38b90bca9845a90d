"""The laws of the body formats: the event's bytes come through, whatever stands around them."""

import json
import re
from base64 import b64decode
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from core.strategies import events, json_data, json_types, other_types, times
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.body import BodyError, check_json, is_json, json_problem, render
from hookline.body.body import rfc3339
from hookline.errors import InvalidArgument
from hookline.model import BodyFormat

WITHOUT_TEMPLATE = [body_format for body_format in BodyFormat if body_format is not BodyFormat.TEMPLATE]
json_events = events(st.tuples(json_data, json_types))
other_events = events(st.tuples(st.binary(max_size=80), other_types))


@given(json_events)
def test_the_standard_body_holds_the_data_byte_for_byte(event):
    body = render(BodyFormat.STANDARD, event)
    parsed = json.loads(body.content)
    assert list(parsed) == ["type", "timestamp", "data"]
    assert parsed["data"] == json.loads(event.data)
    assert body.content.endswith(b'"data":' + event.data + b"}")
    assert (parsed["type"], datetime.fromisoformat(parsed["timestamp"])) == (event.type, event.time)
    assert body.content_type == "application/json"


@given(other_events, st.sampled_from(WITHOUT_TEMPLATE))
def test_only_the_standard_format_refuses_data_that_is_not_json(event, body_format):
    if body_format is BodyFormat.STANDARD:
        with pytest.raises(BodyError, match="'standard'.*" + re.escape(repr(event.data_content_type))):
            render(body_format, event)
    else:
        render(body_format, event)


@given(events())
def test_raw_is_the_data_and_its_media_type(event):
    body = render(BodyFormat.RAW, event)
    assert (body.content, body.headers) == (event.data, ())
    assert body.content_type == (event.data_content_type or "application/json")


@given(events())
def test_a_structured_cloudevent_is_json_with_the_data_as_it_was(event):
    body = render(BodyFormat.CLOUDEVENTS_STRUCTURED, event)
    parsed = json.loads(body.content)
    assert body.content_type == "application/cloudevents+json"
    if is_json(event.data_content_type):
        assert parsed.pop("data") == json.loads(event.data)
        assert body.content.endswith(b'"data":' + event.data + b"}")
    else:
        assert b64decode(parsed.pop("data_base64")) == event.data
    assert parsed.pop("datacontenttype") == (event.data_content_type or "application/json")
    assert parsed == attributes(event)


@given(events())
def test_a_binary_cloudevent_carries_its_attributes_in_clean_headers(event):
    body = render(BodyFormat.CLOUDEVENTS_BINARY, event)
    assert body.content == event.data
    assert body.content_type == (event.data_content_type or "application/json")
    assert {name.removeprefix("ce-"): unquote(value) for name, value in body.headers} == attributes(event)
    for name, value in body.headers:
        assert re.fullmatch("ce-[a-z0-9]{1,20}", name)
        assert re.fullmatch(r"[!#-~]+", value)


def attributes(event):
    optional = {"subject": event.subject, "dataschema": event.data_schema, "traceparent": event.traceparent}
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source or "/hookline",
        "type": event.type,
        "time": rfc3339(event.time),
        **{name: value for name, value in optional.items() if value},
    }


@given(events(), st.sampled_from(WITHOUT_TEMPLATE))
def test_the_same_event_always_has_the_same_body(event, body_format):
    if body_format is not BodyFormat.STANDARD or is_json(event.data_content_type):
        assert render(body_format, event) == render(body_format, event)


@given(times, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_written_in_utc_and_read_back_as_the_same_moment(moment, offset):
    text = rfc3339(moment.astimezone(timezone(timedelta(minutes=offset))))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z", text)
    assert datetime.fromisoformat(text) == moment


@given(json_data)
def test_every_json_text_is_json(data):
    assert json_problem(data) is None


broken_json = json_data.flatmap(
    lambda data: st.tuples(st.integers(0, len(data)), st.integers(0, 3), st.binary(max_size=3)).map(
        lambda cut: data[: cut[0]] + cut[2] + data[cut[0] + cut[1] :]
    )
)


@given(broken_json | st.binary(max_size=30) | st.text('[]{},:"\\u0d8ceE+-.1tn ', max_size=12).map(str.encode))
@example(b'"\\ud800"')
@example(b'"\\ud83d\\ude00"')
@example(b'"\\ude00\\ud83d"')
@example(b'"\xed\xa0\x80"')
@example(b"\xef\xbb\xbf1")
@example(b"1e999999")
@example(b"9" * 5000)
@example(b'{"a":1,"a":2}')
@example(b"NaN")
@example(b"[1,]")
@example(b"01")
@example(b"\x0c1")
def test_json_is_what_a_strict_parser_takes(data):
    assert (json_problem(data) is None) == strict(data)


def strict(data):
    """Whether Python's parser takes it, held to RFC 8259: no NaN, no lone surrogate, plain UTF-8."""
    try:
        parsed = json.loads(data.decode(), parse_int=str, parse_float=str, parse_constant=fail)
        json.dumps(parsed, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def fail(constant):
    raise ValueError(constant)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]\\"":', b"}]")])
def test_nesting_is_bounded_and_never_crashes(opening, closing):
    levels = opening.count(b"[") + opening.count(b"{")
    most = 512 // levels
    assert json_problem(opening * most + b"1" + closing * most) is None
    assert "deeper" in json_problem(opening * (most + 1) + b"1" + closing * (most + 1))
    assert json_problem(opening * 200_000) is not None


def test_brackets_in_strings_are_no_nesting():
    assert json_problem(b'"' + b"[" * 10_000 + b'\\"{{\\\\"') is None
    assert json_problem(b"[" + b",".join([b"{}"] * 10_000) + b"]") is None


@pytest.mark.parametrize(
    ("data", "half"),
    [
        (b'"\\ud800"', r"\ud800 at byte 1"),
        (b'["\\\\ud800", "\\ud83d\\ude00", "\\uDC00"]', r"\uDC00 at byte 29"),
        (b'{"a": "\\ude00\\ud83d"}', r"\ude00 at byte 7"),
    ],
)
def test_half_a_surrogate_pair_is_called_so(data, half):
    assert json_problem(data) == f"has half a surrogate pair ({half}), which is no character"
    assert json_problem(data + b"]").startswith("is not JSON")


def test_the_error_names_the_field_and_the_place():
    with pytest.raises(InvalidArgument, match=r"event.data: is not JSON .*byte 5"):
        check_json(b'{"a":}', "event.data")
