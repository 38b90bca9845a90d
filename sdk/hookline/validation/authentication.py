"""Whether a subscription's authentication and client certificate can be used. No value that is secret is shown."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from hookline.errors import quoted
from hookline.model.authentication import ApiKey, BasicCredentials, BearerToken, ClientCertificate, OAuth2ClientCredentials
from hookline.model.subscription import SubscriptionSpec
from hookline.validation.text import wrong_type
from hookline.validation.url import Problems, url_problems

LONGEST_TOKEN: Final = 4096
LONGEST_USERNAME: Final = 256
LONGEST_PASSWORD: Final = 1024
LONGEST_CLIENT_ID: Final = 256
LONGEST_CLIENT_SECRET: Final = 1024
LONGEST_SCOPE: Final = 1024
LONGEST_CERTIFICATE: Final = 64 * 1024
LONGEST_KEY: Final = 16 * 1024

_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_VISIBLE: Final = re.compile(r"[!-~]+")
_PRINTABLE: Final = re.compile(r"[ -~]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def authentication_problems(
    spec: SubscriptionSpec, own: frozenset[str], own_prefixes: tuple[str, ...], allow_http_loopback: bool
) -> Problems:
    """What is wrong with how `spec` says that a receiver is shown who calls; `own` are the headers of hookline."""
    found: object = spec.authentication
    where = "authentication"
    match found:
        case None:
            pass
        case BearerToken():
            token: object = found.token
            if not isinstance(token, str) or len(token) > LONGEST_TOKEN or _TOKEN68.fullmatch(token) is None:
                yield (
                    f"{where}.bearer.token",
                    f"cannot be sent; right are 1 to {LONGEST_TOKEN} characters of a token (RFC 6750, section 2.1)",
                )
        case BasicCredentials():
            yield from _basic(found, f"{where}.basic")
        case ApiKey():
            yield from _api_key(
                found, f"{where}.api_key", own, own_prefixes, {"headers": spec.headers, "retry_headers": spec.retry_headers}
            )
        case OAuth2ClientCredentials():
            yield from _oauth2(found, f"{where}.oauth2", allow_http_loopback)
        case _:
            kinds = "a BearerToken, BasicCredentials, an ApiKey or OAuth2ClientCredentials"
            yield where, f"is {type(found).__name__}; right is {kinds}"
    if isinstance(found, BearerToken | BasicCredentials | OAuth2ClientCredentials):
        for mapping, headers in (("headers", spec.headers), ("retry_headers", spec.retry_headers)):
            for name in _names(headers):
                if name.lower() == "authorization":
                    yield f"{mapping}.{name}", "would stand beside that of the authentication; right is one of the two"
    if spec.client_certificate is not None:
        yield from _certificate(spec.client_certificate, spec.url)


def _names(headers: object) -> Iterator[str]:
    if isinstance(headers, Mapping):
        yield from (name for name in headers if isinstance(name, str))


def _basic(found: BasicCredentials, where: str) -> Problems:
    parts: tuple[tuple[str, object, int], ...] = (
        ("username", found.username, LONGEST_USERNAME),
        ("password", found.password, LONGEST_PASSWORD),
    )
    for name, value, longest in parts:
        if not isinstance(value, str) or _CONTROL.search(value) is not None or len(value.encode()) > longest:
            yield f"{where}.{name}", f"cannot be sent; right are at most {longest} bytes without control characters"
    username: object = found.username
    if isinstance(username, str) and (not username or ":" in username):
        yield f"{where}.username", f"{quoted(username)} is not right; right is a name without a colon (RFC 7617, section 2)"


def _api_key(
    found: ApiKey, where: str, own: frozenset[str], own_prefixes: tuple[str, ...], others: Mapping[str, object]
) -> Problems:
    name: object = found.header
    value: object = found.value
    if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
        yield f"{where}.header", f"{quoted(name)} is no header name; right is a token (RFC 9110) of at most 128 characters"
    elif name.lower() in own or name.lower().startswith(own_prefixes):
        yield f"{where}.header", f"{quoted(name)} is set by hookline or by HTTP itself; right is a header of the receiver's own"
    else:
        for field, headers in others.items():
            for other in _names(headers):
                if other.lower() == name.lower():
                    yield f"{field}.{other}", "is the header of the API key; right is one of the two"
    if not isinstance(value, str) or len(value) > LONGEST_TOKEN or _VISIBLE.fullmatch(value) is None:
        yield f"{where}.value", f"cannot be sent; right are 1 to {LONGEST_TOKEN} visible ASCII characters"


def _oauth2(found: OAuth2ClientCredentials, where: str, allow_http_loopback: bool) -> Problems:
    yield from url_problems(f"{where}.token_url", found.token_url, allow_http_loopback=allow_http_loopback)
    parts: tuple[tuple[str, object, int, int], ...] = (
        ("client_id", found.client_id, 1, LONGEST_CLIENT_ID),
        ("client_secret", found.client_secret, 1, LONGEST_CLIENT_SECRET),
        ("scope", found.scope, 0, LONGEST_SCOPE),
        ("audience", found.audience, 0, LONGEST_SCOPE),
    )
    for name, value, least, longest in parts:
        if not isinstance(value, str) or not least <= len(value) <= longest or _PRINTABLE.fullmatch(value) is None:
            yield (
                f"{where}.{name}",
                f"is not right; right are {least} to {longest} printable ASCII characters (RFC 6749, appendix A)",
            )


def _certificate(found: object, url: object) -> Problems:
    where = "client_certificate"
    if not isinstance(found, ClientCertificate):
        yield where, wrong_type(where, found, "a ClientCertificate").description
        return
    texts: tuple[object, ...] = (found.certificate, found.private_key)
    if not all(isinstance(text, str) for text in texts):
        yield where, "has a certificate or a key that is no string; right is PEM text"
        return
    sizes = (
        ("certificate", found.certificate, LONGEST_CERTIFICATE),
        ("private_key", found.private_key, LONGEST_KEY),
    )
    too_long = [(name, len(text), most) for name, text, most in sizes if len(text) > most]
    for name, size, most in too_long:
        yield f"{where}.{name}", f"has {size} characters; right are at most {most}"
    if too_long:
        return
    leaf, problem = _leaf(found.certificate)
    if problem:
        yield f"{where}.certificate", problem
    public, problem = _public_key(found.private_key)
    if problem:
        yield f"{where}.private_key", problem
    if leaf is not None and public is not None and _written(leaf.public_key()) != public:
        yield f"{where}.private_key", "is not the key of the (first) certificate; right is the key that belongs to it"
    if isinstance(url, str) and url[:5].lower() == "http:":
        yield where, "is shown in a TLS handshake, and the URL is http; right is an https URL, or no certificate"


def _leaf(pem: str) -> tuple[x509.Certificate | None, str]:
    """The first certificate of a chain, or what is wrong with it."""
    try:
        leaf = x509.load_pem_x509_certificates(pem.encode("ascii", "replace"))[0]
    except (ValueError, IndexError):
        return None, "is no certificate in PEM; right is text that begins with '-----BEGIN CERTIFICATE-----'"
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        return leaf, f"expired at {leaf.not_valid_after_utc.isoformat()}; right is one that is still valid"
    return leaf, ""


def _public_key(pem: str) -> tuple[bytes | None, str]:
    """The public half of a private key, or what is wrong with it."""
    try:
        key = load_pem_private_key(pem.encode("ascii", "replace"), password=None)
    except TypeError:
        return None, "has a passphrase; right is a key without one (`openssl pkey -in key.pem`)"
    except (ValueError, UnsupportedAlgorithm):
        return None, "is no private key in PEM; right is text that begins with '-----BEGIN PRIVATE KEY-----'"
    return _written(key.public_key()), ""


def _written(key: object) -> bytes:
    # Every key that a certificate or a PEM file may hold has this method.
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]
