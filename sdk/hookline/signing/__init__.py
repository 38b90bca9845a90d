"""How requests are signed and verified. A scheme is one file here and one entry in `_SCHEMES`."""

from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.signing import github, hubspot, segment, shopify, slack, standard, stripe, svix, twilio, zendesk
from hookline.signing.custom import Custom
from hookline.signing.http_message import HttpMessage
from hookline.signing.hubspot import HubSpot
from hookline.signing.scheme import InvalidSignature, Scheme, SignableRequest, SignatureFault
from hookline.signing.twilio import Twilio

__all__ = [
    "SCHEME_NAMES",
    "Custom",
    "HttpMessage",
    "HubSpot",
    "InvalidSignature",
    "Scheme",
    "SignableRequest",
    "SignatureFault",
    "Twilio",
    "generate_secret",
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

_WITH_PARAMETERS: Final = {"custom": Custom, "http-message": HttpMessage}
"""Made by who uses them, as a name does not say what they need."""

SCHEME_NAMES: Final = tuple(_SCHEMES)


def scheme(name: str) -> Scheme:
    """The scheme called `name`. Raises InvalidArgument (field `signature_scheme`) if a name is not enough to have one."""
    try:
        return _SCHEMES[name]
    except KeyError:
        known = ", ".join(map(repr, SCHEME_NAMES))
        fault = f"{quoted(name)} is no signature scheme"
        if name in _WITH_PARAMETERS:
            needs = _WITH_PARAMETERS[name].__name__
            fault = f"{quoted(name)} needs parameters that a name does not carry (in code: hookline.signing.{needs}(…))"
        raise InvalidArgument.of("signature_scheme", f"{fault}; right is one of {known}") from None


def generate_secret(name: str = "standard") -> str:
    """A new random secret for the scheme called `name`."""
    return scheme(name).generate_secret()
