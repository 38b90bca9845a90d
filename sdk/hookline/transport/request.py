"""The bytes of a request, from a URL and headers as they are given.

The URL's path and query go out byte for byte (signatures may cover them): `%41` stays `%41`. Only what HTTP
cannot carry, characters outside of printable ASCII, is percent-encoded.
"""

import re
import string
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import yarl

from hookline.errors import quoted
from hookline.transport.failure import RequestFailure

FORMAT: Final = re.compile(r"(https?)://([^/?#\\\s\x00-\x20]+)((?:[/?][^#]*)?)", re.IGNORECASE)
"""Scheme, authority, path and query. Spaces and backslashes end no host: parsers differ in what they make of them."""

PRINTABLE: Final = string.digits + string.ascii_letters + string.punctuation
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, 5.6.2)."""

OURS: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that frame the message or govern the connection: no caller sets them."""

MOST_NAMES: Final = 4096

_plain: set[str] = set()
"""Names that were checked and need no care; checking each name of each request again costs too much."""


def split(url: str) -> tuple[yarl.URL, str]:
    """The URL to dial, and the request target to send; RequestFailure if it cannot be dialled."""
    parts = FORMAT.fullmatch(url.partition("#")[0])
    if parts is None:
        raise RequestFailure("the URL is not http:// or https:// with a host")
    target = quote(parts[3], safe=PRINTABLE)
    try:
        origin = yarl.URL(f"{parts[1].lower()}://{parts[2]}/")
        usable = bool(origin.raw_host) and origin.port is not None
    except ValueError as problem:
        raise RequestFailure("the URL's host or port is malformed") from problem
    if not usable:
        raise RequestFailure("the URL has no host")
    if origin.raw_user is not None or origin.raw_password is not None:
        raise RequestFailure("the URL holds a user name or a password")
    return origin, target if target.startswith("/") else f"/{target}"


def fields(headers: Sequence[tuple[str, str]], user_agent: str) -> str:
    """The header lines, order and case as given, after a User-Agent unless one is given.

    RequestFailure if a name is not a token or is one of `OURS`, or if a value holds CR, LF or NUL.
    """
    agent = f"User-Agent: {user_agent}\r\n"
    if not _plain.issuperset([name for name, _ in headers]) and has_agent(headers):
        agent = ""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        name = next(name for name, value in headers if not {"\r", "\n", "\0"}.isdisjoint(value))
        raise RequestFailure(f"the value of the header {quoted(name)} holds a line break or a NUL")
    return agent + text


def has_agent(headers: Sequence[tuple[str, str]]) -> bool:
    """Check every name, remember the plain ones, and say whether a User-Agent is among them."""
    found = False
    for name, _ in headers:
        lower = name.lower()
        if TOKEN.fullmatch(name) is None:
            raise RequestFailure(f"{quoted(name)} is not a header's name")
        if lower in OURS:
            raise RequestFailure(f"the header {quoted(name)} is not the caller's to set")
        if lower == "user-agent":
            found = True
        elif len(_plain) < MOST_NAMES:
            _plain.add(name)
    return found


def encode(text: str) -> bytes:
    """`text` as UTF-8; RequestFailure for a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as problem:
        raise RequestFailure("a header holds a lone surrogate") from problem
