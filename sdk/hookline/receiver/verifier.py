"""Verifying a request that came in, in any framework, and reading its events."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from hookline.clock import Clock, SystemClock
from hookline.errors import InvalidArgument, quoted
from hookline.receiver.contract import ANYTHING, contracts
from hookline.receiver.envelopes import Envelope, envelope_for
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.headers import Headers, header_pairs
from hookline.signing import InvalidSignature, Scheme, SignableRequest, SignatureFault, ed25519
from hookline.signing import scheme as scheme_called

TOLERANCE: Final = 300
"""Seconds."""
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Verifier:
    """Verifies requests of one sender, and reads the events in them.

    `scheme` is the name of a signature scheme (`standard`, `stripe`, `github`, …) or an object that is one
    (`Custom(…)`, `HttpMessage(…)`). Any of `secrets` may have signed, so that one can be exchanged for
    another. A request may have been signed `tolerance` seconds ago or ahead, where the scheme signs a time.

    `envelope` says how events are written, where that does not follow from the scheme: a name of
    `ENVELOPE_NAMES` or an `Envelope`. `models` (any types that pydantic can make) and `schemas` (JSON Schemas in
    JSON text, those of the catalogue of event types, say) say what data must be, by event type or pattern.

    Raises InvalidArgument (scheme, secrets, envelope, schema, pattern, tolerance).
    """

    def __init__(
        self,
        scheme: str | Scheme,
        secrets: str | Sequence[str],
        *,
        envelope: str | Envelope = "",
        models: Mapping[str, type[Any]] = NOTHING,
        schemas: Mapping[str, str] = NOTHING,
        tolerance: int = TOLERANCE,
        clock: Clock | None = None,
    ) -> None:
        self.scheme: Final[Scheme] = scheme_called(scheme) if isinstance(scheme, str) else scheme
        self._secrets: Final = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        if not self._secrets or not all(self._secrets):
            raise InvalidArgument.of("secrets", "is empty, or one of them is; right is the secret that the sender signs with")
        for secret in self._secrets:
            if secret.startswith(ed25519.PUBLIC_PREFIX):
                ed25519.parse_public(secret)
            else:
                self.scheme.check_secret(secret)
        if tolerance < 0:
            raise InvalidArgument.of("tolerance", f"is {quoted(tolerance)}; right are whole seconds, 0 or more")
        self._tolerance: Final = tolerance
        self.envelope: Final = envelope if isinstance(envelope, Envelope) else envelope_for(self.scheme, envelope)
        self._contracts: Final = contracts(models, schemas)
        self._clock: Final = clock or SystemClock()

    @property
    def platform(self) -> str:
        """What its events are said to come from: the name of the scheme."""
        return self.scheme.name

    def verify(self, headers: Headers, body: bytes, *, url: str = "", method: str = "POST") -> None:
        """Raise InvalidSignature, with the reason, unless the request is from who has a secret, and not stale.

        `body` are the bytes as they came over the wire, before anything decodes or parses them. `url` is the
        whole URL that the sender called: Twilio, HubSpot and HTTP message signatures sign it.

        The reason is for the log. The other side must not learn it: answer 401 and nothing else. Raises
        InvalidArgument if `headers` are none.
        """
        self.verify_request(request_of(headers, body, url=url, method=method))

    def parse(self, headers: Headers, body: bytes, *, url: str = "", method: str = "POST") -> tuple[ReceivedEvent, ...]:
        """Verify, and answer the events: one for most platforms, as many as there are in HubSpot's lists.

        Raises what `verify` raises, and MalformedEvent if it is signed, but not what the platform sends or the data not
        what `models` and `schemas` say.
        """
        request = request_of(headers, body, url=url, method=method)
        self.verify_request(request)
        return self.read(request)

    def verify_request(self, request: SignableRequest) -> None:
        """As `verify`, for an adapter that has built the request."""
        self.scheme.verify(request, self._secrets, int(self._clock.time()), self._tolerance)

    def read(self, request: SignableRequest) -> tuple[ReceivedEvent, ...]:
        """The events of a request that was verified. Raises MalformedEvent."""
        events = self.envelope.read(request)
        for event in events:
            (self._contracts.find(event.type) or ANYTHING).check(event)
        return events


def request_of(headers: Headers, body: bytes, *, url: str, method: str) -> SignableRequest:
    """The request. Raises InvalidSignature if something has decoded or parsed the body, InvalidArgument for no headers."""
    if not isinstance(body, bytes | bytearray | memoryview):
        raise InvalidSignature(
            SignatureFault.BODY_NOT_BYTES,
            f"the body is {type(body).__name__}, but the signature covers the bytes as they came over the wire: "
            "hand over these (Flask: request.get_data(), Django: request.body, Starlette and FastAPI: await request.body())",
        )
    return SignableRequest(method=method, url=url, headers=header_pairs(headers), body=bytes(body))
