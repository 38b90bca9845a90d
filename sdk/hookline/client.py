"""The one interface of hookline, whichever door is behind it.

`hookline.open` answers with an embedded client, `hookline.connect` with a remote one; both implement
exactly these classes, so a method cannot exist on one alone. `hookline.sync` is generated from this
file. Every method takes `tenant`; empty means the client's own.

Errors common to all methods: `InvalidArgument` (names the field), `Unavailable` (the store or server
is away; `retry_after` in seconds), `Closed`. What else a method raises stands with it.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from hookline.errors import HooklineError, InvalidArgument
from hookline.model import (
    JSON,
    NO_LABELS,
    Attempt,
    Change,
    Checkpoint,
    Delivery,
    DeliveryState,
    EmitResult,
    Event,
    EventSpec,
    EventType,
    EventTypeSpec,
    Page,
    Replay,
    Secret,
    Stats,
    Subscription,
    SubscriptionSpec,
    TestResult,
)

DEFAULT_TENANT: Final = "default"
DEFAULT_REPLAY_RATE: Final = 100
"""Deliveries that a replay queues a second."""
MAX_BATCH: Final = 1_000
"""Events or deliveries in one batch call."""

EmitOutcome = EmitResult | HooklineError
"""What became of one event of a batch: accepted, or why not."""


class Events(ABC):
    """Events that were accepted, and delivering past ones again."""

    @abstractmethod
    async def get(self, event_id: str, *, tenant: str = "") -> Event:
        """One event. Raises NotFound."""

    @abstractmethod
    async def list(
        self,
        *,
        event_type: str = "",
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page_size: int = 100,
        page_token: str = "",
        tenant: str = "",
    ) -> Page[Event]:
        """Events, newest first; `page_size` 1 to 1,000; times bound `accept_time`, the end excluded.

        A page ends early when its data passes 1 MiB; go by `next_page_token`.
        """

    @abstractmethod
    async def replay(
        self,
        subscription_id: str,
        *,
        event_types: Sequence[str] = (),
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        new_webhook_ids: bool = False,
        max_per_second: int = DEFAULT_REPLAY_RATE,
        states: Sequence[DeliveryState] = (),
        without_delivery: bool = False,
        filter: str = "",
        request_id: str = "",
        tenant: str = "",
    ) -> Replay:
        """Start to deliver past events again to one subscription; goes on behind the answer, over restarts.

        Empty `event_types` means those of the subscription. At most `max_per_second` deliveries (1 to 10,000)
        are queued a second, so that live traffic goes on beside them. With `states`, only events whose last
        delivery to the subscription is in one of them when the replay comes to them; with `without_delivery` also, or
        only, those that have none. With `filter` (CEL, as a subscription has it, which holds beside it) only events for
        which it is true. Raises NotFound, InvalidArgument.
        """

    @abstractmethod
    async def list_replays(
        self, *, subscription_id: str = "", page_size: int = 100, page_token: str = "", tenant: str = ""
    ) -> Page[Replay]:
        """Replays, newest first; of finished ones those that retention has kept."""

    @abstractmethod
    async def get_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """How far a replay is. Raises NotFound."""

    @abstractmethod
    async def cancel_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """Stop a replay; what it has queued stays queued. Raises NotFound."""


class Subscriptions(ABC):
    """Receivers, and everything about delivering to them."""

    @abstractmethod
    async def create(self, spec: SubscriptionSpec, *, request_id: str = "", tenant: str = "") -> Subscription:
        """Create one; a repeated `request_id` answers with the first one. Raises AlreadyExists (same id, other content)."""

    @abstractmethod
    async def get(self, subscription_id: str, *, tenant: str = "") -> Subscription:
        """One subscription, without its secrets. Raises NotFound."""

    @abstractmethod
    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[Subscription]:
        """Subscriptions in the order of their creation."""

    @abstractmethod
    async def update(
        self, subscription_id: str, spec: SubscriptionSpec, *, fields: Sequence[str] = (), etag: str = "", tenant: str = ""
    ) -> Subscription:
        """Set the named fields of `spec` (all but `secret` if none is named).

        What is on the wire finishes with the old values, the next attempt takes the new. Raises
        NotFound, Conflict (the etag is not the current one).
        """

    @abstractmethod
    async def delete(self, subscription_id: str, *, etag: str = "", tenant: str = "") -> None:
        """Delete it; what is pending is cancelled with that reason. Raises NotFound, Conflict."""

    @abstractmethod
    async def pause(self, subscription_id: str, *, reason: str = "", actor: str = "", tenant: str = "") -> Subscription:
        """Hold its deliveries; what arrives meanwhile is kept. Safe to repeat: the first pause stands. Raises NotFound.

        `reason` (at most 1,024 bytes of UTF-8) and `actor`, who pauses it (at most 128), are for people and stand in the holds.
        """

    @abstractmethod
    async def resume(self, subscription_id: str, *, discard_held: bool = False, tenant: str = "") -> Subscription:
        """Deliver (again), after a pause or when it was disabled. Safe to repeat. Raises NotFound.

        With `discard_held` what is pending is cancelled first instead of sent; not of one that is active.
        """

    @abstractmethod
    async def rotate_secret(
        self, subscription_id: str, *, secret: str = "", overlap: float = 86_400.0, request_id: str = "", tenant: str = ""
    ) -> Secret:
        """Sign with a new secret (made here if empty); the old one signs too for `overlap` seconds (0 to 30 days).

        A repeated `request_id` answers with the secret of the first call. Raises NotFound.
        """

    @abstractmethod
    async def get_secret(self, subscription_id: str, *, tenant: str = "") -> Sequence[Secret]:
        """The secrets that sign now, the newest first. Raises NotFound."""

    @abstractmethod
    async def test(
        self, subscription_id: str, event: EventSpec | None = None, *, dry_run: bool = False, tenant: str = ""
    ) -> TestResult:
        """Sign a test event and send it now, once, past the queue; or with `dry_run` show it unsent. Raises NotFound."""


class Deliveries(ABC):
    """One event for one subscription each, and what happened to it."""

    @abstractmethod
    async def get(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """One delivery, with its hold if it is pending. Raises NotFound."""

    @abstractmethod
    async def list(
        self,
        *,
        state: DeliveryState | None = None,
        subscription_id: str = "",
        event_id: str = "",
        event_type: str = "",
        replay_id: str = "",
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page_size: int = 100,
        page_token: str = "",
        tenant: str = "",
    ) -> Page[Delivery]:
        """Deliveries, newest first; `page_size` 1 to 1,000; times bound `create_time`, the end excluded."""

    @abstractmethod
    async def attempts(self, delivery_id: str, *, tenant: str = "") -> Sequence[Attempt]:
        """Every attempt of a delivery, oldest first, over all runs. Raises NotFound."""

    @abstractmethod
    async def retry(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """Try again now: a finished one starts a new run, a waiting one stops waiting. Raises NotFound."""

    @abstractmethod
    async def retry_many(self, delivery_ids: Sequence[str], *, tenant: str = "") -> Sequence[Delivery | HooklineError]:
        """Retry up to 1,000 deliveries; answer i belongs to id i."""

    @abstractmethod
    async def cancel(self, delivery_id: str, *, reason: str = "", tenant: str = "") -> Delivery:
        """End a pending delivery; an attempt on the wire is not recalled.

        Raises NotFound, FailedPrecondition (it is finished already, other than by a cancel).
        """

    @abstractmethod
    async def stats(self, *, tenant: str = "") -> Stats:
        """How many deliveries stand where, in all and by subscription."""


class EventTypes(ABC):
    """The catalogue of event types."""

    @abstractmethod
    async def put(self, name: str, spec: EventTypeSpec, *, etag: str = "", tenant: str = "") -> EventType:
        """Create it, or replace what stands under that name. Raises Conflict (etag)."""

    @abstractmethod
    async def get(self, name: str, *, tenant: str = "") -> EventType:
        """One event type. Raises NotFound."""

    @abstractmethod
    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[EventType]:
        """Event types by name."""

    @abstractmethod
    async def delete(self, name: str, *, etag: str = "", tenant: str = "") -> None:
        """Delete it; events of that type are no longer held to it. Raises NotFound, Conflict."""


class Client(ABC):
    """A door to hookline; use it as an asynchronous context manager."""

    events: Events
    subscriptions: Subscriptions
    deliveries: Deliveries
    event_types: EventTypes

    @abstractmethod
    async def start(self) -> None:
        """Open it. Safe to repeat; the context manager does it."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way, then close. Safe to repeat; the context manager does it."""

    @abstractmethod
    async def emit_event(self, event: EventSpec, *, tenant: str = "") -> EmitResult:
        """Emit one event; answers when it is on disk. Raises AlreadyExists (same id or key, other content), ResourceExhausted."""

    async def emit(
        self,
        type: str,  # the CloudEvents attribute's name
        data: object,
        *,
        id: str = "",  # the CloudEvents attribute's name
        source: str = "",
        subject: str = "",
        time: datetime | None = None,
        data_content_type: str = JSON,
        data_schema: str = "",
        labels: Mapping[str, str] = NO_LABELS,
        idempotency_key: str = "",
        ordering_key: str = "",
        not_before_time: datetime | None = None,
        traceparent: str = "",
        tenant: str = "",
    ) -> EmitResult:
        """Emit one event; answers when it is on disk.

        `data`: bytes go as they are; anything else is written as JSON (and refused if it cannot be).
        Raises AlreadyExists (same id or idempotency key, other content), ResourceExhausted.
        """
        spec = EventSpec(
            type=type,
            data=data if isinstance(data, bytes) else _json(data),
            id=id,
            source=source,
            subject=subject,
            time=time,
            data_content_type=data_content_type,
            data_schema=data_schema,
            labels=labels,
            idempotency_key=idempotency_key,
            ordering_key=ordering_key,
            not_before_time=not_before_time,
            traceparent=traceparent,
        )
        return await self.emit_event(spec, tenant=tenant)

    @abstractmethod
    async def emit_many(self, events: Sequence[EventSpec], *, tenant: str = "") -> Sequence[EmitOutcome]:
        """Emit up to 1,000 events; outcome i belongs to event i, and one that is refused holds back no other."""

    @abstractmethod
    def emit_stream(self, events: AsyncIterable[EventSpec], *, tenant: str = "") -> AsyncIterator[tuple[int, EmitOutcome]]:
        """Emit events as they come; yields (index, outcome) in the order of commits, which is not that of sending."""

    @abstractmethod
    def watch(self, *, subscription_id: str = "", cursor: str = "", tenant: str = "") -> AsyncIterator[Change | Checkpoint]:
        """What happens to deliveries, live, at least once, in commit order; from `cursor` on, or from now if empty.

        Raises OutOfRange when the cursor points to what retention has removed.
        """

    async def __aenter__(self) -> Self:
        """Open."""
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        await self.close()


def _json(data: object) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgument.of("data", f"cannot be written as JSON ({error}); pass JSON values, or bytes") from error
