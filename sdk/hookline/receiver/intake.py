"""Reading a request: no more of it than is allowed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from hookline.receiver.errors import BodyTooLarge, MalformedEvent
from hookline.receiver.headers import Pairs

_LENGTH: Final = "content-length"
_DIGITS: Final = 20


async def read_body(headers: Pairs, chunks: AsyncIterator[bytes], *, most: int, until: float) -> bytes:
    """The body, if it comes before the loop's time is `until`.

    Raises BodyTooLarge as soon as it is said, or seen, to have more than `most` bytes, and MalformedEvent if
    it does not come in time.
    """
    for name, value in headers:
        if name.lower() == _LENGTH and value.isascii() and value.isdigit() and (len(value) > _DIGITS or int(value) > most):
            raise BodyTooLarge(f"the body is said to have {value[:_DIGITS]} bytes; right are at most {most}")
    found = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for chunk in chunks:
                found += chunk
                if len(found) > most:
                    raise BodyTooLarge(f"the body has more than {most} bytes")
    except TimeoutError as error:
        raise MalformedEvent(f"{len(found)} bytes of the body have come in time, and not the rest") from error
    return bytes(found)


async def whole(body: bytes) -> AsyncIterator[bytes]:
    """A body that has been read, as chunks."""
    yield body


def with_origin(url: str, origin: str) -> str:
    """`url` with another scheme and host; as it is for an empty `origin`."""
    if not origin:
        return url
    _, _, rest = url.partition("://")
    path = rest[len(rest.partition("/")[0].partition("?")[0]) :]
    return origin.rstrip("/") + path
