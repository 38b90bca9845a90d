"""The part of Structured Fields (RFC 8941) that RFC 9421 and RFC 9530 use: dictionaries of inner lists and of bytes."""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

from hookline.signing.checks import malformed

_KEY: Final = r"[a-z*][a-z0-9_\-.*]*"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_BARE: Final = rf"(?:{_STRING}|-?[0-9]{{1,15}}|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*|:[A-Za-z0-9+/=]*:|\?[01])"
_PARAMETER: Final = re.compile(rf"; *({_KEY})(?:=({_BARE}))?")
_PARAMETERS: Final = rf"(?:; *{_KEY}(?:={_BARE})?)*"
_ITEM: Final = re.compile(rf"({_STRING})({_PARAMETERS})")
_INNER_LIST: Final = re.compile(
    rf"(?P<key>{_KEY})=\( *(?P<items>(?:{_STRING}{_PARAMETERS}(?: +{_STRING}{_PARAMETERS})*)?) *\)(?P<parameters>{_PARAMETERS})"
)
_BYTES: Final = re.compile(rf"(?P<key>{_KEY})=:(?P<bytes>[A-Za-z0-9+/]*={{0,2}}):{_PARAMETERS}")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_ESCAPED: Final = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerList:
    """A list of strings with parameters. `plain` says that no string has parameters of its own."""

    items: tuple[str, ...]
    parameters: dict[str, int | str]
    plain: bool
    text: str
    """As it is serialised (RFC 8941, section 4.1), whatever spaces it came with."""


def inner_lists(text: str, name: str) -> dict[str, InnerList]:
    """The members of a dictionary of inner lists, by key. Raises InvalidSignature that names the header."""
    return {key: _inner_list(match, name) for key, match in _members(_INNER_LIST, text, name).items()}


def byte_sequences(text: str, name: str) -> dict[str, bytes]:
    """The members of a dictionary of byte sequences, by key. Raises InvalidSignature that names the header."""
    found = {}
    for key, match in _members(_BYTES, text, name).items():
        try:
            found[key] = b64decode(match["bytes"], validate=True)
        except Base64Error:
            raise malformed(f"{name} holds no base64 for {key!r}") from None
        # One byte sequence has one spelling: bits that base64 does not use are zero.
        if b64encode(found[key]).decode("ascii") != match["bytes"]:
            raise malformed(f"{name} holds base64 with stray bits for {key!r}")
    return found


def serialise_bytes(value: bytes) -> str:
    """`value` as a byte sequence."""
    return f":{b64encode(value).decode('ascii')}:"


def serialise_string(value: str) -> str:
    """`value`, of printable ASCII, as a string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _members(pattern: re.Pattern[str], text: str, name: str) -> dict[str, re.Match[str]]:
    found: dict[str, re.Match[str]] = {}
    position = 0
    while True:
        match = pattern.match(text, position)
        if match is None:
            raise malformed(f"{name} is no dictionary of the right form (RFC 8941) from character {position} on")
        if match["key"] in found:
            raise malformed(f"{name} holds {match['key']!r} twice")
        found[match["key"]] = match
        position = match.end()
        if position == len(text):
            return found
        comma = _COMMA.match(text, position)
        if comma is None:
            raise malformed(f"{name} is no dictionary of the right form (RFC 8941) from character {position} on")
        position = comma.end()


def _inner_list(match: re.Match[str], name: str) -> InnerList:
    items = _ITEM.findall(match["items"])
    parameters: dict[str, int | str] = {}
    text = f"({' '.join(string for string, _ in items)})"
    for key, bare in _PARAMETER.findall(match["parameters"]):
        if key in parameters:
            raise malformed(f"{name} holds the parameter {key!r} twice")
        value = _value(bare)
        parameters[key] = value
        text += f";{key}" if bare in {"", "?1"} else f";{key}={value if isinstance(value, int) else bare}"
    return InnerList(
        items=tuple(_unquoted(string) for string, _ in items),
        parameters=parameters,
        plain=not any(own for _, own in items),
        text=text,
    )


def _value(bare: str) -> int | str:
    if bare.startswith('"'):
        return _unquoted(bare)
    return int(bare) if bare.removeprefix("-").isdigit() else bare


def _unquoted(string: str) -> str:
    return _ESCAPED.sub(r"\1", string[1:-1])
