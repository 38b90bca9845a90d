"""How platforms write events into requests. An envelope is one function and one entry here."""

from functools import partial
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.receiver.envelopes import platforms, standard
from hookline.receiver.envelopes.envelope import Envelope, anything, json_or_cloudevent, json_or_form
from hookline.receiver.envelopes.reading import header
from hookline.receiver.envelopes.standard import SignedId, no_signed_id
from hookline.signing import Custom, HttpMessage, Scheme

__all__ = ["ENVELOPE_NAMES", "Envelope", "envelope_for"]

_PLATFORMS: Final = (
    Envelope(name="stripe", read=platforms.stripe),
    # https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks: 10 s.
    Envelope(name="github", read=platforms.github, patience=10.0),
    # https://docs.slack.dev/apis/events-api: 3 s.
    Envelope(name="slack", read=platforms.slack, takes=json_or_form, patience=3.0, reply=platforms.slack_reply),
    # https://shopify.dev/docs/apps/build/webhooks/troubleshooting-webhooks: 5 s.
    Envelope(name="shopify", read=platforms.shopify, patience=5.0),
    Envelope(name="twilio", read=platforms.twilio, takes=json_or_form),
    # https://developers.hubspot.com/docs/api/webhooks: 5 s.
    Envelope(name="hubspot", read=platforms.hubspot, patience=5.0),
    Envelope(name="segment", read=platforms.segment, patience=5.0),
    Envelope(name="zendesk", read=platforms.zendesk),
)
_OF_PLATFORMS: Final = {each.name: each for each in _PLATFORMS}
_FREE: Final = {
    "standard": standard.standard,
    "svix": standard.standard,
    "cloudevents": standard.cloudevents,
    "generic": standard.generic,
    "raw": standard.raw,
}
ENVELOPE_NAMES: Final = (*_FREE, *_OF_PLATFORMS)


def envelope_for(scheme: Scheme, name: str = "") -> Envelope:
    """The envelope called `name`, or the one that goes with `scheme`.

    The envelopes that no platform owns take the webhook id from what the scheme signs. Raises
    InvalidArgument (field `envelope`) if there is none of that name.
    """
    wanted = name or (scheme.name if scheme.name in ENVELOPE_NAMES else "generic")
    if wanted in _OF_PLATFORMS:
        return _OF_PLATFORMS[wanted]
    if wanted not in _FREE:
        known = ", ".join(map(repr, ENVELOPE_NAMES))
        raise InvalidArgument.of(
            "envelope", f"{quoted(wanted)} is no envelope; right is one of {known}, or an Envelope of your own"
        )
    read = partial(_FREE[wanted], platform=scheme.name, signed_id=_signed_id(scheme))
    return Envelope(name=wanted, read=read, takes=anything if wanted == "raw" else json_or_cloudevent)


def _signed_id(scheme: Scheme) -> SignedId:
    """Where a scheme has an id that its signature covers; any other may be changed by whoever saw the request."""
    if scheme.name == "standard":
        return lambda request: header(request, "webhook-id")
    if scheme.name == "svix":
        return lambda request: header(request, "svix-id") or header(request, "webhook-id")
    if isinstance(scheme, Custom) and scheme.id_header:
        return lambda request: header(request, scheme.id_header.lower())
    if isinstance(scheme, HttpMessage) and "webhook-id" in scheme.components:
        return lambda request: header(request, "webhook-id")
    return no_signed_id
