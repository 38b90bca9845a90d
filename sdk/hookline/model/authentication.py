"""How hookline shows a receiver who calls, beside the signature. What is secret is in no `repr`."""

from dataclasses import dataclass, field, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """`Authorization: Bearer …` (RFC 6750)."""

    token: str = field(repr=False)
    kind: Literal["bearer"] = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicCredentials:
    """`Authorization: Basic …` (RFC 7617), in UTF-8. The user name has no colon."""

    username: str
    password: str = field(default="", repr=False)
    kind: Literal["basic"] = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A header of the receiver's own."""

    header: str
    value: str = field(repr=False)
    kind: Literal["api-key"] = "api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2ClientCredentials:
    """A bearer token that is fetched, kept and renewed (RFC 6749, section 4.4).

    `scope` is space-delimited; neither it nor `audience` is sent if empty.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    kind: Literal["oauth2"] = "oauth2"


Authentication = BearerToken | BasicCredentials | ApiKey | OAuth2ClientCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What this side shows in the TLS handshake (mutual TLS): PEM, the private key without a passphrase."""

    certificate: str
    private_key: str = field(repr=False)


def without_secret(authentication: Authentication) -> Authentication:
    """As its caller may see it again."""
    match authentication:
        case BearerToken():
            return replace(authentication, token="")
        case BasicCredentials():
            return replace(authentication, password="")
        case ApiKey():
            return replace(authentication, value="")
        case OAuth2ClientCredentials():
            return replace(authentication, client_secret="")
