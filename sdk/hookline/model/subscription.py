"""Subscriptions: a receiver's URL and everything about delivering to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from hookline.model.authentication import Authentication, ClientCertificate
from hookline.model.limits import USUAL_ANSWERS, USUAL_BREAKER, AnswerRules, CircuitBreaker, RateLimit
from hookline.model.policy import STANDARD, RetryPolicy

DAY: Final = 86_400.0
"""Seconds."""


class BodyFormat(StrEnum):
    """How an event becomes the body of a request."""

    STANDARD = "standard"
    """`{"type", "timestamp", "data"}` (Standard Webhooks, "Payload structure"); data is spliced in as it is."""
    RAW = "raw"
    """The event's bytes and their content type, nothing else."""
    CLOUDEVENTS_STRUCTURED = "cloudevents-structured"
    """CloudEvents 1.0.2, HTTP binding, structured mode."""
    CLOUDEVENTS_BINARY = "cloudevents-binary"
    """CloudEvents 1.0.2, HTTP binding, binary mode."""
    TEMPLATE = "template"
    """The JSON that `body_template` describes; data is spliced in as it is."""


class Ordering(StrEnum):
    """What order a receiver may rely on."""

    NONE = "none"
    BY_KEY = "by-key"
    """Events with the same ordering key one by one, in commit order."""


class SubscriptionState(StrEnum):
    """Whether deliveries are made. What arrives in between is held, not lost."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By hand."""
    DISABLED = "disabled"
    """By hookline, for the reason in `state_reason` (the receiver answered 410, say)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A signing secret; after a rotation the former one also signs until `expire_time`."""

    value: str
    expire_time: datetime | None = None

    def __repr__(self) -> str:
        """Never the value."""
        return f"Secret(value='***', expire_time={self.expire_time!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A span in which nothing was delivered, by hand or because the subscription was disabled."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSpec:
    """What a caller says of a subscription.

    `timeout` is the whole of an attempt, in seconds, from the first packet to the last byte of the
    answer. `max_in_flight` bounds concurrent requests. `secret` is as the scheme wants it
    (docs/signatures.md; `standard`: `whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519
    key), and made by hookline if empty.

    `profile` only says where the other values come from (`hookline.profile(name).spec(url=…)`).
    `signature_parameters` are what the scheme is told beside its name. `filter` and `transform` are CEL
    expressions over the event, `fields` paths into its data (docs/shaping.md). `retry_headers` go with
    every attempt but the first. `step_aside_after` is a number of failed attempts after which an ordered
    delivery lets those behind it go, 0 for never. `hold_for` (seconds, None for ever) is how long events
    are held while the subscription is paused or disabled. After `disable_after` seconds of nothing but
    failures it is disabled; 0 for never. `lanes` (1 to 64) is how many queues it has, each served by one
    node at a time, which share its limits; events go to them by a hash of the ordering key, or of the id.
    """

    url: str
    event_types: tuple[str, ...] = ("*",)
    description: str = ""
    body_format: BodyFormat = BodyFormat.STANDARD
    signature_scheme: str = "standard"
    secret: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: RetryPolicy = STANDARD
    timeout: float = 15.0
    max_in_flight: int = 64
    ordering: Ordering = Ordering.NONE
    labels: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    signature_parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    authentication: Authentication | None = None
    client_certificate: ClientCertificate | None = None
    filter: str = ""
    fields: tuple[str, ...] = ()
    transform: str = ""
    body_template: str = ""
    answers: AnswerRules = USUAL_ANSWERS
    retry_headers: Mapping[str, str] = field(default_factory=dict)
    rate: RateLimit | None = None
    breaker: CircuitBreaker = USUAL_BREAKER
    step_aside_after: int = 0
    hold_for: float | None = None
    disable_after: float = 5 * DAY
    lanes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Subscription:
    """A subscription as it stands. `secrets` is the current one first; clients see none (`get_secret`)."""

    tenant: str
    id: str
    url: str
    event_types: tuple[str, ...]
    description: str
    body_format: BodyFormat
    signature_scheme: str
    headers: Mapping[str, str]
    retry: RetryPolicy
    timeout: float
    max_in_flight: int
    ordering: Ordering
    labels: Mapping[str, str]
    state: SubscriptionState
    state_reason: str
    etag: str
    create_time: datetime
    update_time: datetime
    secrets: tuple[Secret, ...] = ()
    pauses: tuple[Pause, ...] = ()
    """The last ones, the newest at the end; for policies that do not count paused time."""
    profile: str = ""
    signature_parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    authentication: Authentication | None = None
    client_certificate: ClientCertificate | None = None
    filter: str = ""
    fields: tuple[str, ...] = ()
    transform: str = ""
    body_template: str = ""
    answers: AnswerRules = USUAL_ANSWERS
    retry_headers: Mapping[str, str] = field(default_factory=dict)
    rate: RateLimit | None = None
    breaker: CircuitBreaker = USUAL_BREAKER
    step_aside_after: int = 0
    hold_for: float | None = None
    disable_after: float = 5 * DAY
    lanes: int = 1
    former_lanes: int = 0
    """How many there were before the number was lowered, as long as the others may hold something; clients see 0."""
    state_actor: str = ""
    """Who paused it, as they said; empty if they did not, or if hookline disabled it."""
