"""The way out: one POST, one answer, within one deadline.

`Poster` is what the engine calls; it works over any `httpx.AsyncBaseTransport`. `AiohttpTransport` is the
one that is made for it: an aiohttp connector underneath, and the address guard in front of every dial.
"""

from hookline.transport.aiohttp_transport import AiohttpTransport
from hookline.transport.answer import LONGEST_BODY, Answer
from hookline.transport.guard import GuardPolicy
from hookline.transport.poster import Poster

__all__ = ["LONGEST_BODY", "AiohttpTransport", "Answer", "GuardPolicy", "Poster"]
