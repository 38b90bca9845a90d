"""The type of an expression, before it is ever evaluated.

Types are those of CEL; what lies in an event's data is `dyn`, known only when it is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hookline.body.cel_syntax import MACROS, ExpressionProblem, Kind, Node

DYN: Final = "dyn"
EVENT: Final = "event"
EVENT_FIELDS: Final = {
    "id": "string",
    "type": "string",
    "source": "string",
    "subject": "string",
    "time": "timestamp",
    "labels": "labels",
    "data": DYN,
}
MOST_LOOPS: Final = 20

_NUMBERS: Final = ("int", "uint", "double")
_TYPES: Final = frozenset({*_NUMBERS, "bool", "string", "bytes", "timestamp", "duration", "list", "map", "type", "null_type"})
_MAPS: Final = ("map", "labels")
_DATES: Final = tuple(f"get{part}" for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear"))
_TIMES: Final = tuple(f"get{part}" for part in ("Hours", "Minutes", "Seconds", "Milliseconds"))
_Overloads = tuple[tuple[tuple[str, ...], str], ...]
_FUNCTIONS: Final[Mapping[str, _Overloads]] = {
    "size": tuple(((kind,), "int") for kind in ("string", "bytes", "list", "map", "labels")),
    "contains": ((("string", "string"), "bool"),),
    "startsWith": ((("string", "string"), "bool"),),
    "endsWith": ((("string", "string"), "bool"),),
    "matches": ((("string", "string"), "bool"),),
    "int": tuple(((kind,), "int") for kind in (*_NUMBERS, "string", "timestamp")),
    "uint": tuple(((kind,), "uint") for kind in (*_NUMBERS, "string")),
    "double": tuple(((kind,), "double") for kind in (*_NUMBERS, "string")),
    "string": tuple(((kind,), "string") for kind in (*_NUMBERS, "string", "bytes", "timestamp", "duration")),
    "bytes": ((("string",), "bytes"),),
    "timestamp": ((("string",), "timestamp"),),
    "duration": ((("string",), "duration"),),
    "type": ((("any",), "type"),),
    "dyn": ((("any",), DYN),),
    **dict.fromkeys((*_DATES, *_TIMES), ((("timestamp",), "int"),)),
}
_AS_METHODS: Final = frozenset({"size", "contains", "startsWith", "endsWith", "matches", *_DATES, *_TIMES})
_ARITHMETIC: Final[Mapping[str, _Overloads]] = {
    "+": (
        *(((kind, kind), kind) for kind in (*_NUMBERS, "string", "bytes", "list", "duration")),
        (("timestamp", "duration"), "timestamp"),
        (("duration", "timestamp"), "timestamp"),
    ),
    "-": (
        *(((kind, kind), kind) for kind in (*_NUMBERS, "duration")),
        (("timestamp", "duration"), "timestamp"),
        (("timestamp", "timestamp"), "duration"),
    ),
    "*": tuple(((kind, kind), kind) for kind in _NUMBERS),
    "/": tuple(((kind, kind), kind) for kind in _NUMBERS),
    "%": tuple(((kind, kind), kind) for kind in ("int", "uint")),
    "unary -": tuple(((kind,), kind) for kind in ("int", "double")),
    "unary !": ((("bool",), "bool"),),
}
_ORDERED: Final = frozenset({*_NUMBERS, "bool", "string", "bytes", "timestamp", "duration"})


@dataclass(slots=True)
class Findings:
    """What was found beside the type."""

    reads: set[str] = field(default_factory=set)
    """Fields of the event."""
    members: set[str] = field(default_factory=set)
    """Members of its data that are read by name."""
    whole_data: bool = False
    """The data is read in another way as well."""
    loops: int = 0


class Checker:
    """Finds the type of every part, and refuses what cannot be."""

    def __init__(self) -> None:
        """For one expression."""
        self.findings = Findings()
        self._loop: str | None = None

    def check(self, node: Node) -> str:
        """The type of `node`. Raises ExpressionProblem."""
        return _CHECKS[node.kind](self, node)

    def _list(self, node: Node) -> str:
        for part in node.parts:
            self.check(part)
        return "list"

    def _name(self, node: Node) -> str:
        if node.text == EVENT:
            self.findings.reads.update(EVENT_FIELDS)
            self.findings.whole_data = True
            return EVENT
        if node.text == self._loop:
            return DYN
        if node.text in _TYPES:
            return "type"
        names = "'event'" if self._loop is None else f"'event' and {self._loop!r}"
        raise ExpressionProblem(
            node.position, f"{node.text!r} is not known; right is {names}, whose fields are named with full stops"
        )

    def _select(self, node: Node) -> str:
        (base,) = node.parts
        if base.kind is Kind.NAME and base.text == EVENT and self._loop != EVENT:
            kind = EVENT_FIELDS.get(node.text)
            if kind is None:
                raise ExpressionProblem(
                    node.position, f"an event has no field {node.text!r}; right is one of {', '.join(EVENT_FIELDS)}"
                )
            self.findings.reads.add(node.text)
            self.findings.whole_data |= node.text == "data"
            return kind
        if base.kind is Kind.SELECT and base.text == "data" and base.parts[0].kind is Kind.NAME and base.parts[0].text == EVENT:
            self.findings.reads.add("data")
            self.findings.members.add(node.text)
            return DYN
        kind = self.check(base)
        if kind == "labels":
            return "string"
        if kind not in {DYN, "map"}:
            raise ExpressionProblem(node.position, f"a value of type {kind} has no field {node.text!r}")
        return DYN

    def _index(self, node: Node) -> str:
        base, index = self.check(node.parts[0]), self.check(node.parts[1])
        right = {"list": ("int", "uint"), "labels": ("string",), "map": ("string", "int", "uint", "bool")}.get(base)
        if base != DYN and right is None:
            raise ExpressionProblem(node.position, f"a value of type {base} has no elements")
        if right is not None and index not in {DYN, *right}:
            raise ExpressionProblem(node.parts[1].position, f"is of type {index}; right is {' or '.join(right)}")
        return "string" if base == "labels" else DYN

    def _map(self, node: Node) -> str:
        for key, value in zip(node.parts[::2], node.parts[1::2], strict=True):
            kind = self.check(key)
            if kind not in {DYN, "string"}:
                raise ExpressionProblem(key.position, f"a name in a JSON object is of type {kind}; right is a string")
            self.check(value)
        return "map"

    def _operator(self, node: Node) -> str:
        name = node.text
        kinds = tuple(self.check(part) for part in node.parts)
        match name:
            case "&&" | "||":
                for part, kind in zip(node.parts, kinds, strict=True):
                    _demand(part, kind, "bool")
                return "bool"
            case "?:":
                _demand(node.parts[0], kinds[0], "bool")
                return kinds[1] if kinds[1] == kinds[2] else DYN
            case "in":
                if kinds[1] not in {DYN, "list", *_MAPS}:
                    raise ExpressionProblem(node.parts[1].position, f"is of type {kinds[1]}; right is a list or a map")
                return "bool"
            case "==" | "!=":
                _comparable(node, kinds)
                return "bool"
            case "<" | "<=" | ">" | ">=":
                if any(kind != DYN and kind not in _ORDERED for kind in kinds):
                    raise ExpressionProblem(node.position, f"{kinds[0]} {name} {kinds[1]}: values of these types have no order")
                _comparable(node, kinds)
                return "bool"
            case _:
                return _overload(node, _ARITHMETIC[name], kinds)

    def _call(self, node: Node) -> str:
        method = node.kind is Kind.METHOD
        if method and node.text in MACROS:
            return self._comprehension(node)
        if node.text == "has" and not method:
            if len(node.parts) != 1 or node.parts[0].kind is not Kind.SELECT:
                raise ExpressionProblem(node.position, "has(…) asks for a field; right is has(event.data.name)")
            self.check(node.parts[0])
            return "bool"
        overloads = _FUNCTIONS.get(node.text)
        if overloads is None or (method and node.text not in _AS_METHODS):
            known = ", ".join(sorted({*_FUNCTIONS, *MACROS, "has"} if not method else {*_AS_METHODS, *MACROS}))
            raise ExpressionProblem(node.position, f"there is no function {node.text!r}; right is one of {known}")
        if not method and node.text in _AS_METHODS and node.text != "size":
            raise ExpressionProblem(node.position, f"{node.text!r} is called on a value; right is value.{node.text}(…)")
        return _overload(node, overloads, tuple(self.check(part) for part in node.parts))

    def _comprehension(self, node: Node) -> str:
        macro, (base, *arguments) = node.text, node.parts
        if not (len(arguments) == 2 or (macro == "map" and len(arguments) == 3)) or arguments[0].kind is not Kind.NAME:
            raise ExpressionProblem(node.position, f"{macro!r} takes a name and an expression; right is list.{macro}(x, …)")
        if self._loop is not None:
            raise ExpressionProblem(
                node.position, f"{macro!r} stands within another loop, which cannot be bounded; right are loops after each other"
            )
        kind = self.check(base)
        if kind not in {DYN, "list", *_MAPS}:
            raise ExpressionProblem(node.position, f"{macro!r} goes over a list or a map, and this is of type {kind}")
        self.findings.loops += 1
        if self.findings.loops > MOST_LOOPS:
            raise ExpressionProblem(node.position, f"here is one loop too many; right are at most {MOST_LOOPS}")
        if arguments[0].text in {EVENT, *_TYPES}:
            raise ExpressionProblem(arguments[0].position, f"{arguments[0].text!r} has a meaning already; right is another name")
        self._loop = arguments[0].text
        kinds = [self.check(body) for body in arguments[1:]]
        self._loop = None
        if macro != "map" or len(kinds) == 2:
            _demand(arguments[1], kinds[0], "bool")
        return "list" if macro in {"map", "filter"} else "bool"


def _demand(node: Node, kind: str, right: str) -> None:
    if kind not in {DYN, right}:
        raise ExpressionProblem(node.position, f"is of type {kind}; right is {right}")


def _comparable(node: Node, kinds: tuple[str, ...]) -> None:
    left, right = ("map" if kind in _MAPS else kind for kind in kinds)
    both_numbers = left in _NUMBERS and right in _NUMBERS
    if not (left == right or DYN in kinds or "null" in kinds or both_numbers):
        raise ExpressionProblem(node.position, f"{left} {node.text} {right}: values of these types are never compared")


def _overload(node: Node, overloads: _Overloads, kinds: tuple[str, ...]) -> str:
    results = {
        result
        for wanted, result in overloads
        if len(wanted) == len(kinds) and all(kind in {DYN, want} or want == "any" for kind, want in zip(kinds, wanted, strict=True))
    }
    if not results:
        name = node.text.removeprefix("unary ")
        forms = "; ".join(", ".join(wanted) for wanted, _ in overloads[:6])
        raise ExpressionProblem(node.position, f"{name!r} does not take {', '.join(kinds) or 'nothing'}; right is {forms}")
    return results.pop() if len(results) == 1 else DYN


_CHECKS: Final[Mapping[Kind, Callable[[Checker, Node], str]]] = {
    Kind.LITERAL: lambda _, node: node.text,
    Kind.NAME: Checker._name,
    Kind.SELECT: Checker._select,
    Kind.INDEX: Checker._index,
    Kind.LIST: Checker._list,
    Kind.MAP: Checker._map,
    Kind.OPERATOR: Checker._operator,
    Kind.CALL: Checker._call,
    Kind.METHOD: Checker._call,
}
