"""Reference signers and verifiers of the signature schemes, one file a scheme."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hookline_conformance.schemes.custom import Custom, ParameterError
from hookline_conformance.schemes.github import GitHub
from hookline_conformance.schemes.http_message import HttpMessage
from hookline_conformance.schemes.hubspot import HubSpot
from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Message, Mismatch, Scheme, SecretError, Verified
from hookline_conformance.schemes.segment import Segment
from hookline_conformance.schemes.shopify import Shopify
from hookline_conformance.schemes.slack import Slack
from hookline_conformance.schemes.standard import Standard
from hookline_conformance.schemes.stripe import Stripe
from hookline_conformance.schemes.svix import Svix
from hookline_conformance.schemes.twilio import Twilio
from hookline_conformance.schemes.zendesk import Zendesk

__all__ = [
    "SCHEME_NAMES",
    "Claim",
    "Custom",
    "Delivery",
    "Encoding",
    "HttpMessage",
    "Message",
    "Mismatch",
    "ParameterError",
    "Scheme",
    "SecretError",
    "Verified",
    "scheme_named",
]

_SCHEMES: Final[Mapping[str, Callable[..., Scheme]]] = {
    "standard": Standard,
    "svix": Svix,
    "stripe": Stripe,
    "github": GitHub,
    "slack": Slack,
    "twilio": Twilio,
    "hubspot": HubSpot,
    "shopify": Shopify,
    "segment": Segment,
    "zendesk": Zendesk,
    "http-message": HttpMessage,
    "custom": Custom,
}

SCHEME_NAMES: Final = tuple(_SCHEMES)


def scheme_named(name: str, **parameters: Any) -> Scheme:
    """The scheme called `name`; only `http-message` and `custom` take parameters. Raises `ParameterError`."""
    if name not in _SCHEMES:
        raise ParameterError(f"scheme: {name!r} is none of {', '.join(SCHEME_NAMES)}")
    try:
        return _SCHEMES[name](**parameters)
    except TypeError as error:
        raise ParameterError(f"scheme {name}: {error}") from error
