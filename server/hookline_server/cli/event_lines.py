"""Events as lines of a file: one JSON object each.

    {"type": "invoice.paid", "data": {"amount": 12.50}, "id": "inv-17"}

The members are those of an event (`type`, `data`, `id`, `source`, `subject`, `time`,
`data_content_type`, `data_schema`, `labels`, `idempotency_key`, `ordering_key`, `not_before_time`,
`traceparent`); `data` is any JSON and is kept byte for byte, `data_base64` stands for data that is
not JSON. A line with neither an `id` nor an `idempotency_key` gets a key made from the run's name,
the line's number and its text, so that emitting the same file again emits nothing twice.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from hookline.body import json_problem
from hookline.errors import LONGEST_VALUE, InvalidArgument, quoted
from hookline.model import JSON, EventSpec
from hookline_server.nearest import nearest

BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 1024 * 1024
"""Well below what a server takes in one message (4 MiB, if not set otherwise); a longer line goes alone."""
_OCTETS: Final = "application/octet-stream"


_NOTHING: Final = msgspec.Raw()


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    data: msgspec.Raw = _NOTHING
    data_base64: bytes | None = None
    id: str = ""
    source: str = ""
    subject: str = ""
    time: datetime | None = None
    data_content_type: str = ""
    data_schema: str = ""
    labels: dict[str, str] = {}
    idempotency_key: str = ""
    ordering_key: str = ""
    not_before_time: datetime | None = None
    traceparent: str = ""


_DECODER: Final = msgspec.json.Decoder(_Line)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN: Final = tuple(member.name for member in msgspec.structs.fields(_Line))
_PLACE: Final = re.compile(r" - at `\$\.(\w+)(?:\[\.\.\.\])?`$")
"""Where the decoder says that it met what it refuses."""
_TIME: Final = "RFC 3339 with its zone, like 2030-01-31T12:00:00Z"
_RIGHT: Final = {
    "type": "text like invoice.paid",
    "data_base64": "base64 (RFC 4648, section 4)",
    "time": _TIME,
    "not_before_time": _TIME,
    "labels": 'an object whose values are text, like {"team": "money"}',
}
_EVENT: Final = 'a JSON object like {"type": "invoice.paid", "data": {}}'


class NumberedLine(NamedTuple):
    """A line that is not blank, with its number (from 1) and how much of the file ends with it (bytes)."""

    number: int
    text: bytes
    end: int


def run_name(path: Path) -> str:
    """The name of a run over a file, unless another one is given: where the file lies."""
    return str(path.resolve())


def lines(stream: BinaryIO) -> Iterator[NumberedLine]:
    """The lines of a file."""
    end = 0
    for number, text in enumerate(stream, 1):
        end += len(text)
        if text.strip():
            yield NumberedLine(number, text.strip(), end)


def batches(stream: BinaryIO) -> Iterator[list[NumberedLine]]:
    """The lines of a file in groups that fit into one call."""
    batch: list[NumberedLine] = []
    size = 0
    for line in lines(stream):
        if batch and (len(batch) == BATCH_EVENTS or size + len(line.text) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line.text)
    if batch:
        yield batch


def event(line: NumberedLine, run: str) -> EventSpec:
    """The event in a line. Raises InvalidArgument."""
    try:
        read = _DECODER.decode(line.text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(line.text, str(error)) from error
    except RecursionError:
        # Only data may nest at all; how deep it may is for hookline to say, and this is deeper.
        problem = json_problem(line.text) or "is nested too deep"
        raise InvalidArgument.of("event.data", f"{problem}; right is JSON text (RFC 8259) in UTF-8") from None
    octets = bytes(read.data) or read.data_base64
    if octets is None or (bytes(read.data) and read.data_base64 is not None):
        fault = "is missing" if octets is None else "stands beside data_base64"
        raise InvalidArgument.of("event.data", f"{fault}; right is either data (JSON) or data_base64")
    key = read.idempotency_key or ("" if read.id else _key(line, run))
    return EventSpec(
        type=read.type,
        data=octets,
        id=read.id,
        source=read.source,
        subject=read.subject,
        time=_aware(read.time, "time"),
        data_content_type=read.data_content_type or (JSON if read.data_base64 is None else _OCTETS),
        data_schema=read.data_schema,
        labels=read.labels,
        idempotency_key=key,
        ordering_key=read.ordering_key,
        not_before_time=_aware(read.not_before_time, "not_before_time"),
        traceparent=read.traceparent,
    )


def event_in(path: Path) -> EventSpec:
    """The one event in a file, over as many lines as it likes. Raises InvalidArgument."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidArgument.of("event", f"{quoted(str(path))} cannot be read: {error.strerror}") from error
    return event(NumberedLine(1, text.strip(), len(text)), run_name(path))


def _refusal(text: bytes, said: str) -> InvalidArgument:
    """Why a line is no event: the member, its value, and what would be right, as far as the decoder can tell."""
    problem = json_problem(text)
    if problem is not None:
        member = _with_half_a_pair(text)
        if member is None:
            return InvalidArgument.of("event", f"{quoted(text.decode('utf-8', 'backslashreplace'))} {problem}; right is {_EVENT}")
        return InvalidArgument.of(f"event.{member}", f"{problem}; right is text without")
    try:
        members = _MEMBERS.decode(text)
    except msgspec.DecodeError:
        return InvalidArgument.of("event", f"{quoted(text.decode())} is no object; right is {_EVENT}")
    unknown = next((name for name in members if name not in _KNOWN), None)
    place = _PLACE.search(said)
    if place is not None:
        name = place[1]
        return InvalidArgument.of(
            f"event.{name}", f"{_shown(bytes(members[name]))} is not right; right is {_RIGHT.get(name, 'text')}"
        )
    if unknown is not None:
        return InvalidArgument.of(f"event.{unknown}", f"is not known; {nearest(unknown, _KNOWN)}")
    return InvalidArgument.of("event.type", f"is missing; right is {_RIGHT['type']}")


def _shown(text: bytes) -> str:
    """JSON as it stands, cut."""
    line = text.decode()
    return line if len(line) <= LONGEST_VALUE else line[: LONGEST_VALUE - 1] + "…"


def _with_half_a_pair(text: bytes) -> str | None:
    """The member that has half a surrogate pair in it, if that is all that is wrong with `text`."""
    try:
        # As text, numbers of any size are read, and none is made a double.
        members = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    if isinstance(members, dict):
        for name, value in members.items():
            try:
                json.dumps([name, value], ensure_ascii=False).encode()
            except UnicodeEncodeError:
                return name if name in _KNOWN else None
    return None


def _key(line: NumberedLine, run: str) -> str:
    digest = blake2b(digest_size=16)
    for part in (run.encode("utf-8", "surrogateescape"), str(line.number).encode(), line.text):
        digest.update(len(part).to_bytes(8) + part)
    return f"line-{digest.hexdigest()}"


def _aware(moment: datetime | None, field: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidArgument.of(
            f"event.{field}", f"{quoted(moment.isoformat())} has no time zone; right is RFC 3339, with Z or an offset"
        )
    return moment
