"""What a signature scheme is, and how a signature is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hookline.errors import HooklineError


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRequest:
    """A request as it is signed before it is sent, or as it came in before it is verified.

    `body` is the bytes on the wire, never a parsed or re-serialised form. `url` is the whole URL as the
    sender used it: some schemes sign it. `id` is the webhook id and `event_type` the event's type: what
    a sender signs or names in a platform's headers; a receiver leaves both empty, as they then come from
    the headers.
    """

    method: str = "POST"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes
    id: str = ""
    event_type: str = ""


class SignatureFault(StrEnum):
    """Why a signature is refused; stable, for programs."""

    BODY_NOT_BYTES = "BODY_NOT_BYTES"
    """The body was handed over as text or as a parsed object."""
    MISSING_HEADER = "MISSING_HEADER"
    MALFORMED_HEADER = "MALFORMED_HEADER"
    """Not of the right form, or there several times with no way to tell which one counts."""
    TIMESTAMP_TOO_OLD = "TIMESTAMP_TOO_OLD"
    """Perhaps a recorded request that is sent again."""
    TIMESTAMP_IN_FUTURE = "TIMESTAMP_IN_FUTURE"
    NO_MATCHING_SIGNATURE = "NO_MATCHING_SIGNATURE"
    """Signed with another secret, or changed on the way."""
    BODY_RESERIALISED = "BODY_RESERIALISED"
    """The signature is right for the same JSON written otherwise: something decoded and encoded the body again."""
    BODY_CHANGED = "BODY_CHANGED"
    """The signature is right, and the digest that it covers is not that of the body."""
    BODY_NOT_SIGNED = "BODY_NOT_SIGNED"
    """The signature covers too little of the request to be trusted."""
    WRONG_API_KEY = "WRONG_API_KEY"
    MALFORMED_URL = "MALFORMED_URL"
    """The URL that the request is said to have come to is none."""


class InvalidSignature(HooklineError):
    """The request is not from who it says, or not as it was sent; `fault` says why."""

    reason = "INVALID_SIGNATURE"

    def __init__(self, fault: SignatureFault, message: str) -> None:
        """Refuse for `fault`, which is the error's code too."""
        super().__init__(message, reason=fault.value)
        self.fault = fault


class Scheme(Protocol):
    """How requests are signed and verified: one class a scheme, both directions side by side.

    A scheme keeps no state. Signing answers a request, not headers, because some platforms sign by
    changing the URL.
    """

    @property
    def name(self) -> str:
        """What subscriptions call it."""

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that it sets, in lower case: a subscription may not set these itself."""

    def generate_secret(self) -> str:
        """A new random secret."""

    def check_secret(self, secret: str) -> None:
        """Raise InvalidArgument (field `secret`) unless `secret` can sign, without showing it."""

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request`, signed at `now`, in seconds since 1970, with each of `secrets` (at least one).

        Where a platform's header holds a single signature, the first of `secrets` signs: the newest.
        Raises InvalidArgument if a secret or the request's id cannot be signed with.
        """

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless `request` was signed with one of `secrets`.

        The time of signing may be `tolerance` seconds away from `now`, before or after. Raises
        InvalidArgument if a secret is malformed.
        """
