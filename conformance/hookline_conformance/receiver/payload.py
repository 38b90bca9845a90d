"""Payloads: JSON in every spelling that is allowed, written by hand, since a library knows only its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True, slots=True)
class Raw:
    """A piece of JSON that is written as it stands, a number in an unusual spelling for example."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What JSON leaves to the writer. `before` and `behind` stand around the whole text."""

    item: str = ","
    colon: str = ":"
    ascii_only: bool = True
    escaped_slash: bool = False
    before: str = ""
    behind: str = ""


COMPACT: Final = Spelling()


def write(value: object, spelling: Spelling = COMPACT) -> bytes:
    """JSON in UTF-8; `Raw` pieces stand as they are."""
    return (spelling.before + _text(value, spelling) + spelling.behind).encode("utf-8", "surrogatepass")


def _text(value: object, spelling: Spelling) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Mapping):
        members = (_text(str(name), spelling) + spelling.colon + _text(item, spelling) for name, item in value.items())
        return "{" + spelling.item.join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + spelling.item.join(_text(item, spelling) for item in value) + "]"
    text = json.dumps(value, ensure_ascii=spelling.ascii_only)
    return text.replace("/", "\\/") if spelling.escaped_slash and isinstance(value, str) else text


_SPACE: Final = st.text(" \t\n\r", max_size=3)

spellings: Final[SearchStrategy[Spelling]] = st.builds(
    Spelling,
    item=st.tuples(_SPACE, _SPACE).map(",".join),
    colon=st.tuples(_SPACE, _SPACE).map(":".join),
    ascii_only=st.booleans(),
    escaped_slash=st.booleans(),
    before=_SPACE,
    behind=_SPACE,
)

_CHARACTERS: Final = st.characters(codec="utf-8", exclude_characters="\x00")  # U+0000 is a requirement of its own
texts: Final = st.text(_CHARACTERS, max_size=20)

integers_64_bit: Final = st.integers(-(2**63), 2**64 - 1)

unusual_numbers: Final[SearchStrategy[Raw]] = st.sampled_from(
    [
        "0.1", "1.0", "-0", "-0.0", "1e3", "1E+3", "1.50", "100.00", "0.30000000000000004", "123456789.123456789",
        "1e-7", "2.5e-324", "1.7976931348623157e308", "3.141592653589793238462643383279",
    ]
).map(Raw)  # fmt: skip

scalars: Final = st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), integers_64_bit, unusual_numbers, texts)

json_values: Final[SearchStrategy[Any]] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)

json_objects: Final[SearchStrategy[Mapping[str, Any]]] = st.dictionaries(texts, json_values, max_size=4)
