"""What a hostile sender may send, signed or not."""

import json
from datetime import UTC, datetime

from hypothesis import strategies as st
from receiver.sending import sender

TIME = datetime(2026, 11, 24, 10, tzinfo=UTC)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
PLATFORMS = [
    sender(name) for name in ("standard", "svix", "stripe", "github", "slack", "shopify", "twilio", "hubspot", "segment", "zendesk")
]
HOSTILE_JSON = JSON_VALUES | st.fixed_dictionaries(
    {},
    optional={
        name: JSON_VALUES | st.just("\0") | st.just("x" * 300) | st.integers(min_value=10**400, max_value=10**401)
        for name in (
            "id",
            "type",
            "time",
            "timestamp",
            "created",
            "data",
            "event",
            "event_id",
            "messageId",
            "action",
            "repository",
            "subject",
        )
    },
)
BODIES = (
    HOSTILE_JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(HOSTILE_JSON, max_size=3).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
    | st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 10_000, b'{"type":"\\ud800","data":1}', b'{"type":1e999}', b"\xef\xbb\xbf{}", b"1" * 5000]
    )
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["content-type", "ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time", "x-github-event", "x-shopify-topic"]
        ),
        st.sampled_from(
            ["application/json", "application/x-www-form-urlencoded", "application/cloudevents+json", "1.0", "%00", "\udcff", ""]
        )
        | st.text(max_size=10),
    ),
    max_size=6,
)
