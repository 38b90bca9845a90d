"""What became of one POST: the answer, and the account that is kept while it is under way."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

import httpx

from hookline.model import ErrorClass

LONGEST_BODY: Final = 16 * 1024
"""Bytes of an answer's body that are read and kept."""

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one POST.

    `status` is the final HTTP status, 0 if none came. `headers` looks names up whatever their case.
    `body` is the first bytes of the answer's body as they came, not decompressed, at most 16 KiB.
    `error` is None if a whole answer came, whatever its status; else it outranks `status`: an answer that
    broke off has both. `detail` names the cause in one sentence. `address` is the `ip:port` that was
    dialled last, empty if none was. `duration` is in seconds. `unmade`: this machine had not what a
    connection takes, so nothing was sent, and nothing is known of the receiver.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: ErrorClass | None
    detail: str
    address: str
    duration: float
    unmade: bool = False


class Phase(Enum):
    """How far an attempt has come."""

    CONNECTING = "connecting"
    RESOLVING = "resolving"
    """It was cut off while the name was looked up."""
    WAITING = "waiting"
    READING = "reading"


class Progress:
    """What is known of an attempt so far; whatever ends it, this is what the answer is made of."""

    __slots__ = ("address", "body", "headers", "phase", "shortage", "status")

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.phase = Phase.CONNECTING
        self.address = ""
        self.shortage = ""
        """What this machine lacks for a connection, in words; empty if nothing."""
        self.status = 0
        self.headers = NO_HEADERS
        self.body = b""


async def read_into(progress: Progress, stream: httpx.AsyncByteStream) -> None:
    """Read the first 16 KiB of a body as they come, and close the stream."""
    try:
        async for chunk in stream:
            progress.body = (progress.body + chunk)[:LONGEST_BODY]
            if len(progress.body) == LONGEST_BODY:
                break
    finally:
        await stream.aclose()
