"""What the laws of the core are about: every event, policy, subscription and secret that is valid."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from hookline.model import AnswerRules, BodyFormat, Event, EventSpec, Exponential, Ordering, RetryPolicy, Steps, SubscriptionSpec

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

ids = st.text(WORD, min_size=1, max_size=64)
names = st.text(WORD, min_size=1, max_size=12)
types = st.lists(names, min_size=1, max_size=6).map(".".join)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
sources = st.sampled_from(
    ["", "/billing", "https://example.com/a?b=c#d", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "a/b", "//host/x", "?q"]
)
times = st.timedeltas(datetime(1, 1, 3, tzinfo=UTC) - NOW, datetime(9999, 12, 29, tzinfo=UTC) - NOW).map(NOW.__add__)
traceparents = st.sampled_from(["", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
labels = st.dictionaries(st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=63), texts, max_size=5)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
spaces = st.text(" \t\r\n", max_size=3)
json_data = st.builds(
    lambda value, ascii_only, indent, before, after: (
        before + json.dumps(value, ensure_ascii=ascii_only, indent=indent) + after
    ).encode(),
    json_values,
    st.booleans(),
    st.none() | st.just(2),
    spaces,
    spaces,
)
"""JSON text with the same value written in different ways."""

json_types = st.sampled_from(["application/json", "application/json; charset=utf-8", "application/vnd.a.b+json", "text/json", ""])
other_types = st.sampled_from(["text/plain", "application/octet-stream", 'text/plain; charset="utf-8"', "application/jsonl"])
contents = st.tuples(json_data, json_types) | st.tuples(st.binary(max_size=80), other_types)


def events(content=contents):
    return st.builds(
        lambda content, **fields: Event(
            tenant="t",
            data=content[0],
            data_content_type=content[1],
            idempotency_key="",
            ordering_key="",
            not_before_time=None,
            accept_time=NOW,
            **fields,
        ),
        content,
        id=ids,
        type=types,
        source=sources,
        subject=texts,
        time=times,
        data_schema=st.sampled_from(["", "https://example.com/schema"]),
        labels=labels,
        traceparent=traceparents,
    )


event_specs = st.builds(
    lambda content, **fields: EventSpec(data=content[0], data_content_type=content[1], **fields),
    contents,
    type=types,
    id=st.just("") | ids,
    source=sources,
    subject=texts,
    time=st.none() | times,
    data_schema=st.sampled_from(["", "https://example.com/schema", "urn:x:y"]),
    labels=labels,
    idempotency_key=texts,
    ordering_key=texts,
    not_before_time=st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=30)).map(NOW.__add__),
    traceparent=traceparents,
)

seconds = st.floats(min_value=0.001, max_value=7 * 24 * 3600)
schedules = st.builds(Steps, delays=st.lists(seconds, min_size=1, max_size=20).map(tuple)) | st.builds(
    Exponential, initial=seconds, factor=st.floats(1, 10), cap=seconds
)
policies = st.builds(
    RetryPolicy,
    schedule=schedules,
    max_attempts=st.integers(1, 100),
    max_elapsed=st.none() | seconds,
    jitter=st.floats(0, 0.9),
    count_paused=st.booleans(),
)

secrets = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + b64encode(key).decode())
patterns = st.just("*") | types | types.map(lambda name: name + ".*")
urls = st.sampled_from(
    [
        "https://example.com",
        "https://example.com:8443/a/b?c=%20d",
        "https://xn--bcher-kva.example/",
        "https://[2001:db8::1]/x",
        "https://192.0.2.1/",
    ]
)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
templates = st.sampled_from(['{"id": {id}, "data": {data}}', '{"t": "a.{type}", "n": {retry_number}}', "{data}", "[]"])
bodies = st.sampled_from([body_format for body_format in BodyFormat if body_format is not BodyFormat.TEMPLATE]).map(
    lambda body_format: {"body_format": body_format}
) | templates.map(lambda text: {"body_format": BodyFormat.TEMPLATE, "body_template": text})
signings = st.sampled_from(["standard", "stripe", "github", "hubspot", "segment", "slack"]).map(
    lambda name: {"signature_scheme": name}
) | st.sampled_from(
    [
        {"signature_scheme": "custom", "signature_parameters": {"signature_header": "X-Sig", "template": "{body}"}},
        {
            "signature_scheme": "custom",
            "signature_parameters": {
                "signature_header": "X-Sig",
                "id_header": "X-Id",
                "timestamp_header": "X-Time",
                "milliseconds": "true",
                "api_key_header": "X-Key",
                "api_key": "k",
                "algorithm": "sha512",
                "encoding": "base64",
                "prefix": "v1=",
                "separator": ", ",
            },
        },
        {"signature_scheme": "http-message", "signature_parameters": {"key_id": "k1", "expires_after": "300"}},
        {
            "signature_scheme": "http-message",
            "signature_parameters": {
                "key_id": "k1",
                "algorithm": "ed25519",
                "components": "@method @path content-digest",
                "label": "me",
            },
        },
    ]
)
answers = st.sampled_from(
    [AnswerRules(), AnswerRules(delivered=("200", "204")), AnswerRules(final=("4xx",), final_header="X-Slack-No-Retry: 1")]
)
retry_header_values = st.sampled_from(["{retry_number}", "{retry_reason}", "again: {retry_number} ({retry_reason})", "yes", ""])
subscription_specs = st.builds(
    lambda body, signing, **others: SubscriptionSpec(
        **others, **body, **(signing if not others["secret"] else {"signature_scheme": "standard"})
    ),
    body=bodies,
    signing=signings,
    answers=answers,
    retry_headers=st.dictionaries(st.integers(0, 9).map("X-Retry-{}".format), retry_header_values, max_size=3),
    url=urls,
    event_types=st.lists(patterns, min_size=1, max_size=5).map(tuple),
    description=texts,
    secret=st.just("") | secrets,
    headers=st.dictionaries(st.integers(0, 99).map("X-Own-{}".format), header_values, max_size=4),
    retry=policies,
    timeout=st.floats(1, 60),
    max_in_flight=st.integers(1, 1000),
    ordering=st.sampled_from(Ordering),
    labels=labels,
)
