"""How hookline shows a receiver who calls."""

from hookline.errors import InvalidArgument
from hookline.model import ApiKey, Authentication, BasicCredentials, BearerToken, ClientCertificate, OAuth2ClientCredentials
from hookline.wire.scalars import build
from hookline_proto.v1 import subscription_pb2


def read_authentication(message: subscription_pb2.Authentication, field: str) -> Authentication:
    """An authentication. Raises InvalidArgument if none of its kinds is set."""
    match message.WhichOneof("kind"):
        case "bearer":
            return BearerToken(token=message.bearer.token)
        case "basic":
            return BasicCredentials(username=message.basic.username, password=message.basic.password)
        case "api_key":
            return ApiKey(header=message.api_key.header, value=message.api_key.value)
        case "oauth2":
            asked = message.oauth2
            return OAuth2ClientCredentials(
                token_url=asked.token_url,
                client_id=asked.client_id,
                client_secret=asked.client_secret,
                scope=asked.scope,
                audience=asked.audience,
            )
        case _:
            raise InvalidArgument.of(field, "has no kind; set bearer, basic, api_key or oauth2")


def write_authentication(authentication: Authentication, field: str) -> subscription_pb2.Authentication:
    """The message for an authentication, with whatever secrets it has."""
    match authentication:
        case BearerToken(token=token):
            bearer = build(subscription_pb2.BearerToken, f"{field}.bearer.", token=token)
            return subscription_pb2.Authentication(bearer=bearer)
        case BasicCredentials(username=username, password=password):
            basic = build(subscription_pb2.BasicCredentials, f"{field}.basic.", username=username, password=password)
            return subscription_pb2.Authentication(basic=basic)
        case ApiKey(header=header, value=value):
            api_key = build(subscription_pb2.ApiKey, f"{field}.api_key.", header=header, value=value)
            return subscription_pb2.Authentication(api_key=api_key)
        case OAuth2ClientCredentials() as asked:
            oauth2 = build(
                subscription_pb2.OAuth2ClientCredentials,
                f"{field}.oauth2.",
                token_url=asked.token_url,
                client_id=asked.client_id,
                client_secret=asked.client_secret,
                scope=asked.scope,
                audience=asked.audience,
            )
            return subscription_pb2.Authentication(oauth2=oauth2)
    raise InvalidArgument.of(field, f"is {type(authentication).__name__}; right is one of the kinds of Authentication")


def read_certificate(message: subscription_pb2.ClientCertificate) -> ClientCertificate:
    """A client certificate, with its key if that is there."""
    return ClientCertificate(certificate=message.certificate, private_key=message.private_key)


def write_certificate(certificate: ClientCertificate, field: str) -> subscription_pb2.ClientCertificate:
    """The message for a client certificate."""
    return build(
        subscription_pb2.ClientCertificate,
        f"{field}.",
        certificate=certificate.certificate,
        private_key=certificate.private_key,
    )
