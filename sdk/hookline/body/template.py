"""Bodies after a template: JSON text with placeholders, for the envelopes of platforms.

    {"id": {id}, "type": "acme.{type}", "created": {unix}, "data": {"object": {data}}}

A placeholder outside a string becomes a JSON value, within a string its text, escaped. `{data}` outside a
string is the event's JSON, byte for byte; within one it is that text, escaped, as some receivers take it.
Data is never parsed, and what it holds is never taken for a placeholder.
"""

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from hookline.body.body import Body, BodyError, rfc3339
from hookline.body.json_text import is_json, json_problem
from hookline.clock import micros
from hookline.errors import InvalidArgument, quoted
from hookline.model.event import JSON, NO_LABELS, Event

LONGEST_TEMPLATE: Final = 4096
"""Bytes."""
TEXTS: Final = ("id", "webhook_id", "type", "source", "subject", "time", "data_schema")
NUMBERS: Final = ("unix", "unix_ms", "retry_number")
DATA: Final = "data"
PLACEHOLDERS: Final = (*TEXTS, *NUMBERS, DATA)

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SAMPLE: Final = Event(
    tenant="t",
    id="evt",
    type="a.b",
    source="/s",
    subject='"',
    time=datetime(2025, 1, 1, tzinfo=UTC),
    data=b'{"a":"\\""}',
    data_content_type=JSON,
    data_schema="",
    labels=NO_LABELS,
    idempotency_key="",
    ordering_key="",
    not_before_time=None,
    traceparent="",
    accept_time=datetime(2025, 1, 1, tzinfo=UTC),
)

Part = tuple[str, bool]
"""A placeholder, and whether it stands within a string."""


class Template:
    """A template made ready: fixed bytes, and the placeholders between them."""

    def __init__(self, text: str) -> None:
        """Raise InvalidArgument (field `body_template`) unless what it makes is JSON."""
        size = len(text.encode("utf-8", "surrogatepass"))
        if not 1 <= size <= LONGEST_TEMPLATE:
            raise _bad(f"has {size} bytes; right are 1 to {LONGEST_TEMPLATE}")
        strings = [found.span() for found in _STRING.finditer(text)]
        fixed: list[str] = []
        parts: list[Part] = []
        end = 0
        for found in _PLACEHOLDER.finditer(text):
            if found[1] not in PLACEHOLDERS:
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise _bad(f"has {quoted(found[0])}, which is no placeholder; right is one of {known}")
            fixed.append(text[end : found.start()])
            parts.append((found[1], any(start < found.start() < stop for start, stop in strings)))
            end = found.end()
        if [name for name, _ in parts].count(DATA) > 1:
            raise _bad("has {data} twice; right is once at most, so that the body is not much larger than the event")
        fixed.append(text[end:])
        try:
            self._fixed: Final = [piece.encode() for piece in fixed]
        except UnicodeEncodeError:
            raise _bad("holds a lone surrogate; right is text in UTF-8") from None
        self._parts: Final = parts
        self._carries_data: Final = any(name == DATA for name, _ in parts)
        problem = json_problem(self._sample())
        if problem is not None:
            raise _bad(
                f"makes no JSON: what comes of it {problem}; right is JSON text that is whole once its placeholders are filled"
            )

    def _sample(self) -> bytes:
        """What it makes of an event, with null for every number: beside a digit, one is JSON with some values only."""
        pieces = [self._fixed[0]]
        for (name, inside), after in zip(self._parts, self._fixed[1:], strict=True):
            number = name in NUMBERS and not inside
            pieces += [b"null" if number else _piece(name, _SAMPLE, "evt", 1, inside=inside), after]
        return b"".join(pieces)

    def render(self, event: Event, webhook_id: str, retry_number: int) -> Body:
        """The body for `event`; `retry_number` is 0 in a first attempt. Raises BodyError if the event's data is not JSON."""
        if self._carries_data and not is_json(event.data_content_type):
            raise BodyError(
                f"the body format 'template' carries JSON only, and the event's data is {quoted(event.data_content_type)}; "
                "right for it are 'raw', 'cloudevents-structured' and 'cloudevents-binary'"
            )
        pieces = [self._fixed[0]]
        for (name, inside), after in zip(self._parts, self._fixed[1:], strict=True):
            pieces += [_piece(name, event, webhook_id, retry_number, inside=inside), after]
        return Body(content_type=JSON, content=b"".join(pieces))


@lru_cache(maxsize=1024)
def template(text: str) -> Template:
    """The template with this text; see `Template`."""
    return Template(text)


def _piece(name: str, event: Event, webhook_id: str, retry_number: int, *, inside: bool) -> bytes:
    """What stands in the place of a placeholder."""
    match name:
        case "data":
            return json.dumps(event.data.decode(), ensure_ascii=False)[1:-1].encode() if inside else event.data
        case "unix":
            return b"%d" % (micros(event.time) // 1_000_000)
        case "unix_ms":
            return b"%d" % (micros(event.time) // 1_000)
        case "retry_number":
            return b"%d" % retry_number
        case "webhook_id":
            text = webhook_id
        case "time":
            text = rfc3339(event.time)
        case _:
            text = getattr(event, name)
    written = json.dumps(text).encode("ascii")
    return written[1:-1] if inside else written


def _bad(fault: str) -> InvalidArgument:
    return InvalidArgument.of("body_template", fault)
