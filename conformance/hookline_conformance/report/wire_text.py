"""Bytes as people read them: text where they are text, escapes where they are not."""

import re
from typing import Final

# What a person reads of one message; JSON reports have all of it.
SHOWN_BYTES: Final = 4096
BRIEF_BYTES: Final = 1024
_TAIL_BYTES: Final = 256

_UNPRINTABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\udc80-\udcff]")


def wire_text(data: bytes, *, limit: int = SHOWN_BYTES) -> str:
    r"""`data` in lines: UTF-8 as it is, every other byte and every control character as an escape.

    A line that ends in CR LF ends in a line feed here, since that is the rule in HTTP; where there are such lines,
    a line feed alone is shown as `\n`. A tab is shown as `\t`, a space at the end of a line as `\x20`, and what
    would turn the direction of the text around as its number. Of more than `limit` bytes the start and the end are
    shown, and how many are left out between.
    """
    end = "\r\n" if b"\r\n" in data else "\n"
    if len(data) > limit:
        kept_tail = min(_TAIL_BYTES, limit // 4)
        head, tail = data[: limit - kept_tail], data[len(data) - kept_tail :]
        left_out = len(data) - len(head) - len(tail)
        return f"{_lines(head, end)}\n[… {left_out:,} bytes left out …]\n{_lines(tail, end)}"
    return _lines(data, end)


def _lines(data: bytes, end: str) -> str:
    return "\n".join(_escaped(line) for line in data.decode("utf-8", errors="surrogateescape").split(end))


def _escaped(line: str) -> str:
    shown = _UNPRINTABLE.sub(_escape, line.replace("\n", "\\n\n"))
    return f"{shown[:-1]}\\x20" if shown.endswith(" ") else shown  # or nobody sees it


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    short = {0x09: "\\t", 0x0D: "\\r", 0x0B: "\\v", 0x0C: "\\f"}
    if code in short:
        return short[code]
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
