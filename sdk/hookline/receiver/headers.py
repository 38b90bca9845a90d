"""The headers of any framework, as pairs of text."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol, runtime_checkable

from hookline.errors import InvalidArgument, quoted

Pairs = tuple[tuple[str, str], ...]
Headers = object
"""A mapping, pairs, or what a framework calls its headers; names and values are text or bytes (Latin-1)."""

_RIGHT: Final = "right is a mapping of names to values, or pairs of them, as your framework has them"
_CGI: Final = "HTTP_"
_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


@runtime_checkable
class _Several(Protocol):
    def multi_items(self) -> Iterable[tuple[object, object]]: ...


@runtime_checkable
class _Items(Protocol):
    def items(self) -> Iterable[tuple[object, object]]: ...


def header_pairs(headers: Headers) -> Pairs:
    """Every header as name and value, in order, repeated ones too.

    Takes a mapping (a value may be a list), pairs, the header objects of Starlette, Django, Flask, aiohttp
    and httpx, and a WSGI environment. Raises InvalidArgument (field `headers`) for anything else.
    """
    items: object = headers
    if isinstance(headers, _Several):
        items = headers.multi_items()
    elif isinstance(headers, _Items):
        items = headers.items()
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InvalidArgument.of("headers", f"{quoted(headers)} are no headers; {_RIGHT}")
    found: list[tuple[str, str]] = []
    environment = isinstance(headers, Mapping) and "REQUEST_METHOD" in headers
    for item in items:
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise InvalidArgument.of("headers", f"{quoted(item)} is no header; {_RIGHT}")
        name, value = item
        if environment:
            if not isinstance(name, str) or not (name.startswith(_CGI) or name in _UNPREFIXED):
                continue
            name = name.removeprefix(_CGI).replace("_", "-").lower()
        values = value if isinstance(value, tuple | list) else [value]
        found.extend((_text(name), _text(each)) for each in values)
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    raise InvalidArgument.of("headers", f"{quoted(value)} is neither text nor bytes; {_RIGHT}")
