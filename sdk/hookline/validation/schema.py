"""JSON Schemas: whether one can be used, and whether data follows it.

A schema comes from a caller and is evaluated against every event of its type, so evaluation has to be
bounded: nothing is fetched over the network or from disk, patterns are run by a linear-time engine
(no look-around, no back-references), and a schema whose references multiply is refused before it
is compiled.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn

import jsonschema_rs

from hookline.body import json_problem
from hookline.errors import FieldViolation, HooklineError, quoted

LONGEST_SCHEMA: Final = 64 * 1024
"""Bytes of UTF-8."""
LARGEST_EXPANSION: Final = 10_000
"""Subschemas, once every reference is replaced by what it refers to."""

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS: Final = frozenset({"", DRAFT, DRAFT + "#"})
_MOVING: Final = ("$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary")
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
"""What stands under these is schemas by names of the author's choice."""
_UNCOUNTED: Final = frozenset({"const", "enum", "default", "examples", "$defs", "definitions"})
"""What stands under these is data, or counts where it is referred to."""
_REGEX_SIZE: Final = 1 << 20
_LONGEST_INTEGER: Final = 4300
"""Digits; the interpreter reads no longer integer, as that takes quadratic time."""
_DEEPEST: Final = 200
"""The evaluator's own limit is 255 levels."""
_REMEMBERED: Final = 512
_LONGEST_MESSAGE: Final = 500

Json = Any  # json.loads can say no more


class SchemaError(HooklineError):
    """The text is no schema that can be used; the message says where and why."""

    reason = "SCHEMA"


