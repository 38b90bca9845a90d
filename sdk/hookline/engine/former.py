"""Lanes that a subscription no longer has: when the last of them is empty, the others get their part of the limits."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from hookline.engine.lane import Lane
from hookline.errors import HooklineError
from hookline.lanes import lane_names
from hookline.model import Subscription
from hookline.store.protocol import Store

LOGGER: Final = logging.getLogger(__name__)


async def watch_former(store: Store, lanes: Callable[[], Iterable[Lane]], interval: float) -> None:
    """Look at the subscriptions whose first lane this node holds every `interval` seconds, for ever."""
    while True:
        await asyncio.sleep(interval)
        for lane in list(lanes()):
            subscription = lane.target.subscription
            if subscription.former_lanes and lane.key.lane == subscription.id:
                try:
                    await give_up_former(store, subscription)
                except HooklineError as error:
                    LOGGER.warning("whether former lanes are empty could not be asked, trying again: %s", error)


async def give_up_former(store: Store, subscription: Subscription) -> None:
    """Let the limits be shared by the lanes that there are, if the former ones are empty. Raises Unavailable."""
    there = set(lane_names(subscription.id, subscription.lanes))
    standing = await store.lanes(subscription.tenant, subscription.id)
    if any(pending for lane, pending in standing.items() if lane not in there):
        return
    shared = replace(subscription, former_lanes=0, etag=str(int(subscription.etag) + 1))
    await store.replace_subscription(shared, etag=subscription.etag)  # if it was changed meanwhile, the next look sees to it
