"""How requests are signed and verified. A scheme is one file here and one entry in `_SCHEMES`."""

from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.signing import standard
from hookline.signing.scheme import InvalidSignature, Scheme, SignableRequest, SignatureFault

__all__ = ["SCHEME_NAMES", "InvalidSignature", "Scheme", "SignableRequest", "SignatureFault", "generate_secret", "scheme"]

_SCHEMES: Final[dict[str, Scheme]] = {
    "standard": standard.Standard(),
}

SCHEME_NAMES: Final = tuple(_SCHEMES)


def scheme(name: str) -> Scheme:
    """The scheme called `name`. Raises InvalidArgument (field `signature_scheme`) if there is none."""
    try:
        return _SCHEMES[name]
    except KeyError:
        known = ", ".join(map(repr, SCHEME_NAMES))
        raise InvalidArgument.of("signature_scheme", f"{quoted(name)} is no signature scheme; right is one of {known}") from None


def generate_secret(name: str = "standard") -> str:
    """A new random secret for the scheme called `name`."""
    return scheme(name).generate_secret()
