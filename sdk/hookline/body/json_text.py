"""Whether bytes are JSON, without making anything of them.

What is valid here is spliced into envelopes byte for byte, so the check must be strict: a lenient one
would let a caller close the envelope early or send what receivers cannot parse. msgspec's raw decoder
walks over the text without building objects and never turns a number into a double; what it leaves
open (UTF-8, and how deep one may nest) is checked here.
"""

import re
from functools import lru_cache
from itertools import accumulate
from typing import Final

import msgspec

from hookline.errors import InvalidArgument
from hookline.model.event import JSON

DEEPEST: Final = 512
"""Arrays and objects within each other. Many parsers give up at about a thousand, and an envelope adds one."""

_DECODER: Final = msgspec.json.Decoder(msgspec.Raw)
_STRING: Final = re.compile(rb'"[^"]*"')
_ALL_ELSE: Final = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_BOM: Final = b"\xef\xbb\xbf"
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Whole surrogate pairs, halves, and all other escapes (so that a backslash that is escaped begins none)."""
_WHOLE: Final = rb"\ufffd"
"""As long as a half, and a character."""


@lru_cache(maxsize=1024)
def is_json(content_type: str) -> bool:
    """Whether data of this media type is JSON: application/json, text/json or +json; empty means JSON."""
    essence = (content_type or JSON).partition(";")[0].strip().lower()
    return essence in {JSON, "text/json"} or essence.endswith("+json")


def json_problem(data: bytes) -> str | None:
    r"""What keeps `data` from being JSON text (RFC 8259), or None.

    Numbers may be of any size and names may repeat. Refused, though the grammar of RFC 8259 allows it:
    an escape of half a surrogate pair (`"\ud800"`), which is no character and which receivers treat
    differently (RFC 8259, section 8.2), and nesting deeper than 512.
    """
    if data.startswith(_BOM):
        return "begins with a byte order mark; JSON has none"
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"is not UTF-8 (byte {error.start}: {error.reason})"
    if data.count(b"[") + data.count(b"{") > DEEPEST and depth(data) > DEEPEST:
        return f"is nested deeper than {DEEPEST} levels"
    try:
        _DECODER.decode(data)
    except msgspec.DecodeError as error:
        return _half_pair(data) or f"is not JSON ({str(error).removeprefix('JSON is malformed: ')})"
    except RecursionError:
        # The interpreter's own limit, where the caller's stack has used most of it up.
        return "is nested too deep"
    return None


def check_json(data: bytes, field: str = "data") -> None:
    """Raise InvalidArgument for `field` unless `data` is JSON; see `json_problem`."""
    problem = json_problem(data)
    if problem is not None:
        raise InvalidArgument.of(field, f"{problem}; right is JSON text (RFC 8259) in UTF-8")


def _half_pair(data: bytes) -> str | None:
    """What to say if halves of surrogate pairs are all that is wrong, which the decoder's own words do not."""
    half = next((found for found in _ESCAPES.finditer(data) if found["half"]), None)
    if half is None:
        return None
    try:
        _DECODER.decode(_ESCAPES.sub(lambda found: _WHOLE if found["half"] else found[0], data))
    except (msgspec.DecodeError, RecursionError):
        return None
    return f"has half a surrogate pair ({half[0].decode()} at byte {half.start()}), which is no character"


def depth(data: bytes) -> int:
    """How deep the brackets outside strings nest; of malformed text any number."""
    # Without escapes a quotation mark begins or ends a string; two in a row change nothing for what follows.
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in data else data
    brackets = _STRING.sub(b"", unescaped.translate(None, _ALL_ELSE).replace(b'""', b""))
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
