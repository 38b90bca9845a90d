"""The catalogue as this process knows it: routes, targets, schemas, one view a tenant.

A view may be stale for a moment; that is safe, because an append carries the revision that it was
routed with and the store refuses a stale one.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hookline.body.shape import Shape
from hookline.engine.target import Target, target
from hookline.lanes import lane_of, subscription_of
from hookline.model import Event, EventType
from hookline.routing import Routes
from hookline.store.protocol import Store

FILTERS_OF_AN_EVENT: Final = 20_000_000.0
"""Nanoseconds, by the upper bounds of their costs, which are four times the usual: 200 simple ones of a small event."""
FILTERS_OF_A_CALL: Final = 250_000_000.0
"""The same for all events of one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A tenant's catalogue at one revision, made ready for use."""

    revision: int
    routes: Routes[str]
    targets: dict[str, Target]
    enforced: dict[str, EventType]
    filters: dict[str, Shape]
    """Of the subscriptions that have a filter."""
    split: dict[str, int]
    """How many lanes the subscriptions have that have more than one."""

    def target(self, lane: str) -> Target | None:
        """What a lane sends to; None if its subscription is gone."""
        return self.targets.get(lane) or self.targets.get(subscription_of(lane))

    def lane(self, subscription_id: str, event: Event) -> str:
        """The lane of a subscription that `event` goes to."""
        return lane_of(subscription_id, self.split.get(subscription_id, 1), event.ordering_key or event.id)


class Allowance:
    """What filters may take of this process before anything else has its turn, by their upper bounds: see `admitted`."""

    def __init__(self) -> None:
        """For one call, of one event or of many."""
        self.left = FILTERS_OF_A_CALL


def admitted(view: View, subscriptions: Sequence[str], event: Event, allowance: Allowance) -> Sequence[str]:
    """Those whose filter does not refuse the event; a filter that costs more than is left is asked when it is sent."""
    filters = view.filters
    wanted = []
    left = start = min(FILTERS_OF_AN_EVENT, allowance.left)
    for one in subscriptions:
        shape = filters.get(one)
        if shape is not None:
            refused, left = shape.refuses(event, left)
            if refused:
                continue
        wanted.append(one)
    allowance.left -= start - left
    return wanted


class CatalogueCache:
    """Views by tenant, loaded once however many ask at the same time."""

    def __init__(self, store: Store, changed: Callable[[str, View], None]) -> None:
        """Call `changed` for every view that is loaded."""
        self._store = store
        self._changed = changed
        self._views: dict[str, View] = {}
        self._loading: dict[str, asyncio.Task[View]] = {}

    def known(self, tenant: str) -> View | None:
        """The view of a tenant, if it was loaded."""
        return self._views.get(tenant)

    async def get(self, tenant: str) -> View:
        """The view of a tenant."""
        return self._views.get(tenant) or await self.load(tenant)

    async def load(self, tenant: str) -> View:
        """Read the view again, at least as new as this call."""
        running = self._loading.get(tenant)
        if running is not None and not running.done():
            await asyncio.wait([running])  # it may have read before the change that this call is for
            running = self._loading.get(tenant)
        if running is None or running.done():
            running = self._loading[tenant] = asyncio.create_task(self._load(tenant), name=f"hookline-catalogue-{tenant}")
        return await asyncio.shield(running)

    async def refresh(self, tenants: Iterable[str] | None = None) -> None:
        """Read the views again that have changed in the store; all known ones if no tenant is named."""
        revisions = await self._store.revisions()
        for tenant in list(self._views) if tenants is None else self._views.keys() & set(tenants):
            view = self._views.get(tenant)
            if view is not None and view.revision != revisions.get(tenant, 0):
                await self.load(tenant)

    async def _load(self, tenant: str) -> View:
        try:
            stored = await self._store.catalogue(tenant)
            before = self._views.get(tenant)
            former = {} if before is None else before.targets
            targets: dict[str, Target] = {}
            for subscription in stored.subscriptions:
                old = former.get(subscription.id)
                same = old is not None and old.subscription.etag == subscription.etag
                targets[subscription.id] = old if old is not None and same else target(subscription)
            view = View(
                revision=stored.revision,
                routes=Routes((subscription.id, subscription.event_types) for subscription in stored.subscriptions),
                targets=targets,
                enforced={kind.name: kind for kind in stored.event_types if kind.enforce},
                filters={
                    name: one.shape for name, one in targets.items() if one.shape is not None and one.shape.filter is not None
                },
                split={one.id: one.lanes for one in stored.subscriptions if one.lanes > 1},
            )
            if before is None or view.revision >= before.revision:
                self._views[tenant] = view
                self._changed(tenant, view)
            return self._views[tenant]
        finally:
            self._loading.pop(tenant, None)
