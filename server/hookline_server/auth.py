"""Who may call: everybody, or who knows the token."""

from collections.abc import Iterable
from secrets import compare_digest
from typing import Final, Protocol

from hookline.errors import Unauthenticated

HEADER: Final = "authorization"
SCHEME: Final = "bearer"

_ASK: Final = "send the metadata 'authorization: Bearer <token>' with the token that the server was started with"


class Call(Protocol):
    """As much of a gRPC call as the gate looks at."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What the caller sent beside the request."""


class Gate:
    """Lets a call through, or refuses it.

    Without a token it lets all through, which `Settings` allows on loopback only, or where `insecure`
    says so.
    """

    def __init__(self, token: str = "") -> None:
        """Ask for this token; for none if it is empty."""
        self._token = token.encode()

    def admit(self, call: Call) -> None:
        """Raise Unauthenticated unless `call` carries the token."""
        if not self._token:
            return
        for key, value in call.invocation_metadata() or ():
            if key == HEADER:
                scheme, _, token = (value.decode(errors="replace") if isinstance(value, bytes) else value).partition(" ")
                if scheme.lower() == SCHEME and compare_digest(token.strip().encode(), self._token):
                    return
                raise Unauthenticated(f"the token is not known; {_ASK}", reason="TOKEN_UNKNOWN")
        raise Unauthenticated(f"there is no token; {_ASK}", reason="TOKEN_MISSING")
