"""What a receiver answers. It never says why: the reason stands in the receiver's own log."""

from dataclasses import dataclass
from math import ceil
from typing import Final

Headers = tuple[tuple[str, str], ...]

MOST_SECONDS: Final = 86_400
"""The longest Retry-After that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, headers and a body, for whatever framework sends it."""

    status: int
    headers: Headers = ()
    body: bytes = b""


TAKEN: Final = Answer(status=200)
"""The events had their effect, now or before, or nobody wants them."""
STORED: Final = Answer(status=202)
"""The events are on disk, and are handled later."""
MALFORMED: Final = Answer(status=400)
# RFC 9110, section 11.6.1: a 401 names a way to authenticate.
UNVERIFIED: Final = Answer(status=401, headers=(("WWW-Authenticate", "Signature"),))
"""The signature is wrong, or stale."""
WRONG_METHOD: Final = Answer(status=405, headers=(("Allow", "POST"),))
TOO_LARGE: Final = Answer(status=413)
WRONG_TYPE: Final = Answer(status=415)


def later(seconds: float) -> Answer:
    """503: come again after so many seconds, at least 1."""
    return Answer(status=503, headers=(_retry_after(seconds),))


def too_many(seconds: float) -> Answer:
    """429: more at once than is taken."""
    return Answer(status=429, headers=(_retry_after(seconds),))


def replied(body: bytes) -> Answer:
    """200 with the answer to a platform's own question."""
    return Answer(status=200, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=body)


def _retry_after(seconds: float) -> tuple[str, str]:
    return "Retry-After", str(min(max(1, ceil(seconds)), MOST_SECONDS))
