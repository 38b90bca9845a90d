"""Operational events: what the operator of a subscription should hear of, by the same way as everything else.

They are of the subscription's own tenant and, where the operator has one, of the operator's (`operator_tenant`) too.
They have types that begin with `hookline.`, and go to the subscriptions that name such a type or `hookline.*`; to `*`
they do not go. They beget none: what becomes of their deliveries is told by no other, nor what becomes of a
subscription that takes nothing else.
"""

import json
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, NamedTuple

from hookline.clock import moment
from hookline.engine.catalogue import CatalogueCache
from hookline.engine.ingest import EmitOutcome, Ingest
from hookline.engine.lane import Lane
from hookline.errors import HooklineError
from hookline.lanes import subscription_of
from hookline.model import EventSpec, Subscription
from hookline.routing import OPERATIONAL
from hookline.store.protocol import Settlement

LOGGER: Final = logging.getLogger(__name__)
FAILING: Final = f"{OPERATIONAL}subscription.failing"
DISABLED: Final = f"{OPERATIONAL}subscription.disabled"
MOST: Final = 1_000
"""Operational events that wait for the store; beyond it, they are dropped."""
EXHAUSTED: Final = f"{OPERATIONAL}delivery.exhausted"


class Notice(NamedTuple):
    """An operational event before it is emitted; `key` tells it from others of its type."""

    tenant: str
    kind: str
    data: dict[str, Any]
    key: str


class Notices:
    """Emits operational events, if somebody wants them."""

    def __init__(
        self, ingest: Ingest, catalogue: CatalogueCache, later: Callable[[Coroutine[Any, Any, None]], None], *, operator: str = ""
    ) -> None:
        """`later` runs something short beside. `operator` is the tenant that hears of all tenants; empty for none."""
        self._operator = operator
        self._ingest = ingest
        self._catalogue = catalogue
        self._later = later
        self._waiting = 0

    @staticmethod
    def of_failing(lane: Lane, settlement: Settlement) -> Notice | None:
        """What to tell of a receiver that has only failed for long, and will be disabled; None: nothing."""
        subscription = lane.target.subscription
        if settlement.work.event.type.startswith(OPERATIONAL) or _only_operational(subscription):
            return None
        since = moment(lane.pace.failing_since)
        data = _of(subscription) | {
            "failing_since": _text(since),
            "failures": lane.pace.failures,
            "last_failure": settlement.reason,
            "disable_time": _text(moment(lane.pace.failing_since + int(subscription.disable_after * 1_000_000))),
        }
        return Notice(lane.key.tenant, FAILING, data, f"{lane.key.lane}/{since.timestamp()}/{settlement.at}")

    def failing(self, notice: Notice) -> None:
        """Tell it."""
        self._emit(*notice)

    def disabled(self, subscription: Subscription) -> None:
        """It is disabled."""
        if _only_operational(subscription):
            return
        data = _of(subscription) | {"reason": subscription.state_reason}
        self._emit(subscription.tenant, DISABLED, data, f"{subscription.id}/{subscription.etag}")

    def exhausted(self, settlement: Settlement) -> None:
        """A delivery is given up."""
        work = settlement.work
        if work.event.type.startswith(OPERATIONAL):
            return
        data = {
            "delivery_id": work.delivery_id,
            "event_id": work.event.id,
            "event_type": work.event.type,
            "subscription_id": subscription_of(work.lane),
            "run": work.run,
            "attempts": work.attempts + 1,
            "reason": settlement.reason,
        }
        self._emit(work.tenant, EXHAUSTED, data, f"{work.delivery_id}/{work.run}")

    def _emit(self, tenant: str, kind: str, data: dict[str, Any], key: str) -> None:
        spec = EventSpec(
            type=kind,
            data=json.dumps({"tenant": tenant} | data).encode(),
            source="urn:hookline:engine",
            idempotency_key=f"{kind}/{key}",
        )
        view = self._catalogue.known(tenant)
        if view is not None and view.routes.match(kind):
            self._queue(tenant, spec)
        # The operator's catalogue may not be known here yet; one that is known and wants nothing is left alone.
        theirs = self._catalogue.known(self._operator) if self._operator else None
        if self._operator not in {"", tenant} and (theirs is None or theirs.routes.match(kind)):
            self._queue(self._operator, spec)

    def _queue(self, tenant: str, spec: EventSpec) -> None:
        if self._waiting >= MOST:
            LOGGER.warning("the operational event %s is dropped: %d wait for the store already", spec.type, MOST)
            return
        self._waiting += 1
        self._later(self._send(tenant, spec))

    async def _send(self, tenant: str, spec: EventSpec) -> None:
        outcome: EmitOutcome | None = None
        try:
            if (await self._catalogue.get(tenant)).routes.match(spec.type):
                (outcome,) = await self._ingest.emit(tenant, (spec,), own=True)
        except HooklineError as error:
            outcome = error
        finally:
            self._waiting -= 1
        if isinstance(outcome, HooklineError):
            LOGGER.warning("the operational event %s could not be emitted: %s", spec.type, outcome)


def _only_operational(subscription: Subscription) -> bool:
    return all(pattern.startswith(OPERATIONAL) for pattern in subscription.event_types)


def _of(subscription: Subscription) -> dict[str, Any]:
    return {"subscription_id": subscription.id, "url": subscription.url, "description": subscription.description}


def _text(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
