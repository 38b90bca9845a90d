"""CloudEvents 1.0.2 over HTTP: structured mode (the JSON event format) and binary mode.

Attributes that are not set are left out. `traceparent` is the one of the Distributed Tracing
extension. Labels are not part of the event: receivers do not see them.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from hookline.body.body import Body, rfc3339
from hookline.body.json_text import is_json
from hookline.model.event import JSON, Event

SPEC_VERSION: Final = "1.0"
STRUCTURED: Final = "application/cloudevents+json"
DEFAULT_SOURCE: Final = "/hookline"
"""CloudEvents demands a source; this stands in for an event that has none."""

_UNESCAPED: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What may stand in a header as it is (HTTP binding, section 3.1.3.2); all else is percent-encoded UTF-8."""


def structured(event: Event) -> Body:
    """One JSON object. JSON data stands in `data` byte for byte, any other in `data_base64`."""
    content_type = event.data_content_type or JSON
    attributes = dict(_attributes(event), datacontenttype=content_type)
    opening = json.dumps(attributes, ensure_ascii=False, separators=(",", ":")).encode("utf-8")[:-1]
    if is_json(content_type):
        parts = (opening, b',"data":', event.data, b"}")
    else:
        parts = (opening, b',"data_base64":"', b64encode(event.data), b'"}')
    return Body(content_type=STRUCTURED, content=b"".join(parts))


def binary(event: Event) -> Body:
    """The data as it was emitted, and the attributes in `ce-` headers."""
    headers = tuple((f"ce-{name}", quote(value, safe=_UNESCAPED)) for name, value in _attributes(event))
    return Body(content_type=event.data_content_type or JSON, headers=headers, content=event.data)


def _attributes(event: Event) -> Iterator[tuple[str, str]]:
    yield "specversion", SPEC_VERSION
    yield "id", event.id
    yield "source", event.source or DEFAULT_SOURCE
    yield "type", event.type
    yield "time", rfc3339(event.time)
    if event.subject:
        yield "subject", event.subject
    if event.data_schema:
        yield "dataschema", event.data_schema
    if event.traceparent:
        yield "traceparent", event.traceparent
