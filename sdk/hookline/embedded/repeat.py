"""Calls that make something and may be repeated: the caller's request_id finds the first answer."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from hookline.engine import Engine
from hookline.errors import AlreadyExists
from hookline.store.protocol import Repeatable
from hookline.validation import check_request_id


class Repeat(NamedTuple):
    """`request` is stored with what is made; `first` names what the first call made, if this is a repetition."""

    request: Repeatable | None
    first: str | None


async def repeatable(engine: Engine, tenant: str, method: str, request_id: str, asked: Sequence[str]) -> Repeat:
    """Look whether this call was made before. Raises AlreadyExists (same request_id, something else asked), InvalidArgument."""
    if not request_id:
        return Repeat(None, None)
    check_request_id(request_id)
    content = blake2b(b"\0".join(part.encode(errors="surrogatepass") for part in asked), digest_size=16).digest()
    first = await engine.store.recall(tenant, method, request_id)
    if first is None:
        return Repeat(Repeatable(method=method, request_id=request_id, digest=content), None)
    if first.digest != content:
        raise AlreadyExists("request", request_id, f"request_id {request_id!r} was used before, for something else")
    return Repeat(None, first.result)
