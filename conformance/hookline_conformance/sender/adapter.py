"""What a sender must offer to be put under test, and how it declares what it lacks."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

STANDARD_SCHEMES = ("standard", "svix")


class Feature(StrEnum):
    """What a sender may have or lack. A check that needs one it lacks is reported as unsupported."""

    VIRTUAL_CLOCK = "virtual-clock"
    """`advance` moves its clock."""
    SCHEDULE = "schedule"
    """The delays between attempts can be configured for each target."""
    TIMEOUT = "timeout"
    """The timeout of an attempt can be configured for each target."""
    ATTEMPTS = "attempts"
    """`attempts` tells what it recorded of each attempt."""
    STATES = "states"
    """`attempts` tells whether a delivery is pending, delivered, exhausted or cancelled."""
    RESTART = "restart"
    """`restart` ends it in good order and starts it again on the same store."""
    KILL = "kill"
    """`restart` can end it as `kill -9` does."""
    ROTATE = "rotate"
    PAUSE = "pause"
    UPDATE = "update"
    DELETE = "delete"
    EVENT_TYPES = "event-types"
    """A target is told of chosen event types alone."""
    TENANTS = "tenants"
    IDEMPOTENCY = "idempotency"
    """An emission may carry an idempotency key."""
    ORDERING = "ordering"
    """A target may ask for the events of an ordering key one by one."""
    EXACT = "exact"
    """The bytes of the event stand in the body as they were given."""
    RAW = "raw"
    """The body can be the bytes of the event alone, whatever they are."""
    HEADERS = "headers"
    """A target may have headers of its own."""
    HTTPS = "https"
    """It can be told of an authority to trust (`Target.authority`), or was started so that it trusts the suite's."""
    GUARD = "guard"
    """It can be asked to refuse addresses that are not of the Internet (`Target.guarded`)."""
    DISABLES_ON_GONE = "disables-on-gone"
    """A target that answers 410 gets no more attempts."""
    RETRY_AFTER = "retry-after"
    SCHEDULED = "scheduled"
    """An emission may ask not to be delivered before a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a sender declares of itself.

    `schedule`: its own delays in seconds, which hold where none are configured. `jitter`: by what fraction
    each delay may be longer or shorter; `jitter_up_only` for one that is never shorter. `timeout`: its own,
    in seconds; `shortest_timeout` and `shortest_delay` the least that can be configured. `retry_after_cap`:
    the longest wish of a receiver that it follows, in seconds.
    """

    name: str
    version: str = ""
    scheme: str = "standard"
    features: frozenset[Feature] = frozenset()
    schedule: tuple[float, ...] = ()
    jitter: float = 0.1
    timeout: float = 15.0
    shortest_timeout: float = 1.0
    shortest_delay: float = 0.001
    retry_after_cap: float = 86_400.0

    def __post_init__(self) -> None:
        if self.scheme not in STANDARD_SCHEMES:
            raise ValueError(f"scheme: {self.scheme!r} is none of {', '.join(STANDARD_SCHEMES)}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter: {self.jitter!r} is not from 0 to less than 1")
        if any(delay < 0 for delay in self.schedule):
            raise ValueError(f"schedule: {self.schedule!r} has a negative delay")
        for field_name in ("timeout", "shortest_timeout", "shortest_delay", "retry_after_cap"):
            if not getattr(self, field_name) > 0:
                raise ValueError(f"{field_name}: {getattr(self, field_name)!r} is not more than 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """A receiver that the sender is to deliver to. What is None or empty is left to the sender's default.

    `schedule`: the delays between attempts in seconds, so one attempt more than delays. `guarded`: refuse
    addresses that are not of the Internet, as in production. `authority`: PEM of a certificate authority to
    trust. `raw`: the body is the event's bytes and nothing else.
    """

    url: str
    secret: str = ""
    event_types: tuple[str, ...] = ()
    tenant: str = ""
    schedule: tuple[float, ...] | None = None
    jitter: float | None = None
    timeout: float | None = None
    ordered: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    guarded: bool = False
    authority: bytes = b""
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """An event. `not_before` is in seconds from now, by the sender's clock."""

    type: str
    data: bytes = b"{}"
    content_type: str = "application/json"
    tenant: str = ""
    key: str = ""
    ordering_key: str = ""
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """An event was acknowledged. `event_id` is the sender's name for it; `duplicate`: it was known already."""

    event_id: str
    duplicate: bool = False


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """An attempt as the sender recorded it. `start` is in seconds since 1970 by the sender's clock.

    `state` is that of the delivery it belongs to; `failed`: the sender took it for a failure; `blocked`: its address
    guard refused to dial.
    """

    event_id: str
    number: int
    start: float
    status: int = 0
    failed: bool = False
    blocked: bool = False
    error: str = ""
    state: DeliveryState = DeliveryState.UNKNOWN


class Refused(Exception):
    """The sender refused a call; `code` is its own word for why. Not a failure of the adapter."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class AdapterError(Exception):
    """The adapter cannot do its work: the sender does not answer, or answers what cannot be understood.

    The run ends without a verdict.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes other with a target; None leaves a field as it is."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None


class SenderAdapter(ABC):
    """Drives a sender. Targets are named by the text that `configure` answered.

    Methods raise `Refused` where the sender says no, and `AdapterError` where it cannot be driven. A method
    whose feature is not declared is never called.
    """

    @abstractmethod
    async def open(self) -> Capabilities:
        """Connect, and say what the sender can do."""

    @abstractmethod
    async def close(self) -> None:
        """Remove what was configured, and let go."""

    @abstractmethod
    async def configure(self, spec: TargetSpec) -> str:
        """Make a target; its name."""

    @abstractmethod
    async def secret(self, target: str) -> str:
        """The secret that signs for a target, newest first where there are several."""

    @abstractmethod
    async def emit(self, emission: Emission) -> Emitted:
        """Emit an event; the answer is the acknowledgement that it will not be lost."""

    @abstractmethod
    async def delete(self, target: str) -> None:
        """Remove a target. Checks clean up with it even where the feature is not declared; then it may do nothing."""

    async def attempts(self, target: str) -> list[AttemptRecord]:
        """What the sender recorded so far for a target, the oldest first (ATTEMPTS). Deliveries without an attempt are left out."""
        raise _missing(self, Feature.ATTEMPTS)

    async def advance(self, seconds: float) -> None:
        """Move the sender's clock (VIRTUAL_CLOCK).

        The timers within fire in their order, and the answer comes when each attempt that became due has
        its outcome recorded. 0 seconds waits for what is due now.
        """
        raise _missing(self, Feature.VIRTUAL_CLOCK)

    async def now(self) -> float:
        """Seconds since 1970 by the sender's clock (VIRTUAL_CLOCK)."""
        raise _missing(self, Feature.VIRTUAL_CLOCK)

    async def restart(self, *, kill: bool) -> None:
        """End the sender and start it again on the same store (RESTART, KILL)."""
        raise _missing(self, Feature.RESTART)

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        """Sign with a new secret; the former signs too for `overlap` seconds (ROTATE). The secret in use afterwards."""
        raise _missing(self, Feature.ROTATE)

    async def pause(self, target: str) -> None:
        """Hold a target's deliveries (PAUSE)."""
        raise _missing(self, Feature.PAUSE)

    async def resume(self, target: str) -> None:
        """Deliver again (PAUSE)."""
        raise _missing(self, Feature.PAUSE)

    async def update(self, target: str, change: Change) -> None:
        """Change a target (UPDATE)."""
        raise _missing(self, Feature.UPDATE)


def _missing(adapter: SenderAdapter, feature: Feature) -> AdapterError:
    return AdapterError(f"{type(adapter).__name__} declares the feature {feature} and does not implement it")