class _Unreadable(ValueError):
    """A number that no comparison could be made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaValidator:
    """A compiled schema.

    Whether data follows it is decided in a time that is bounded for every schema that is accepted. Where
    a schema refers to itself the evaluator remembers what it has seen when it decides, but not when
    it explains, which may take exponential time: such a breach is not explained.
    """

    _compiled: jsonschema_rs.Draft202012Validator
    _recursive: bool

    def problem(self, data: bytes) -> str | None:
        """How JSON `data` breaks the schema: where, and what would be right; or None."""
        try:
            instance = _load(data)
            if self._compiled.is_valid(instance):
                return None
            if self._recursive:
                return "does not follow the event type's schema"
            self._compiled.validate(instance)
        except jsonschema_rs.ValidationError as broken:
            message = broken.message if len(broken.message) <= _LONGEST_MESSAGE else broken.message[: _LONGEST_MESSAGE - 1] + "…"
            place, rule = _pointer(broken.instance_path), _pointer(broken.schema_path)
            return f"breaks the event type's schema at {place}: {message} (rule: {rule})"
        except (_Unreadable, RecursionError, ValueError) as error:
            return f"cannot be held to the event type's schema: {error}"
        return None


@lru_cache(maxsize=_REMEMBERED)
def compile_schema(schema: str) -> SchemaValidator:
    """The validator of a JSON Schema (2020-12) in JSON text. Raises SchemaError if it cannot be used."""
    try:
        encoded = schema.encode("utf-8")
    except UnicodeEncodeError:
        raise SchemaError("has a lone surrogate; right is text without") from None
    if len(encoded) > LONGEST_SCHEMA:
        raise SchemaError(f"has {len(encoded)} bytes; right are at most {LONGEST_SCHEMA}")
    problem = json_problem(encoded)
    if problem is not None:
        raise SchemaError(f"{problem}; right is a JSON Schema in JSON text")
    try:
        parsed = _load(encoded)
        recursive = _check_form(parsed)
        return SchemaValidator(
            _compiled=jsonschema_rs.Draft202012Validator(
                parsed,
                offline=True,
                validate_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=_REGEX_SIZE, dfa_size_limit=_REGEX_SIZE),
            ),
            _recursive=recursive,
        )
    except jsonschema_rs.ValidationError as wrong:
        raise SchemaError(f"is no JSON Schema at {_pointer(wrong.instance_path)}: {wrong.message}") from wrong
    except (_Unreadable, RecursionError, ValueError, jsonschema_rs.ReferencingError) as error:
        raise SchemaError(f"is no JSON Schema that can be used: {error}") from error


def check_against_schema(schema: str, data: bytes, field: str = "event.data") -> FieldViolation | None:
    """The violation of an event whose JSON `data` does not follow `schema`, or None.

    Raises SchemaError if the schema itself cannot be used; one that `check_event_type` accepted can.
    """
    problem = compile_schema(schema).problem(data)
    return None if problem is None else FieldViolation(field=field, description=problem)


def _load(data: bytes) -> Json:
    return json.loads(data, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise _Unreadable(f"an integer has {len(digits)} digits; right are at most {_LONGEST_INTEGER}")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if abs(value) == float("inf"):
        raise _Unreadable(f"the number {quoted(digits)} is too large to be compared")
    return value


def _constant(name: str) -> NoReturn:
    raise _Unreadable(f"{name} is no JSON")


def _pointer(path: list[str | int]) -> str:
    """A JSON Pointer (RFC 6901), cut for messages; the whole is `the top`."""
    if not path:
        return "the top"
    return quoted("".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path))


def _check_form(schema: Json) -> bool:
    """Refuse what makes evaluation unbounded, or depend on anything but the schema; answer whether it refers to itself."""
    if isinstance(schema, dict):
        draft = schema.get("$schema", "")
        if draft not in _DRAFTS:
            raise SchemaError(f"is written for {quoted(draft)}; right is {DRAFT!r}, or no $schema")
    return _Expansion(schema).measure()


class _Expansion:
    """How large a schema is once every reference is replaced by what it refers to.

    A chain of definitions that each refer twice to the next takes two to the power of its length to
    evaluate. A reference back to a schema that contains it is counted once: it goes one level down in
    the data each time, or to itself, where the evaluator stops.
    """

    def __init__(self, root: Json) -> None:
        self._root = root
        self._sizes: dict[str, int] = {}
        self._open = {"#"}
        self._recursive = False

    def measure(self) -> bool:
        """Whether the schema refers to itself. Raises SchemaError if it is too large."""
        if (size := self._size(self._root, 0)) > LARGEST_EXPANSION:
            raise SchemaError(
                f"comes to more than {LARGEST_EXPANSION} subschemas ({size}) once its references are followed; right are fewer"
            )
        return self._recursive

    def _size(self, node: Json, depth: int) -> int:
        if depth > _DEEPEST:
            raise SchemaError(f"is nested deeper than {_DEEPEST} levels; right are fewer")
        if isinstance(node, list):
            return sum(self._size(item, depth + 1) for item in node)
        if not isinstance(node, dict):
            return 0
        if depth > 0 and "$id" in node and isinstance(node["$id"], str):
            raise SchemaError("has an $id below the top; right is one at the top, or none")
        size = 1 + sum(self._size(child, depth + 1) for child in _subschemas(node))
        reference = node.get("$ref")
        return size + (self._referred(reference, depth) if isinstance(reference, str) else 0)

    def _referred(self, reference: str, depth: int) -> int:
        if not (reference == "#" or reference.startswith("#/")):
            raise SchemaError(
                f"refers to {quoted(reference)}; right are references within the schema ('#/$defs/…'): nothing is fetched"
            )
        if reference in self._open:
            self._recursive = True
            return 1
        if reference not in self._sizes:
            self._open.add(reference)
            self._sizes[reference] = self._size(_resolve(self._root, reference), depth + 1)
            self._open.remove(reference)
        return self._sizes[reference]


def _subschemas(node: dict[str, Json]) -> Iterator[Json]:
    for keyword, child in node.items():
        if keyword in _MOVING:
            raise SchemaError(f"uses {keyword}; right are schemas without {', '.join(_MOVING)}")
        if keyword in _MAPS and isinstance(child, dict):
            yield from child.values()
        elif keyword not in _UNCOUNTED:
            yield child


def _resolve(root: Json, reference: str) -> Json:
    node = root
    for step in reference.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise SchemaError(f"refers to {quoted(reference)}, which is not there")
    return node
