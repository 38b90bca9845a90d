"""Exchanges: what went over the wire, to the byte, and how it is shown without its secrets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MASK: Final = "[secret]"
_SHOWN_BYTES: Final = 4096


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every occurrence of every secret replaced; the longest secret first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, as raw bytes; `received` is empty where nothing came.

    `note` says which part it played. `secrets` are the texts that are masked where it is printed.
    """

    sent: bytes = field(repr=False)
    received: bytes = field(repr=False)
    note: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        title = f"{self.note}\n" if self.note else ""
        return mask(f"{title}> {_text(self.sent)}\n< {_text(self.received) or '(nothing)'}", self.secrets)


def _text(data: bytes) -> str:
    text = data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    more = len(data) - _SHOWN_BYTES
    return text if more <= 0 else f"{text}\n… and {more} bytes more"
