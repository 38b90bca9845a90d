"""What a receiver's certificate says, where it is refused: OpenSSL's words name neither its dates nor its names.

The dates are those of RFC 5280, 4.1.2.5, the names its subjectAltName (RFC 6125).
"""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hookline.errors import quoted

# OpenSSL's X509_V_ERR_…, x509_vfy.h.
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
SELF_SIGNED: Final = 18
SELF_SIGNED_IN_CHAIN: Final = 19
NO_ISSUER: Final = 20
NO_ISSUER_OF_FIRST: Final = 21
OTHER_NAME: Final = frozenset({62, 64})
"""Of a host name, of an IP address."""

MOST_NAMES: Final = 5

Certificate = Mapping[str, Any]
"""As `ssl.SSLSocket.getpeercert` gives it."""


class TellingObject(ssl.SSLObject):
    """A TLS connection whose refusal of a certificate says what stands in it."""

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises ssl.SSLError."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            error.verify_message = told(error.verify_code, error.verify_message, self._presented(), datetime.now(UTC))
            raise

    def _presented(self) -> Sequence[Certificate]:
        """The certificates that the other side showed, its own first; none where Python does not hand them out."""
        # Public since Python 3.13 alone, and there as bytes only; beneath it is the same method in all versions.
        unverified = getattr(getattr(self, "_sslobj", None), "get_unverified_chain", None)
        chain = None if unverified is None else unverified()
        return [one.get_info() for one in chain or ()]


def tell_what_was_presented(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the context say so; one with connections of a class of its own is left as it is."""
    if context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = TellingObject
    return context


def told(code: int, message: str, presented: Sequence[Certificate], now: datetime) -> str:
    """OpenSSL's `message`, with what `presented` adds to it and the remedy."""
    if not presented:
        return message
    first = presented[0]
    if code == EXPIRED:
        expired = next((one for one in presented if _moment(one, "notAfter") < now), first)
        return f"{_which(expired, first)} has expired: it was valid until {_text(_moment(expired, 'notAfter'))}; renew it there"
    if code == NOT_YET_VALID:
        early = next((one for one in presented if _moment(one, "notBefore") > now), first)
        begins = _text(_moment(early, "notBefore"))
        return f"{_which(early, first)} is not yet valid: it is from {begins} on, and the clock here says {_text(now)}"
    if code in OTHER_NAME:
        names = [str(name) for _, name in first.get("subjectAltName", ())]
        return f"{message.rstrip('.')}: it is for {_listed(names)}"
    if code in {SELF_SIGNED, SELF_SIGNED_IN_CHAIN, NO_ISSUER, NO_ISSUER_OF_FIRST}:
        issuer = quoted(_named(presented[-1].get("issuer", ())))
        return f"{message}: it goes back to {issuer}, which is not among the authorities that are trusted here"
    return message


def _which(one: Certificate, first: Certificate) -> str:
    return "its certificate" if one is first else f"the certificate {quoted(_named(one.get('subject', ())))} in its chain"


def _moment(certificate: Certificate, field: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate[field]), UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no name at all"
    more = len(names) - MOST_NAMES
    return ", ".join(quoted(name) for name in names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _named(name: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A distinguished name by its common name, else by the last that it says."""
    parts = dict(part for group in name for part in group)
    return parts.get("commonName") or next(reversed(list(parts.values())), "")
