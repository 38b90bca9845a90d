"""Events of the embedded client."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hookline.body.cel import ExpressionError, compile_filter
from hookline.client import DEFAULT_REPLAY_RATE, Events
from hookline.clock import moment, now_micros
from hookline.embedded.door import Door, known_id, page, page_after, span, token_after
from hookline.embedded.repeat import repeatable
from hookline.engine.router import ReplaySpec, replay_of
from hookline.errors import InvalidArgument, NotFound, quoted
from hookline.ids import REPLAY
from hookline.model import DeliveryState, Event, Page, Replay
from hookline.routing import is_pattern
from hookline.store.protocol import EventFilter, Job, JobKind, Positioned
from hookline.validation import check_type
from hookline.validation.text import is_whole

MAX_PATTERNS: Final = 100
FASTEST_REPLAY: Final = 10_000
"""Deliveries a second."""
STRIDE: Final = 8
"""Events that are read first for a page; how many more at a time depends on their size."""
LONGEST_PAGE: Final = 1024 * 1024
"""Bytes of data after which a page ends early, so that any gRPC client can take it."""


class EmbeddedEvents(Events):
    """See `Events`."""

    def __init__(self, door: Door) -> None:
        """Part of `door`."""
        self._door = door

    async def get(self, event_id: str, *, tenant: str = "") -> Event:
        """See `Events`."""
        engine = await self._door.engine()
        event = await engine.store.event(self._door.tenant(tenant), known_id(event_id, "event_id"))
        if event is None:
            raise NotFound("event", event_id)
        return event

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
        """See `Events`."""
        limit, before = page(page_size, page_token)
        start, end = span(from_time, to_time)
        if event_type:
            check_type(event_type, "event_type")
        which = EventFilter(types=(event_type,) if event_type else (), from_time=start, to_time=end)
        engine = await self._door.engine()
        owner = self._door.tenant(tenant)
        found: list[Positioned] = []
        size = 0
        while size < LONGEST_PAGE and len(found) < limit:
            fitting = (LONGEST_PAGE - size) * len(found) // size if size else 0
            wanted = min(limit - len(found), max(STRIDE, fitting))
            more = await engine.store.events(owner, which, before=found[-1].pos if found else before, limit=wanted)
            found += more
            size += sum(len(event.data) for _, event in more)
            if len(more) < wanted:
                return Page(items=tuple(event for _, event in found))
        return Page(items=tuple(event for _, event in found), next_page_token=str(found[-1].pos))

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
        """See `Events`."""
        engine = await self._door.engine()
        name = self._door.tenant(tenant)
        span(from_time, to_time)
        if len(event_types) > MAX_PATTERNS:
            raise InvalidArgument.of("event_types", f"{len(event_types)} patterns; name at most {MAX_PATTERNS}")
        for index, pattern in enumerate(event_types):
            if not is_pattern(pattern):
                raise InvalidArgument.of(
                    f"event_types[{index}]", f"{quoted(pattern)} is no pattern; write invoice.paid, invoice.* or *"
                )
        if not (is_whole(max_per_second) and 1 <= max_per_second <= FASTEST_REPLAY):
            raise InvalidArgument.of(
                "max_per_second", f"{quoted(max_per_second)} is out of range; right is a whole number from 1 to {FASTEST_REPLAY}"
            )
        _check_filter(filter)
        for index, state in enumerate(states):
            if not isinstance(state, DeliveryState):
                raise InvalidArgument.of(f"states[{index}]", f"{quoted(state)} is no DeliveryState")
        subscription = await engine.store.subscription(name, known_id(subscription_id, "subscription_id"))
        if subscription is None:
            raise NotFound("subscription", subscription_id)
        now = moment(now_micros(engine.clock))
        spec = ReplaySpec(
            event_types=tuple(event_types) or subscription.event_types,
            from_time=from_time,
            to_time=to_time or now,  # what comes later is delivered anyway
            new_webhook_ids=new_webhook_ids,
            max_per_second=max_per_second,
            states=tuple(sorted(set(states))),
            without_delivery=without_delivery,
            filter=filter,
        )
        asked = (subscription_id, *event_types, str(from_time), str(to_time), str(new_webhook_ids), str(max_per_second))
        if states or without_delivery or filter:
            asked = (*asked, *map(str, states), str(without_delivery), filter)
        repeat = await repeatable(engine, name, "ReplayEvents", request_id, asked)
        if repeat.first is not None:
            return await self.get_replay(repeat.first, tenant=name)
        job = Job(
            tenant=name,
            id=engine.ids.new(REPLAY),
            kind=JobKind.REPLAY,
            subject=subscription_id,
            spec=spec.to_json(),
            cursor="",
            scanned=0,
            added=0,
            cancelled=False,
            create_time=now,
            finish_time=None,
        )
        job = await engine.store.add_job(job, repeat.request)
        engine.router.nudge()
        return replay_of(job)

    async def get_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """See `Events`."""
        engine = await self._door.engine()
        job = await engine.store.job(self._door.tenant(tenant), known_id(replay_id, "replay_id"))
        if job is None or job.kind is not JobKind.REPLAY:
            raise NotFound("replay", replay_id)
        return replay_of(job)

    async def list_replays(
        self, *, subscription_id: str = "", page_size: int = 100, page_token: str = "", tenant: str = ""
    ) -> Page[Replay]:
        """See `Events`."""
        limit, before = page_after(page_size, page_token)
        if subscription_id:
            known_id(subscription_id, "subscription_id")
        engine = await self._door.engine()
        found = await engine.store.replays(self._door.tenant(tenant), subscription_id, before=before, limit=limit)
        return Page(items=tuple(map(replay_of, found)), next_page_token=token_after(found[-1].id) if len(found) == limit else "")

    async def cancel_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """See `Events`."""
        await self.get_replay(replay_id, tenant=tenant)
        engine = await self._door.engine()
        await engine.store.end_job(self._door.tenant(tenant), replay_id, at=now_micros(engine.clock))
        return await self.get_replay(replay_id, tenant=tenant)


def _check_filter(source: str) -> None:
    """Raise InvalidArgument for what is no filter."""
    if not isinstance(source, str):
        raise InvalidArgument.of("filter", f"{quoted(source)} is no CEL expression")
    if source:
        try:
            compile_filter(source)
        except ExpressionError as error:
            raise InvalidArgument.of("filter", error.message) from error
