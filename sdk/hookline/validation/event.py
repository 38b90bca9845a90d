"""Whether an event can be accepted. The limits are those of the contract (`proto/hookline/v1`).

Every emit comes through here, so fields that are not set cost nothing and the others one regular
expression each.
"""

import re
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Final

from hookline.body import is_json, json_problem
from hookline.errors import FieldViolation, quoted
from hookline.model.event import EventSpec
from hookline.validation.text import (
    ID,
    LONGEST_TYPE,
    TYPE,
    URI,
    URI_REFERENCE,
    id_problem,
    label_violations,
    refuse,
    text_problem,
    type_problem,
    uri_problem,
    wrong_type,
)

LONGEST_DATA: Final = 256 * 1024
"""Bytes of data, unless the settings say otherwise."""
LONGEST_SUBJECT: Final = 1024
LONGEST_KEY: Final = 256
LONGEST_MEDIA_TYPE: Final = 255
LONGEST_TRACEPARENT: Final = 512
FURTHEST_AHEAD: Final = timedelta(days=30)

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEDIA_TYPE: Final = re.compile(rf'{_TOKEN}/{_TOKEN}(?: *; *{_TOKEN}=(?:{_TOKEN}|"(?:[ !\#-\[\]-~]|\\[ -~])*"))*')
"""RFC 9110, section 8.3.1, in ASCII and without tabs."""
_TRACE: Final = r"-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT: Final = re.compile(rf"00{_TRACE}|(?!00|ff)[0-9a-f]{{2}}{_TRACE}(?:-[!-~]*)?")
"""A version to come may have more after another hyphen (W3C Trace Context, section 3.2.4)."""

_STRING_NAMES: Final = (
    "id",
    "type",
    "source",
    "subject",
    "data_content_type",
    "data_schema",
    "idempotency_key",
    "ordering_key",
    "traceparent",
)
_STRINGS: Final = attrgetter(*_STRING_NAMES)
_STR_ALONE: Final = {str}
_FIRST_TIME: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST_TIME: Final = datetime(9999, 12, 30, tzinfo=UTC)


def check_event(spec: EventSpec, *, max_data: int = LONGEST_DATA, now: datetime, prefix: str = "event") -> None:
    """Raise InvalidArgument, with every violation, unless `spec` can be accepted.

    `max_data` is in bytes. `now` is aware. `prefix` is the path of the event in the request.
    """
    strings = _STRINGS(spec)
    if set(map(type, strings)) != _STR_ALONE:
        named = zip(_STRING_NAMES, strings, strict=True)
        refuse([wrong_type(f"{prefix}.{name}", value, "a string") for name, value in named if not isinstance(value, str)])
    problems: list[tuple[str, str | None]] = []
    if spec.id and ID.fullmatch(spec.id) is None:
        problems.append(("id", id_problem(spec.id)))
    if TYPE.fullmatch(spec.type) is None or len(spec.type) > LONGEST_TYPE:
        problems.append(("type", type_problem(spec.type)))
    if spec.source:
        problems.append(("source", uri_problem(spec.source, URI_REFERENCE, "URI reference")))
    if spec.subject:
        problems.append(("subject", text_problem(spec.subject, LONGEST_SUBJECT)))
    if spec.data_schema:
        problems.append(("data_schema", uri_problem(spec.data_schema, URI, "absolute URI")))
    if spec.idempotency_key:
        problems.append(("idempotency_key", text_problem(spec.idempotency_key, LONGEST_KEY)))
    if spec.ordering_key:
        problems.append(("ordering_key", text_problem(spec.ordering_key, LONGEST_KEY)))
    if spec.traceparent:
        problems.append(("traceparent", _traceparent_problem(spec.traceparent)))
    if spec.time is not None:
        problems.append(("time", _time_problem(spec.time)))
    if spec.not_before_time is not None:
        problems.append(("not_before_time", _not_before_problem(spec.not_before_time, now)))
    media_type = _media_type_problem(spec.data_content_type)
    problems.append(("data_content_type", media_type))
    problems.append(("data", _data_problem(spec.data, max_data, json=media_type is None and is_json(spec.data_content_type))))
    violations = [FieldViolation(field=f"{prefix}.{name}", description=problem) for name, problem in problems if problem]
    if spec.labels or type(spec.labels) is not dict:
        violations += label_violations(spec.labels, f"{prefix}.labels")
    refuse(violations)


def _traceparent_problem(value: str) -> str | None:
    if len(value) > LONGEST_TRACEPARENT or _TRACEPARENT.fullmatch(value) is None:
        return (
            f"{quoted(value)} is no W3C trace context; right is 'version-trace_id-parent_id-flags' in lower-case hexadecimal, "
            "like '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'"
        )
    return None


def _media_type_problem(value: str) -> str | None:
    if value and (len(value) > LONGEST_MEDIA_TYPE or _MEDIA_TYPE.fullmatch(value) is None):
        return f"{quoted(value)} is no media type; right is one of at most {LONGEST_MEDIA_TYPE} characters, like 'application/json'"
    return None


def _time_problem(value: object) -> str | None:
    if not isinstance(value, datetime) or value.tzinfo is None or value.utcoffset() is None:
        return f"{quoted(value)} is no point in time; right is a datetime with a time zone"
    if not _FIRST_TIME <= value <= _LAST_TIME:
        return f"{quoted(value)} is out of range; right is a time from {_FIRST_TIME.isoformat()} to {_LAST_TIME.isoformat()}"
    return None


def _not_before_problem(value: datetime, now: datetime) -> str | None:
    problem = _time_problem(value)
    if problem is None and value - now > FURTHEST_AHEAD:
        return f"{quoted(value.isoformat())} is {(value - now).days} days ahead; right is at most {FURTHEST_AHEAD.days} days"
    return problem


def _data_problem(data: object, max_data: int, *, json: bool) -> str | None:
    if not isinstance(data, bytes):
        return f"is {type(data).__name__}; right are bytes, for they are delivered and signed as they are"
    if len(data) > max_data:
        return f"has {len(data)} bytes; right are at most {max_data}"
    if json:
        problem = json_problem(data)
        if problem is not None:
            return f"{problem}; right is JSON text (RFC 8259) in UTF-8, or another data_content_type"
    return None
