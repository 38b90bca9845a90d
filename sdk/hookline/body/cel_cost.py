"""What evaluating an expression may cost, before it is ever evaluated.

These are upper bounds, in nanoseconds and bytes, from what the evaluator was measured to do: data is handed
over element by element, `all` and `exists` go over a list once, `map` and `filter` copy what they have for
every element, so that they take quadratic time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hookline.body.cel_check import EVENT
from hookline.body.cel_pattern import pattern_cost
from hookline.body.cel_syntax import MACROS, Kind, Node, literal_text

_LINEAR: Final = frozenset(
    {"contains", "startsWith", "endsWith", "string", "bytes", "int", "double", "uint", "timestamp", "duration"}
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Upper bounds: `time` in nanoseconds, `size` of the value in bytes, `count` of its elements."""

    time: float
    size: float
    count: float = 0.0


STEP: Final = 150.0
"""Nanoseconds for one part of an expression."""
COPY: Final = 100.0
"""Nanoseconds to copy one element."""
SCAN: Final = 1.0
"""Nanoseconds to look at one byte."""
READ: Final = 30.0
"""Nanoseconds to read one byte of the data."""
HAND_OVER: Final = 2_000.0
"""Nanoseconds to make one element of the data a value of the evaluator."""
NEVER: Final = float("inf")

LABEL: Final = 1024
"""Bytes of a label's value."""
SIZES: Final[Mapping[str, tuple[int, int]]] = {
    "id": (1024, 0),
    "type": (128, 0),
    "source": (8192, 0),
    "subject": (4096, 0),
    "time": (8, 0),
    "labels": (32 * 1152, 32),
}
"""Bytes of an event's fields, and their elements; the data is as large as is assumed."""


class Estimate:
    """What an expression costs with data of `length` bytes that hold at most `elements` elements."""

    def __init__(self, source: str, *, length: int, elements: int) -> None:
        """For one expression."""
        self._source = source
        self._data = Cost(STEP, length, elements)
        self.reading: Final = READ * length + HAND_OVER * elements
        """Nanoseconds to read the data, where it is read at all."""

    def of(self, node: Node, loop: tuple[str, Cost] | None = None) -> Cost:
        """The cost of `node`; `loop` is the variable of the loop around it, and what one of its values is."""
        match node.kind:
            case Kind.LITERAL:
                found = Cost(STEP, node.size)
            case Kind.NAME:
                found = loop[1] if loop is not None and loop[0] == node.text else self._data
            case Kind.METHOD if node.text in MACROS:
                found = self._comprehension(node)
            case Kind.SELECT if node.text in SIZES and _is_event(node.parts[0], loop):
                found = Cost(2 * STEP, *SIZES[node.text])
            case Kind.SELECT | Kind.INDEX if _is_labels(node.parts[0], loop):
                found = Cost(2 * STEP + sum(self.of(part, loop).time for part in node.parts), LABEL)
            case _:
                found = self._whole(node, [self.of(part, loop) for part in node.parts])
        return found

    def _whole(self, node: Node, parts: list[Cost]) -> Cost:
        time = STEP + sum(part.time for part in parts)
        size = sum(part.size for part in parts)
        match node.kind:
            case Kind.LIST:
                return Cost(time, size + 16 * len(parts), len(parts))
            case Kind.MAP:
                return Cost(time, size + 16 * len(parts), len(parts) // 2)
            case Kind.SELECT | Kind.INDEX:
                return Cost(time, parts[0].size, parts[0].count)
            case Kind.OPERATOR:
                return self._operator(node, parts, time)
            case _:
                return self._call(node, parts, time)

    def _call(self, node: Node, parts: list[Cost], time: float) -> Cost:
        size = sum(part.size for part in parts)
        if node.text == "matches":
            pattern = literal_text(self._source, node.parts[1]) if node.parts[1].kind is Kind.LITERAL else None
            cost = None if pattern is None else pattern_cost(pattern)
            if cost is None:
                return Cost(NEVER, 8)
            return Cost(time + cost.fixed + cost.byte * parts[0].size, 8)
        if node.text in _LINEAR:
            return Cost(time + SCAN * size, size + 64)
        return Cost(time, max(size, 8), max((part.count for part in parts), default=0))

    def _operator(self, node: Node, parts: list[Cost], time: float) -> Cost:
        size = sum(part.size for part in parts)
        if node.text == "?:":
            return Cost(time, max(parts[1].size, parts[2].size), max(parts[1].count, parts[2].count))
        if node.text == "+":
            count = parts[0].count + parts[1].count
            return Cost(time + SCAN * size + COPY * count, size, count)
        if node.text in {"==", "!=", "<", "<=", ">", ">=", "in"}:
            scalar = node.text != "in" and any(part.kind is Kind.LITERAL for part in node.parts)
            return Cost(time + (0 if scalar else SCAN * size + COPY * sum(part.count for part in parts)), 8)
        return Cost(time, max(size, 8))

    def _comprehension(self, node: Node) -> Cost:
        base, variable, *bodies = node.parts
        over = self.of(base)
        rounds = max(over.count, 1.0)
        # What a body makes is linear in its element, and the elements together are no larger than what is gone over.
        element = Cost(STEP, over.size, over.count)
        with_element = [self.of(body, (variable.text, element)) for body in bodies]
        without = [self.of(body, (variable.text, Cost(STEP, 0.0, 0.0))) for body in bodies]
        time = over.time + sum(
            rounds * plain.time + max(0.0, full.time - plain.time) * (1.0 if full.time < NEVER else NEVER)
            for full, plain in zip(with_element, without, strict=True)
            if plain.time < NEVER
        )
        if any(one.time == NEVER for one in with_element):
            time = NEVER
        if node.text not in {"map", "filter"}:
            return Cost(time, 8)
        time += COPY * rounds * rounds
        if node.text == "filter":
            return Cost(time, over.size, rounds)
        size = rounds * (without[-1].size + 16) + max(0.0, with_element[-1].size - without[-1].size)
        return Cost(time, size, rounds)


def _is_event(node: Node, loop: tuple[str, Cost] | None) -> bool:
    return node.kind is Kind.NAME and node.text == EVENT and (loop is None or loop[0] != EVENT)


def _is_labels(node: Node, loop: tuple[str, Cost] | None) -> bool:
    return node.kind is Kind.SELECT and node.text == "labels" and _is_event(node.parts[0], loop)
