"""The laws of body templates: what they make is JSON, whatever the event; data comes through byte for byte."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from core.strategies import events, ids, json_data, json_types, other_types, texts
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.body import BodyError, json_problem, render, template
from hookline.body.body import rfc3339
from hookline.body.template import LONGEST_TEMPLATE, NUMBERS, PLACEHOLDERS, TEXTS
from hookline.clock import micros
from hookline.errors import InvalidArgument
from hookline.model import BodyFormat, Event

json_events = events(st.tuples(json_data, json_types))
ALL = "{" + ", ".join(f'"{name}": {{{name}}}, "in_{name}": "<{{{name}}}>"' for name in (*TEXTS, *NUMBERS)) + ', "data": {data}}'
counts = st.integers(0, 99)


def values(event, webhook_id, number):
    texts = {name: getattr(event, name) for name in ("id", "type", "source", "subject", "data_schema")}
    seconds = micros(event.time) // 1_000_000
    numbers = {"unix": seconds, "unix_ms": micros(event.time) // 1_000, "retry_number": number}
    return {**texts, "webhook_id": webhook_id, "time": rfc3339(event.time), **numbers}


@given(json_events, ids, counts)
def test_every_placeholder_is_the_events_value_outside_of_strings_and_its_text_within(event, webhook_id, number):
    body = template(ALL).render(event, webhook_id, number)
    parsed = json.loads(body.content)
    for name, value in values(event, webhook_id, number).items():
        assert parsed[name] == value
        assert parsed[f"in_{name}"] == f"<{value}>"
    assert body.content_type == "application/json"
    assert body.content.endswith(b'"data": ' + event.data + b"}")


@given(json_events)
def test_data_within_a_string_is_the_same_text(event):
    parsed = json.loads(template('{"payload": "{data}"}').render(event, "w", 0).content)
    assert parsed["payload"].encode() == event.data


@given(json_events, texts)
def test_what_an_event_holds_is_never_taken_for_a_placeholder(event, text):
    injected = replace(event, subject="{data}" + text + "{id}", data=json.dumps("{type}").encode())
    body = template('{"s": {subject}, "d": {data}}').render(injected, "w", 0).content
    assert json.loads(body) == {"s": injected.subject, "d": "{type}"}


BEFORE_1970 = Event(
    tenant="t",
    id="e",
    type="a",
    source="",
    subject="",
    time=datetime(1969, 12, 31, 12, tzinfo=UTC),
    data=b"null",
    data_content_type="application/json",
    data_schema="",
    labels={},
    idempotency_key="",
    ordering_key="",
    not_before_time=None,
    traceparent="",
    accept_time=datetime(2025, 1, 1, tzinfo=UTC),
)


@example("{unix}{unix}", BEFORE_1970)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*(f"{{{name}}}" for name in PLACEHOLDERS), '"', "{", "}", ":", ",", "a", " "])).map("".join),
    json_events,
)
def test_a_template_is_refused_or_makes_json_of_every_event(text, event):
    try:
        made = template(text)
    except InvalidArgument:
        return
    assert json_problem(made.render(event, "w", 3).content) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 0 bytes"),
        ('"' + "a" * LONGEST_TEMPLATE + '"', f"right are 1 to {LONGEST_TEMPLATE}"),
        ('{"a": {customer}}', "'{customer}', which is no placeholder"),
        ('{"a": {data}, "b": "{data}"}', "has {data} twice"),
        ('{"a": {id}', "makes no JSON"),
        ('{"a": "\\ud800"}', "makes no JSON"),
        ("{unix}{unix}", "makes no JSON"),
        ("1{unix}", "makes no JSON"),
        ("-{retry_number}", "makes no JSON"),
        ("0.{unix_ms}", "makes no JSON"),
    ],
)
def test_a_wrong_template_is_refused_with_what_would_be_right(text, said):
    with pytest.raises(InvalidArgument) as refused:
        template(text)
    assert said in str(refused.value)
    assert refused.value.violations[0].field == "body_template"


@given(events(st.tuples(st.binary(max_size=40), other_types)))
def test_a_template_with_data_carries_json_only_and_one_without_anything(event):
    with pytest.raises(BodyError, match="'template' carries JSON only"):
        template('{"d": {data}}').render(event, "w", 0)
    assert json.loads(template('{"id": {id}}').render(event, "w", 0).content) == {"id": event.id}


@given(json_events)
def test_without_its_template_the_format_makes_nothing(event):
    with pytest.raises(BodyError, match="no body_template"):
        render(BodyFormat.TEMPLATE, event)
