"""JSON to what CEL computes with, and back, without changing a number.

CEL's integers have 64 bits and its other numbers are doubles; JSON's have any size. A number that does not
fit is refused, never rounded.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, NoReturn

import msgspec

from hookline.body.body import BodyError
from hookline.body.json_text import DEEPEST, is_json
from hookline.errors import quoted
from hookline.model.event import Event

LARGEST_OUTPUT: Final = 256 * 1024
"""Bytes of what a transform makes."""
MOST_VALUES: Final = 100_000
"""Values within each other and beside each other in what a transform makes."""

_PERILOUS: Final = re.compile(rb"[0-9][eE]|[0-9.]{16}")
"""Only numbers that are long or have an exponent may not fit; most data has none."""
_LONGEST: Final = 400

Json = Any  # msgspec and json can say no more


class ShapingError(BodyError):
    """The event cannot be shaped as the subscription says; the message says why."""


def variables(event: Event, reads: Iterable[str], members: Collection[str] | None) -> dict[str, Json]:
    """What the name `event` stands for, with the fields that are read, and of its data these members alone (None: all).

    To hand a value to the evaluator costs more than to evaluate most expressions. Raises ShapingError.
    """
    values = {name: _FIELDS[name](event) for name in reads}
    if members is not None and isinstance(data := values.get("data"), dict):
        values["data"] = {name: data[name] for name in members if name in data}
    return {"event": values}


def read(event: Event) -> Json:
    """The event's data as a value. Raises ShapingError if it is not JSON, or has a number that does not fit."""
    demand_json(event)
    data = event.data
    try:
        if _PERILOUS.search(data) is None:
            return msgspec.json.decode(data)
        return json.loads(data, parse_int=_integer, parse_float=_double, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise ShapingError(f"the event's data cannot be read: {error}") from error


_FIELDS: Final[Mapping[str, Callable[[Event], Json]]] = {
    "id": attrgetter("id"),
    "type": attrgetter("type"),
    "source": attrgetter("source"),
    "subject": attrgetter("subject"),
    "time": attrgetter("time"),
    "labels": lambda event: dict(event.labels),
    "data": read,
}


def demand_json(event: Event) -> None:
    """Raise ShapingError unless the event's data is JSON."""
    if not is_json(event.data_content_type):
        raise ShapingError(f"the event's data is {quoted(event.data_content_type)}, not JSON, so that nothing in it can be named")


def write(value: Json) -> bytes:
    """JSON text of what a transform made, objects sorted by name: a retry must not differ. Raises ShapingError."""
    _check(value)
    try:
        text = msgspec.json.encode(_plain(value), order="sorted")
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ShapingError(f"the transform's value is not JSON: {error}") from error
    if len(text) > LARGEST_OUTPUT:
        raise ShapingError(f"the transform makes {len(text)} bytes; right are at most {LARGEST_OUTPUT}")
    return text


def _check(value: Json) -> None:
    """No more than may be, and nothing that JSON does not have; without recursion."""
    count = size = 0
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        count += 1
        match one:
            case dict():
                for key in one:
                    if not isinstance(key, str):
                        raise ShapingError(f"a name in a JSON object is {quoted(key)}; right is a string")
                    size += len(key)
                waiting.extend((inner, depth + 1) for inner in one.values())
            case list():
                waiting.extend((inner, depth + 1) for inner in one)
            case str() | bytes():
                size += len(one)
            case float() if not math.isfinite(one):
                raise ShapingError(f"the transform makes the number {one}, which JSON does not have")
            case None | bool() | int() | float() | datetime() | timedelta():
                pass
            case _:
                raise ShapingError(f"the transform makes a value of type {type(one).__name__}, which JSON does not have")
        if depth > DEEPEST:
            raise ShapingError(f"the transform makes values nested deeper than {DEEPEST} levels")
        if count + len(waiting) > MOST_VALUES or size > LARGEST_OUTPUT:
            raise ShapingError(f"the transform makes too much; right are at most {MOST_VALUES} values and {LARGEST_OUTPUT} bytes")


def _plain(value: Json) -> Json:
    """With durations as protobuf's JSON writes them; times and bytes msgspec writes as it does. Without recursion."""
    whole: list[Json] = [None]
    waiting: list[tuple[Json, Json, Json]] = [(whole, 0, value)]
    """What is to be put where: the container, the place in it, the value."""
    while waiting:
        container, place, one = waiting.pop()
        match one:
            case dict():
                container[place] = made = dict.fromkeys(one)
                waiting.extend((made, key, inner) for key, inner in one.items())
            case list():
                container[place] = listed = [None] * len(one)
                waiting.extend((listed, index, inner) for index, inner in enumerate(one))
            case timedelta():
                container[place] = _seconds(one)
            case _:
                container[place] = one
    return whole[0]


def _seconds(span: timedelta) -> str:
    """As protobuf's JSON writes it: `3.5s`."""
    micros = span // timedelta(microseconds=1)
    whole, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{'-' if micros < 0 else ''}{whole}{fraction}s"


def _integer(digits: str) -> int:
    if len(digits) <= 20:
        value = int(digits)
        if -(2**63) <= value < 2**64:
            return value
    raise ShapingError(f"the event's data has the integer {digits[:40]}, which is outside of 64 bits; it is not rounded")


def _double(digits: str) -> float:
    value = float(digits)
    if len(digits) > _LONGEST or not math.isfinite(value) or Decimal(digits) != Decimal(repr(value)):
        raise ShapingError(f"the event's data has the number {digits[:40]}, which no double holds; it is not rounded")
    return value


def _constant(name: str) -> NoReturn:
    raise ShapingError(f"the event's data has {name}, which JSON does not have")
