"""What a scripted receiver says to a request: well-behaved answers and every kind of hostile one."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hookline_conformance.sender.endpoint import Request

FOREVER: Final = 3_600.0
"""Seconds of a delay that outlives every check; the connection is closed with its endpoint."""


class Ending(Enum):
    """What becomes of the connection after the answer."""

    KEEP = auto()
    CLOSE = auto()
    """Closed, and announced by `Connection: close`."""
    CLOSE_UNANNOUNCED = auto()
    """Closed at once, and not announced."""
    CLOSE_ON_NEXT = auto()
    """Kept until the first byte of the next request comes, then reset: the worst moment."""
    RESET = auto()
    """Reset (RST) after what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, written in this order: interim answers, `delay` seconds, head, body, ending.

    `cut` is how many bytes of head and body are written before the connection is reset, or closed if so it ends. `raw` takes the
    place of everything else. `drip` writes head and body byte by byte with so many seconds between;
    `drip_body` the body alone. `endless` goes on writing the body for ever, `interim_flood` interim answers.
    """

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    interim: tuple[int, ...] = ()
    interim_flood: bool = False
    cut: int | None = None
    raw: bytes | None = None
    drip: float = 0.0
    drip_body: float = 0.0
    endless: bool = False
    ending: Ending = Ending.KEEP

    def encode(self) -> tuple[bytes, bytes]:
        """Head and body as they go over the wire."""
        if self.raw is not None:
            return b"", self.raw
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unheard Of"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.headers)]
        names = {name.lower() for name, _ in self.headers}
        bodiless = self.status in {204, 304} or self.status < 200
        if not bodiless and not self.endless and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(self.body)}")
        if self.ending is Ending.CLOSE:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), b"" if bodiless else self.body


Script = Callable[["Request"], Reply]
"""Decides what each request is told; it is called once a request, in the order of arrival."""

OK: Final = Reply()


def status(code: int, **headers: str) -> Reply:
    """An answer with this status; header names are given with underscores."""
    return Reply(status=code, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def always(reply: Reply) -> Script:
    """The same answer to every request."""
    return lambda _: reply


def in_turn(*replies: Reply) -> Script:
    """These answers, one a request; the last one to all that come after."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def by_id(*replies: Reply) -> Script:
    """These answers in turn for each message id by itself."""
    count: dict[str, int] = {}

    def script(request: "Request") -> Reply:
        seen = count.get(request.message_id, 0)
        count[request.message_id] = seen + 1
        return replies[min(seen, len(replies) - 1)]

    return script


@cache
def gzip_bomb() -> Reply:
    """200 and 100 KB that say they are 100 MB of zeros."""
    body = gzip.compress(bytes(100 * 1024 * 1024), 9)
    return Reply(status=200, headers=(("Content-Encoding", "gzip"), ("Content-Type", "text/plain")), body=body)
