"""Deliveries of the embedded client: what stands where and why, and setting it going again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hookline.client import MAX_BATCH, Deliveries
from hookline.clock import now_micros
from hookline.embedded.door import Door, known_id, page, span
from hookline.engine import Engine
from hookline.engine.crowding import crowded, under_way
from hookline.engine.lapse import held_since
from hookline.engine.pace import hold_of
from hookline.errors import FailedPrecondition, HooklineError, InvalidArgument, NotFound, quoted
from hookline.lanes import limited
from hookline.model import Attempt, Delivery, DeliveryState, Hold, HoldKind, Ordering, Page, Stats, Subscription, SubscriptionState
from hookline.store.protocol import DeliveryFilter, LaneKey, StoredDelivery
from hookline.validation import check_string, check_type

LONGEST_REASON = 1_024


class EmbeddedDeliveries(Deliveries):
    """See `Deliveries`."""

    def __init__(self, door: Door) -> None:
        """Part of `door`."""
        self._door = door

    async def get(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """See `Deliveries`."""
        engine = await self._door.engine()
        (held,) = await _held(engine, [await self._find(engine, delivery_id, tenant)])
        return held

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
        """See `Deliveries`."""
        limit, before = page(page_size, page_token)
        start, end = span(from_time, to_time)
        for field, value in (("subscription_id", subscription_id), ("event_id", event_id), ("replay_id", replay_id)):
            if value:
                known_id(value, field)
        if event_type:
            check_type(event_type, "event_type")
        engine = await self._door.engine()
        name = self._door.tenant(tenant)
        if replay_id and not subscription_id:  # its own subscription's lanes are all that has to be looked through
            job = await engine.store.job(name, replay_id)
            subscription_id = "" if job is None else job.subject
        which = DeliveryFilter(
            state=state,
            subscription_id=subscription_id,
            event_id=event_id,
            event_type=event_type,
            replay_id=replay_id,
            from_time=start,
            to_time=end,
        )
        found = await engine.store.deliveries(name, which, before=before, limit=limit)
        token = str(found[-1].pos) if len(found) == limit else ""
        return Page(items=tuple(await _held(engine, found)), next_page_token=token)

    async def attempts(self, delivery_id: str, *, tenant: str = "") -> Sequence[Attempt]:
        """See `Deliveries`."""
        engine = await self._door.engine()
        await self._find(engine, delivery_id, tenant)
        return await engine.store.attempts(self._door.tenant(tenant), delivery_id)

    async def retry(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """See `Deliveries`."""
        engine = await self._door.engine()
        found = await self._find(engine, delivery_id, tenant)
        if await engine.store.subscription(found.delivery.tenant, found.delivery.subscription_id) is None:
            raise FailedPrecondition(f"the subscription of delivery {delivery_id} was deleted; it cannot be delivered again")
        await engine.store.requeue(found.delivery.tenant, delivery_id, at=now_micros(engine.clock))
        engine.dispatcher.look([LaneKey(found.delivery.tenant, found.lane)])
        return await self.get(delivery_id, tenant=tenant)

    async def retry_many(self, delivery_ids: Sequence[str], *, tenant: str = "") -> Sequence[Delivery | HooklineError]:
        """See `Deliveries`."""
        if not 1 <= len(delivery_ids) <= MAX_BATCH:
            raise InvalidArgument.of("delivery_ids", f"{len(delivery_ids)} ids in one call; send 1 to {MAX_BATCH}")
        outcomes: list[Delivery | HooklineError] = []
        for delivery_id in delivery_ids:
            try:
                outcomes.append(await self.retry(delivery_id, tenant=tenant))
            except HooklineError as error:
                outcomes.append(error)
        return outcomes

    async def cancel(self, delivery_id: str, *, reason: str = "", tenant: str = "") -> Delivery:
        """See `Deliveries`."""
        check_string(reason, "reason", LONGEST_REASON)
        engine = await self._door.engine()
        _, found, lane = await self._find(engine, delivery_id, tenant)
        # Out of memory first, so that no attempt starts between the commit and our hearing of it.
        key = LaneKey(found.tenant, lane)
        work = engine.dispatcher.forget(key, delivery_id)
        try:
            done = await engine.store.cancel(
                found.tenant, delivery_id, reason=reason or "cancelled by hand", at=now_micros(engine.clock)
            )
        except BaseException:
            if work is not None:
                engine.dispatcher.restore(work)
            raise
        engine.dispatcher.ended(key, [delivery_id])  # it may have been read meanwhile
        engine.changed.ring()
        after = await self.get(delivery_id, tenant=tenant)
        if not done and after.state is not DeliveryState.CANCELLED:
            raise FailedPrecondition(f"delivery {delivery_id} is {after.state.value} already; only a pending one can be cancelled")
        return after

    async def stats(self, *, tenant: str = "") -> Stats:
        """See `Deliveries`."""
        engine = await self._door.engine()
        return await engine.store.stats(self._door.tenant(tenant), now=now_micros(engine.clock))

    async def _find(self, engine: Engine, delivery_id: str, tenant: str) -> StoredDelivery:
        found = await engine.store.delivery(self._door.tenant(tenant), known_id(delivery_id, "delivery_id"))
        if found is None:
            raise NotFound("delivery", delivery_id)
        return found


async def _held(engine: Engine, found: Sequence[StoredDelivery]) -> Sequence[Delivery]:
    """The deliveries, each pending one with what holds it, if anything does."""
    subscriptions: dict[tuple[str, str], Subscription | None] = {}
    paces: dict[LaneKey, Hold | None] = {}
    started: dict[LaneKey, frozenset[str]] = {}
    result: list[Delivery] = []
    for _, delivery, lane in found:
        if delivery.state is DeliveryState.PENDING:
            key = delivery.tenant, delivery.subscription_id
            if key not in subscriptions:
                subscriptions[key] = await engine.store.subscription(*key)
            subscription = subscriptions[key]
            now = now_micros(engine.clock)
            held = hold(delivery, subscription, now)
            if held is None and subscription is not None and subscription.ordering is Ordering.BY_KEY:
                held = await _behind(engine, delivery)
            if held is None and subscription is not None:
                at = LaneKey(delivery.tenant, lane)
                if at not in paces:
                    paces[at] = await _paced(engine, subscription, at, now)
                held = paces[at]
                if held is None:
                    held = _crowded(engine, at, delivery.id, started)
            result.append(replace(delivery, hold=held))
        else:
            result.append(delivery)
    return result


async def _paced(engine: Engine, subscription: Subscription, key: LaneKey, now: int) -> Hold | None:
    """Its lane starts nothing for now; what the lane itself says is newer than what is kept of it."""
    rate = limited(subscription, key.lane).rate
    lane = engine.dispatcher.lanes.get(key)
    if lane is not None:
        return hold_of(lane.pace.text(), rate, now)
    states = await engine.store.states(key.tenant, [key.lane])
    return hold_of(states.get(key.lane, ""), rate, now)


def _crowded(engine: Engine, key: LaneKey, delivery_id: str, started: dict[LaneKey, frozenset[str]]) -> Hold | None:
    """It waits for the end of other requests; None also where another process has the lane, and knows."""
    lane = engine.dispatcher.lanes.get(key)
    held = None if lane is None else crowded(lane)
    if lane is None or held is None:
        return None
    if key not in started:
        started[key] = under_way(lane)
    return None if delivery_id in started[key] else held


async def _behind(engine: Engine, delivery: Delivery) -> Hold | None:
    """An earlier delivery of the same ordering key goes first."""
    blocker = await engine.store.blocker(delivery.tenant, delivery.id)
    if blocker is None:
        return None
    event = await engine.store.event(delivery.tenant, delivery.event_id)
    place = f"behind delivery {blocker} of the same ordering key" + ("" if event is None else f" {quoted(event.ordering_key)}")
    return Hold(
        kind=HoldKind.ORDERING,
        reason=f"{place}; it goes on when that one is delivered, exhausted or cancelled",
    )


def hold(delivery: Delivery, subscription: Subscription | None, now: int) -> Hold | None:
    """Why a pending delivery does not move; None if it is due, or under way."""
    since = None if subscription is None else held_since(subscription)
    if subscription is not None and since is not None:
        paused = subscription.state is SubscriptionState.PAUSED
        kind = HoldKind.PAUSED if paused else HoldKind.DISABLED
        what = "paused" if paused else "disabled"
        remedy = "resume it" if paused else "mend it, then resume it"
        until = None
        if subscription.hold_for is not None:
            until = max(delivery.create_time, since) + timedelta(seconds=subscription.hold_for)
            remedy += f" before {_text(until)}, when it is cancelled as held for too long"
        who = f" by {subscription.state_actor}" if subscription.state_actor else ""
        reason = f"its subscription was {what}{who} at {_text(since)}: {subscription.state_reason}; {remedy}"
        return Hold(kind=kind, reason=reason, until=until)
    due = delivery.next_attempt_time
    if due is None or due.timestamp() * 1_000_000 <= now:
        return None
    if delivery.attempts == 0 and delivery.reason in ("", HoldKind.SCHEDULED):
        return Hold(kind=HoldKind.SCHEDULED, reason="the event is not to be delivered before this time", until=due)
    return Hold(kind=HoldKind.RETRY, reason=f"waits for its next attempt: {delivery.reason}", until=due)


def _text(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
