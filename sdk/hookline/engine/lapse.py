"""Cancels what was held for too long: events for subscriptions that are paused or disabled, beyond their `hold_for`."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Final

from hookline.clock import Clock, micros, now_micros
from hookline.engine.lane import NEVER, Lane
from hookline.errors import HooklineError
from hookline.model import Subscription, SubscriptionState
from hookline.store.protocol import LaneKey, WorkQueue

LOGGER: Final = logging.getLogger(__name__)
STEP: Final = 500
"""Deliveries in one commit."""
SECOND: Final = 1_000_000


async def lapse(queue: WorkQueue, lanes: Callable[[], Iterable[Lane]], clock: Clock, interval: float) -> None:
    """Look at the lanes of this node every `interval` seconds, for ever."""
    while True:
        await asyncio.sleep(interval)
        for lane in list(lanes()):
            if lane.target.active or lane.closing:
                continue
            try:
                held = lane.target.subscription
                await lapse_held(queue, held, [lane.key.lane], clock, still=partial(_holds, lane, held.state))
            except HooklineError as error:
                LOGGER.warning("what is held too long could not be cancelled, trying again: %s", error)


async def lapse_all(queue: WorkQueue, tenant: str, lanes: Iterable[str], clock: Clock, *, reason: str) -> None:
    """Cancel everything that is pending in these lanes now, in steps. Raises Unavailable."""
    for lane in lanes:  # whatever its time: whoever has emitted it may have a clock that is ahead
        await _lapse(queue, LaneKey(tenant, lane), NEVER, clock, reason=reason)


def _holds(lane: Lane, state: SubscriptionState) -> bool:
    """Whether the lane's subscription still stands as it did."""
    return lane.target.subscription.state is state and not lane.closing


def _always() -> bool:
    return True


async def lapse_held(
    queue: WorkQueue, subscription: Subscription, lanes: Iterable[str], clock: Clock, *, still: Callable[[], bool] = _always
) -> None:
    """Cancel what a paused or disabled subscription has held in these lanes for longer than it holds. Raises Unavailable.

    What was pending before is held from the pause on. Before each step it is asked whether that is `still` so: it may
    have been resumed meanwhile.
    """
    since = held_since(subscription)
    if subscription.hold_for is None or since is None:
        return
    before = now_micros(clock) - int(subscription.hold_for * SECOND)
    if micros(since) <= before:
        reason = f"held for more than {subscription.hold_for:g} s while its subscription was {subscription.state.value}"
        for lane in lanes:
            await _lapse(queue, LaneKey(subscription.tenant, lane), before + 1, clock, reason=reason, still=still)


def held_since(subscription: Subscription) -> datetime | None:
    """When a subscription was paused or disabled; None if it is active."""
    if subscription.state is SubscriptionState.ACTIVE:
        return None
    last = subscription.pauses[-1] if subscription.pauses else None
    return subscription.update_time if last is None or last.end is not None else last.start


async def _lapse(
    queue: WorkQueue, key: LaneKey, before: int, clock: Clock, *, reason: str, still: Callable[[], bool] = _always
) -> None:
    done = STEP
    while done == STEP and still():
        done = await queue.lapse(key, before=before, limit=STEP, reason=reason, at=now_micros(clock))
