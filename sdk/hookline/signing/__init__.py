"""How requests are signed and verified. A scheme is one file here and one entry in `_SCHEMES`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.signing import github, hubspot, segment, shopify, slack, standard, stripe, svix, twilio, zendesk
from hookline.signing.custom import Custom
from hookline.signing.ed25519 import generate_key, public_key
from hookline.signing.http_message import HttpMessage
from hookline.signing.hubspot import HubSpot
from hookline.signing.parameters import FIELD, PARAMETRISED, SECRET_PARAMETERS, make
from hookline.signing.scheme import InvalidSignature, Scheme, SignableRequest, SignatureFault
from hookline.signing.twilio import Twilio

__all__ = [
    "PARAMETRISED",
    "SCHEME_NAMES",
    "SECRET_PARAMETERS",
    "Custom",
    "HttpMessage",
    "HubSpot",
    "InvalidSignature",
    "Scheme",
    "SignableRequest",
    "SignatureFault",
    "Twilio",
    "generate_key",
    "generate_secret",
    "public_key",
    "scheme",
]

_SCHEMES: Final[dict[str, Scheme]] = {
    "standard": standard.Standard(),
    "svix": svix.Svix(),
    "stripe": stripe.Stripe(),
    "github": github.GitHub(),
    "slack": slack.Slack(),
    "twilio": twilio.Twilio(),
    "hubspot": hubspot.HubSpot(),
    "shopify": shopify.Shopify(),
    "segment": segment.Segment(),
    "zendesk": zendesk.Zendesk(),
}

SCHEME_NAMES: Final = tuple(_SCHEMES)
"""Those that a name is enough for; `PARAMETRISED` are the others."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def scheme(name: str, parameters: Mapping[str, str] = _NONE) -> Scheme:
    """The scheme called `name`, with its parameters where it has some (`custom`, `http-message`).

    Raises InvalidArgument: field `signature_scheme` for a name that is none, `signature_parameters` and below
    for parameters.
    """
    if name in PARAMETRISED:
        return make(name, parameters)
    try:
        known = _SCHEMES[name]
    except KeyError:
        right = ", ".join(map(repr, (*SCHEME_NAMES, *PARAMETRISED)))
        raise InvalidArgument.of("signature_scheme", f"{quoted(name)} is no signature scheme; right is one of {right}") from None
    if parameters:
        having = " and ".join(map(repr, PARAMETRISED))
        raise InvalidArgument.of(FIELD, f"are given, and the scheme {name!r} has none; right is none, or {having}")
    return known


def generate_secret(name: str = "standard", parameters: Mapping[str, str] = _NONE) -> str:
    """A new random secret for the scheme called `name`."""
    return scheme(name, parameters).generate_secret()
