"""A subscription made ready to send: what every one of its requests has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hookline.body import render
from hookline.clock import micros
from hookline.errors import FailedPrecondition, InvalidArgument
from hookline.model import Event, Subscription, SubscriptionState
from hookline.signing import SignableRequest, scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A subscription at one etag, with its scheme looked up and its headers laid out."""

    subscription: Subscription
    active: bool
    scheme: "Signer"
    headers: tuple[tuple[str, str], ...]
    expiries: tuple[tuple[str, int | None], ...]

    def secrets(self, now: int) -> list[str]:
        """The secrets that sign at `now` (microseconds), the newest first."""
        return [value for value, expiry in self.expiries if expiry is None or expiry > now]

    def request(self, event: Event, webhook_id: str, now: int) -> SignableRequest:
        """The signed request for `event` at `now` (microseconds). Raises BodyError."""
        body = render(self.subscription.body_format, event)
        headers = (("content-type", body.content_type), *body.headers, *self.headers)
        if event.traceparent:
            headers = (*headers, ("traceparent", event.traceparent))
        unsigned = SignableRequest(
            method="POST", url=self.subscription.url, headers=headers, body=body.content, id=webhook_id, event_type=event.type
        )
        return self.scheme.sign(unsigned, self.secrets(now), now // 1_000_000)

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


def _signer(name: str) -> Signer:
    try:
        return scheme(name)
    except InvalidArgument as fault:  # a newer version wrote it, in a process on the same store
        return _Unknown(fault)


def target(subscription: Subscription) -> Target:
    """Make a subscription ready to send."""
    return Target(
        subscription=subscription,
        active=subscription.state is SubscriptionState.ACTIVE,
        scheme=_signer(subscription.signature_scheme),
        headers=tuple(subscription.headers.items()),
        expiries=tuple(
            (secret.value, None if secret.expire_time is None else micros(secret.expire_time)) for secret in subscription.secrets
        ),
    )
