"""A subscription made ready to send: what every one of its requests has in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hookline.body import Body, BodyError, Template, renderer, template
from hookline.body.shape import Shape, shape
from hookline.classify import OTHER_RETRY_REASON, Rules, rules
from hookline.clock import micros
from hookline.engine.authentication import masked, static_headers
from hookline.errors import FailedPrecondition, InvalidArgument
from hookline.model import (
    AnswerRules,
    BodyFormat,
    ClientCertificate,
    Event,
    OAuth2ClientCredentials,
    Subscription,
    SubscriptionState,
)
from hookline.model.limits import USUAL_ANSWERS
from hookline.signing import SignableRequest, scheme

RETRY_NUMBER = "{retry_number}"
RETRY_REASON = "{retry_reason}"


class Retry(NamedTuple):
    """Which attempt of its run a request is: `number` is 0 for the first; `reason` says why the one before it failed."""

    number: int = 0
    reason: str = OTHER_RETRY_REASON


FIRST = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A subscription at one etag, with its scheme looked up and its headers laid out."""

    subscription: Subscription
    active: bool
    scheme: "Signer"
    headers: tuple[tuple[str, str], ...]
    expiries: tuple[tuple[str, int | None], ...]
    body: Callable[[Event], Body]
    template: Template | None
    """What makes the bodies instead of `body`."""
    retry_headers: tuple[tuple[str, str], ...]
    names_reason: bool
    """The headers of a retry say why the attempt before it failed."""
    rules: Rules | None
    """What answers mean, unless that is as usual."""
    shape: Shape | None
    oauth2: OAuth2ClientCredentials | None
    certificate: ClientCertificate | None
    prepared: bool
    """Something is to be awaited before a request is made: the shape, or a token."""

    def secrets(self, now: int) -> list[str]:
        """The secrets that sign at `now` (microseconds), the newest first."""
        return [value for value, expiry in self.expiries if expiry is None or expiry > now]

    def request(
        self,
        event: Event,
        webhook_id: str,
        now: int,
        retry: Retry = FIRST,
        *,
        token: tuple[tuple[str, str], ...] = (),
    ) -> SignableRequest:
        """The signed request for `event`, as it is prepared, at `now` (microseconds). Raises BodyError."""
        body = self.body(event) if self.template is None else self.template.render(event, webhook_id, retry.number)
        headers = (("content-type", body.content_type), *body.headers, *self.headers, *token)
        if retry.number and self.retry_headers:
            headers = (*headers, *((name, _filled(value, retry)) for name, value in self.retry_headers))
        if event.traceparent:
            headers = (*headers, ("traceparent", event.traceparent))
        unsigned = SignableRequest(
            method="POST", url=self.subscription.url, headers=headers, body=body.content, id=webhook_id, event_type=event.type
        )
        return self.scheme.sign(unsigned, self.secrets(now), now // 1_000_000)

    def shown(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Headers of a request as they may be shown: without the secrets that receivers know their sender by."""
        key_header = self.subscription.signature_parameters.get("api_key_header", "")
        return masked(headers, self.subscription.authentication, key_header=key_header)

    def elapsed(self, since: int, now: int) -> float:
        """Seconds of a run that count against its policy (times in microseconds)."""
        paused = (
            0
            if self.subscription.retry.count_paused
            else sum(max(0, min(end, now) - max(start, since)) for start, end in self._pauses(now))
        )
        return max(0, now - since - paused) / 1_000_000

    def _pauses(self, now: int) -> list[tuple[int, int]]:
        return [(micros(pause.start), now if pause.end is None else micros(pause.end)) for pause in self.subscription.pauses]


class Signer(Protocol):
    """The part of a scheme that sends."""

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """See `Scheme`."""


class _Unknown:
    """Stands in for a scheme that this version does not know: each attempt says so, and nothing else is held up."""

    def __init__(self, fault: InvalidArgument) -> None:
        self._fault = str(fault)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        del request, secrets, now
        raise FailedPrecondition(self._fault)


def _signer(name: str, parameters: Mapping[str, str]) -> Signer:
    try:
        return scheme(name, parameters)
    except InvalidArgument as fault:  # a newer version wrote it, in a process on the same store
        return _Unknown(fault)


def _filled(value: str, retry: Retry) -> str:
    return value.replace(RETRY_NUMBER, str(retry.number)).replace(RETRY_REASON, retry.reason)


def _template(subscription: Subscription) -> tuple[Callable[[Event], Body], Template | None]:
    if subscription.body_format is not BodyFormat.TEMPLATE:
        return renderer(subscription.body_format), None
    try:
        return renderer(BodyFormat.TEMPLATE), template(subscription.body_template)
    except InvalidArgument as fault:  # as for a scheme
        said = str(fault)

    def refuse(event: Event) -> Body:
        del event
        raise BodyError(said)

    return refuse, None


def _rules(answers: AnswerRules) -> Rules | None:
    if answers == USUAL_ANSWERS:
        return None
    try:
        return rules(answers)
    except InvalidArgument:  # as for a scheme: what this version does not understand of them means the usual
        return None


def target(subscription: Subscription) -> Target:
    """Make a subscription ready to send."""
    body, made_template = _template(subscription)
    authentication, shaped = subscription.authentication, shape(subscription)
    oauth2 = authentication if isinstance(authentication, OAuth2ClientCredentials) else None
    return Target(
        subscription=subscription,
        active=subscription.state is SubscriptionState.ACTIVE,
        scheme=_signer(subscription.signature_scheme, subscription.signature_parameters),
        headers=(*subscription.headers.items(), *static_headers(authentication)),
        expiries=tuple(
            (secret.value, None if secret.expire_time is None else micros(secret.expire_time)) for secret in subscription.secrets
        ),
        body=body,
        template=made_template,
        retry_headers=tuple(subscription.retry_headers.items()),
        names_reason=any(RETRY_REASON in value for value in subscription.retry_headers.values()),
        rules=_rules(subscription.answers),
        shape=shaped,
        oauth2=oauth2,
        certificate=subscription.client_certificate,
        prepared=shaped is not None or oauth2 is not None,
    )
