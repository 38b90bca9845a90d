r"""The allow-list of fields: of an event's data only what it names leaves the house, byte for byte.

A path names members of JSON objects from the outermost, with full stops between them (`customer.id`); a
full stop that belongs to a name is written `\.`. A path that ends at a member takes all of it. A path goes
through arrays, into each of their elements; elements in which there is nothing to go on in are left out.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from hookline.body.cel_values import ShapingError, demand_json
from hookline.body.json_text import depth
from hookline.errors import quoted
from hookline.model.event import Event

MOST_PATHS: Final = 100
LONGEST_PATH: Final = 512
DEEPEST_PATH: Final = 16
SPAN_ON_THE_SPOT: Final = 2_000_000.0
"""Nanoseconds; data that may take longer is gone through in another process."""
SCAN: Final = 1.5
"""Nanoseconds to go over a byte, which is done once for each of the arrays and objects that it lies in."""
ELEMENT: Final = 400.0
"""Nanoseconds for an element."""
INNER: Final = 3_000.0
"""Nanoseconds for an array or an object."""

_NAME: Final = re.compile(r"(?:[^.\\]|\\[.\\])+")
_ESCAPED: Final = re.compile(r"\\([.\\])")
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])

Tree = Mapping[str, "Tree | None"]
"""Names to what is allowed below them; None: everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """An allow-list, ready for use."""

    paths: tuple[str, ...]
    tree: Tree

    def cheap(self, event: Event) -> bool:
        """Whether it takes no more than two milliseconds for this event."""
        data = event.data
        inner = data.count(b"[") + data.count(b"{")
        left = SPAN_ON_THE_SPOT - ELEMENT * data.count(b",") - INNER * inner
        once = SCAN * len(data)
        return left > 0 and (once * inner <= left or once * depth(data) <= left)

    def select(self, event: Event) -> bytes:
        """What is allowed of the event's data. Raises ShapingError if that is no object or array."""
        demand_json(event)
        try:
            found = _allowed(event.data, self.tree)
        except (msgspec.DecodeError, RecursionError) as error:  # the interpreter's own limit, under a deep stack
            raise ShapingError(f"the event's data cannot be gone through: {error}") from error
        if found is None:
            raise ShapingError("the event's data is no JSON object, so that no field of it can be named")
        return found


def split_path(path: str) -> tuple[str, ...]:
    """The names in a path. Raises ValueError if it is none."""
    names: list[str] = []
    position = 0
    while True:
        match = _NAME.match(path, position)
        if match is None:
            raise ValueError("right are names with full stops between them, like 'customer.id'")
        names.append(_ESCAPED.sub(r"\1", match.group()))
        position = match.end()
        if position == len(path):
            break
        if path[position] != ".":
            raise ValueError(r"a backslash stands before '.' or '\' only")
        position += 1
    if len(names) > DEEPEST_PATH:
        raise ValueError(f"has {len(names)} names; right are at most {DEEPEST_PATH}")
    return tuple(names)


def allow(paths: Iterable[str]) -> Fields:
    """The allow-list of these paths. Raises ShapingError for one that is none."""
    listed = tuple(paths)
    tree: dict[str, Tree | None] = {}
    for path in listed:
        try:
            names = split_path(path)
        except ValueError as error:
            raise ShapingError(f"{quoted(path)} is no path: {error}") from error
        _plant(tree, names)
    return Fields(paths=listed, tree=tree)


def _plant(tree: "dict[str, Tree | None]", names: tuple[str, ...]) -> None:
    *way, last = names
    for name in way:
        below = tree.setdefault(name, {})
        if below is None:  # a shorter path takes all of it
            return
        assert isinstance(below, dict)
        tree = below
    tree[last] = None


@dataclass(slots=True)
class _Open:
    """An array or an object that is being gone through: what stands before and behind its elements, what is kept, what is left."""

    before: bytes
    behind: bytes
    left: Iterator[tuple[bytes, bytes, Tree | None]]
    """What stands before a value, the value, and what is allowed in it."""
    kept: list[bytes]


def _open(before: bytes, text: bytes, tree: Tree) -> _Open | None:
    """The elements of the JSON `text` that `tree` goes on in; None if it has none."""
    match text.lstrip()[:1]:
        case b"{":
            members = _OBJECT.decode(text).items()
            named = ((_name(name), bytes(raw), tree[name]) for name, raw in members if name in tree)
            return _Open(before + b"{", b"}", named, [])
        case b"[":
            return _Open(before + b"[", b"]", ((b"", bytes(raw), tree) for raw in _ARRAY.decode(text)), [])
        case _:
            return None


def _name(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode() + b":"


def _allowed(text: bytes, tree: Tree) -> bytes | None:
    """What `tree` allows of the JSON `text`, None if there is nothing to go on in; without recursion, however deep it is."""
    first = _open(b"", text, tree)
    if first is None:
        return None
    ways = [first]
    while True:
        way = ways[-1]
        for before, value, below in way.left:
            if below is None:
                way.kept.append(before + value.strip())
            elif (inner := _open(before, value, below)) is not None:
                ways.append(inner)
                break
        else:
            whole = way.before + b",".join(way.kept) + way.behind
            ways.pop()
            if not ways:
                return whole
            ways[-1].kept.append(whole)
