r"""The allow-list of fields: of an event's data only what it names leaves the house, byte for byte.

A path names members of JSON objects from the outermost, with full stops between them (`customer.id`); a
full stop that belongs to a name is written `\.`. A path that ends at a member takes all of it. A path goes
through arrays, into each of their elements; elements in which there is nothing to go on in are left out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from hookline.body.cel_values import ShapingError, demand_json
from hookline.errors import quoted
from hookline.model.event import Event

MOST_PATHS: Final = 100
LONGEST_PATH: Final = 512
DEEPEST_PATH: Final = 16
ELEMENTS_ON_THE_SPOT: Final = 4_000
"""Commas; data with more is gone through in another process."""

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
        """Whether it takes no more than a few milliseconds for this event."""
        return event.data.count(b",") < ELEMENTS_ON_THE_SPOT

    def select(self, event: Event) -> bytes:
        """What is allowed of the event's data. Raises ShapingError if that is no object or array."""
        demand_json(event)
        found = _allowed(event.data, self.tree)
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


def _allowed(text: bytes, tree: Tree) -> bytes | None:
    """What `tree` allows of the JSON `text`; None if there is nothing to go on in."""
    match text.lstrip()[:1]:
        case b"{":
            kept = []
            for name, raw in _OBJECT.decode(text).items():
                if name not in tree:
                    continue
                below = tree[name]
                value = bytes(raw).strip() if below is None else _allowed(bytes(raw), below)
                if value is not None:
                    kept.append(json.dumps(name, ensure_ascii=False).encode() + b":" + value)
            return b"{" + b",".join(kept) + b"}"
        case b"[":
            elements = (_allowed(bytes(raw), tree) for raw in _ARRAY.decode(text))
            return b"[" + b",".join([element for element in elements if element is not None]) + b"]"
        case _:
            return None
