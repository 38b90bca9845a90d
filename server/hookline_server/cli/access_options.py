"""The options that say how a receiver is shown who calls, and what is delivered of an event."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hookline.errors import quoted
from hookline.model import ApiKey, Authentication, BasicCredentials, BearerToken, ClientCertificate, OAuth2ClientCredentials
from hookline_server.cli.exits import UsageError

SECRET: Final = "SECRET"
_KINDS: Final[Mapping[str, type[BearerToken | BasicCredentials | ApiKey | OAuth2ClientCredentials]]] = {
    "bearer": BearerToken,
    "basic": BasicCredentials,
    "api-key": ApiKey,
    "oauth2": OAuth2ClientCredentials,
}
_HIDDEN: Final = "SECRET is env:NAME (a variable), @FILE, or the text itself, which others on this machine may see."

Bearer = Annotated[
    str | None, typer.Option("--bearer-token", metavar=SECRET, help=f"Send this token with every request. {_HIDDEN}")
]
Basic = Annotated[str | None, typer.Option("--basic", metavar="USER:SECRET", help="HTTP basic authentication.")]
Key = Annotated[str | None, typer.Option("--api-key", metavar="HEADER:SECRET", help="A key in a header of the receiver's own.")]
TokenUrl = Annotated[
    str | None, typer.Option("--oauth2-token-url", metavar="URL", help="Fetch tokens here (OAuth 2.0 client credentials).")
]
TokenClient = Annotated[str | None, typer.Option("--oauth2-client", metavar="ID:SECRET", help="As this client.")]
Scope = Annotated[str, typer.Option("--oauth2-scope", help="For these scopes, with spaces between them.")]
Audience = Annotated[str, typer.Option("--oauth2-audience", help="For this audience, if the server asks for one.")]
Certificate = Annotated[
    Path | None, typer.Option("--client-certificate", metavar="FILE", help="Shown in the TLS handshake: PEM, with its chain.")
]
CertificateKey = Annotated[Path | None, typer.Option("--client-key", metavar="FILE", help="Its private key: PEM, no passphrase.")]
Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="CEL", help="Deliver only what this is true for: 'event.data.amount > 100'."),
]
Fields = Annotated[
    list[str] | None, typer.Option("--field", metavar="PATH", help="Deliver nothing of data but this: customer.id (repeatable).")
]
Transform = Annotated[
    str | None,
    typer.Option("--transform", metavar="CEL", help="Deliver this instead of data: '{\"id\": event.id}' or @FILE."),
]


def access(
    *,
    bearer: str | None,
    basic: str | None,
    key: str | None,
    token_url: str | None,
    token_client: str | None,
    scope: str,
    audience: str,
    certificate: Path | None,
    certificate_key: Path | None,
) -> dict[str, Any]:
    """The fields that were given of the authentication. Raises UsageError."""
    ways = [name for name, value in _ways(bearer, basic, key, token_url or token_client or scope or audience) if value]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} stand side by side; right is one of them")
    given: dict[str, Any] = {}
    if bearer is not None:
        given["authentication"] = BearerToken(token=secret(bearer, "--bearer-token"))
    if basic is not None:
        user, password = _pair(basic, "--basic", "USER:SECRET")
        given["authentication"] = BasicCredentials(username=user, password=password)
    if key is not None:
        header, value = _pair(key, "--api-key", "HEADER:SECRET")
        given["authentication"] = ApiKey(header=header, value=value)
    if ways == ["--oauth2-token-url"]:
        if token_url is None or token_client is None:
            raise UsageError("--oauth2-token-url and --oauth2-client belong together; one of them is missing")
        client, client_secret = _pair(token_client, "--oauth2-client", "ID:SECRET")
        given["authentication"] = OAuth2ClientCredentials(
            token_url=token_url, client_id=client, client_secret=client_secret, scope=scope, audience=audience
        )
    if (certificate is None) != (certificate_key is None):
        raise UsageError("--client-certificate and --client-key belong together; one of them is missing")
    if certificate is not None and certificate_key is not None:
        given["client_certificate"] = ClientCertificate(
            certificate=_text(certificate, "--client-certificate"), private_key=_text(certificate_key, "--client-key")
        )
    return given


def shaping(*, filter_: str | None, fields: Sequence[str] | None, transform: str | None) -> dict[str, Any]:
    """The fields that were given of the shaping. Raises UsageError."""
    given: dict[str, Any] = {
        "filter": None if filter_ is None else _expression(filter_, "--filter"),
        "fields": tuple(fields) if fields else None,
        "transform": None if transform is None else _expression(transform, "--transform"),
    }
    return {name: value for name, value in given.items() if value is not None}


def declared_access(field: str, members: Mapping[str, str], place: str) -> Authentication | ClientCertificate:
    """The field `authentication` or `client_certificate` of a declaration. Raises UsageError."""
    return declared_authentication(members, place) if field == "authentication" else declared_certificate(members, place)


def declared_authentication(members: Mapping[str, str], place: str) -> Authentication:
    """An authentication in a declaration, as `--json` prints it; secrets as on the command line. Raises UsageError."""
    kind = members.get("kind", "")
    made = _KINDS.get(kind)
    if made is None:
        raise UsageError(f"{place}.kind: {quoted(kind)} is no authentication; right is one of {', '.join(_KINDS)}")
    known = [field.name for field in dataclass_fields(made) if field.name != "kind"]
    if wrong := [name for name in members if name not in {"kind", *known}]:
        raise UsageError(f"{place}.{wrong[0]}: is not known; right is one of {', '.join(known)}")
    given: dict[str, Any] = {name: secret(text, f"{place}.{name}") for name, text in members.items() if name != "kind"}
    try:
        return made(**given)
    except TypeError:
        raise UsageError(f"{place}: something is missing; right are {', '.join(known)}") from None


def declared_certificate(members: Mapping[str, str], place: str) -> ClientCertificate:
    """A client certificate in a declaration; `@FILE` reads one. Raises UsageError."""
    if set(members) != {"certificate", "private_key"}:
        raise UsageError(f"{place}: right are certificate and private_key, each PEM or @FILE")
    return ClientCertificate(**{name: secret(text, f"{place}.{name}") for name, text in members.items()})


def secret(text: str, name: str) -> str:
    """A secret that stands in a variable, in a file, or there as it is. Raises UsageError."""
    if text.startswith("env:"):
        variable = text[4:]
        if variable not in os.environ:
            raise UsageError(f"{name}: the variable {quoted(variable)} is not set")
        return os.environ[variable]
    return _text(Path(text[1:]), name).rstrip("\r\n") if text.startswith("@") else text


def _ways(bearer: str | None, basic: str | None, key: str | None, oauth2: str | None) -> tuple[tuple[str, str | None], ...]:
    return ("--bearer-token", bearer), ("--basic", basic), ("--api-key", key), ("--oauth2-token-url", oauth2)


def _pair(text: str, name: str, form: str) -> tuple[str, str]:
    first, colon, rest = text.partition(":")
    if not colon or not first:
        raise UsageError(f"{name}: has no colon; right is {form}")  # what was typed may be the secret
    return first.strip(), secret(rest.strip(), name)


def _expression(text: str, name: str) -> str:
    return _text(Path(text[1:]), name).strip() if text.startswith("@") else text


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {quoted(str(path))} cannot be read: {error}") from error
