"""The catalogue: subscriptions and event types, each write a revision."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from hookline.errors import AlreadyExists
from hookline.lanes import lane_names
from hookline.model import EventType, Ordering, Subscription
from hookline.store.protocol import NOBODY, CatalogueView, Job, LaneKey, Recalled, Repeatable, WakeKind, in_turn
from hookline.store.sqlite import jobs, rows
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import EVERYBODY, Transaction

_SQL: Final = load("catalogue")
_CORE: Final = load("core")


def revisions(connection: sqlite3.Connection) -> dict[str, int]:
    """The revision of every tenant that has a catalogue."""
    return dict(connection.execute(_SQL["revisions"]).fetchall())


def view(connection: sqlite3.Connection, tenant: str) -> CatalogueView:
    """A tenant's catalogue at one revision (the caller reads in one snapshot)."""
    row = connection.execute(_CORE["revision"], (tenant,)).fetchone()
    return CatalogueView(
        revision=row[0] if row else 0,
        subscriptions=[rows.subscription(body) for (body,) in connection.execute(_SQL["all_subscriptions"], (tenant,))],
        event_types=[rows.event_type(body) for (body,) in connection.execute(_SQL["all_event_types"], (tenant,))],
    )


def recall(connection: sqlite3.Connection, tenant: str, method: str, request_id: str) -> Recalled | None:
    """The first answer to a repeatable call."""
    row = connection.execute(_CORE["request"], (tenant, method, request_id)).fetchone()
    return Recalled(*row) if row else None


def _raise(tx: Transaction, tenant: str) -> None:
    tx.cursor.execute(_SQL["raise"], (tenant,))
    tx.forget()
    tx.hint(EVERYBODY, WakeKind.CATALOGUE, (LaneKey(tenant, ""),))


def add_subscription(tx: Transaction, subscription: Subscription, owner: int, request: Repeatable | None, at: int) -> str:
    """Store a new subscription with its lanes; its id, or that of the first call."""
    tenant, name = subscription.tenant, subscription.id
    first = tx.recall(tenant, request)
    if first is not None:
        return first
    if tx.cursor.execute(_SQL["lane_exists"], (tenant, name)).fetchone():
        raise AlreadyExists("subscription", name)
    body = rows.subscription_body(subscription)
    tx.cursor.execute(_SQL["add_subscription"], (tenant, name, subscription.etag, body))
    tx.cursor.execute(_SQL["add_lane"], (tenant, name, owner, subscription.ordering is Ordering.BY_KEY))
    tx.hint(owner, WakeKind.NODES)
    _add_lanes(tx, subscription, after=owner)
    tx.remember(tenant, request, name, at)
    _raise(tx, tenant)
    return name


def _add_lanes(tx: Transaction, subscription: Subscription, *, after: int) -> None:
    """Make the lanes that a subscription lacks, the living nodes in turn as their owners, beginning after node `after`."""
    if subscription.lanes == 1:
        return
    living = [node for (node,) in tx.cursor.execute(_SQL["living"])]
    ordered = subscription.ordering is Ordering.BY_KEY
    for lane, owner in zip(lane_names(subscription.id, subscription.lanes)[1:], in_turn(living, after), strict=False):
        if tx.cursor.execute(_SQL["add_lane"], (subscription.tenant, lane, owner, ordered)).rowcount:
            tx.hint(owner, WakeKind.NODES)


def replace_subscription(tx: Transaction, subscription: Subscription, etag: str, request: Repeatable | None, at: int) -> bool:
    """Replace a subscription that stands with `etag`."""
    tenant, name = subscription.tenant, subscription.id
    if tx.recall(tenant, request) is not None:
        return True
    if _etag(tx, "subscription_etag", tenant, name) != etag:
        return False
    body = rows.subscription_body(subscription)
    tx.cursor.execute(_SQL["replace_subscription"], (subscription.etag, body, tenant, name))
    names = {"tenant": tenant, "name": name, "ordered": subscription.ordering is Ordering.BY_KEY}
    if tx.cursor.execute(_SQL["order_lanes"], names).rowcount:
        tx.hint(EVERYBODY, WakeKind.NODES)
    _add_lanes(tx, subscription, after=NOBODY)
    tx.remember(tenant, request, name, at)
    _raise(tx, tenant)
    return True


def remove_subscription(tx: Transaction, tenant: str, name: str, etag: str, job: Job) -> bool:
    """Remove a subscription that stands with `etag`, close its lanes and begin to drain them."""
    if _etag(tx, "subscription_etag", tenant, name) != etag:
        return False
    tx.cursor.execute(_SQL["remove_subscription"], (tenant, name))
    tx.cursor.execute(_SQL["close_lanes"], {"tenant": tenant, "name": name})
    jobs.insert(tx, job)
    _raise(tx, tenant)
    return True


def _etag(tx: Transaction, statement: str, tenant: str, name: str) -> str | None:
    row = tx.cursor.execute(_SQL[statement], (tenant, name)).fetchone()
    return row[0] if row else None


def subscription(connection: sqlite3.Connection, tenant: str, name: str) -> Subscription | None:
    """One subscription, with its secrets."""
    row = connection.execute(_SQL["subscription"], (tenant, name)).fetchone()
    return rows.subscription(row[0]) if row else None


def subscriptions(connection: sqlite3.Connection, tenant: str, after: str, limit: int) -> Sequence[Subscription]:
    """Subscriptions in the order of their ids."""
    found = connection.execute(_SQL["subscriptions"], (tenant, after, limit))
    return [rows.subscription(body) for (body,) in found]


def put_event_type(tx: Transaction, event_type: EventType, etag: str | None) -> bool:
    """Store an event type, if what stands is what the caller saw."""
    if etag is not None and (_etag(tx, "event_type_etag", event_type.tenant, event_type.name) or "") != etag:
        return False
    row = (event_type.tenant, event_type.name, event_type.etag, rows.event_type_body(event_type))
    tx.cursor.execute(_SQL["put_event_type"], row)
    _raise(tx, event_type.tenant)
    return True


def remove_event_type(tx: Transaction, tenant: str, name: str, etag: str) -> bool:
    """Remove an event type that stands with `etag`."""
    if _etag(tx, "event_type_etag", tenant, name) != etag:
        return False
    tx.cursor.execute(_SQL["remove_event_type"], (tenant, name))
    _raise(tx, tenant)
    return True


def event_type(connection: sqlite3.Connection, tenant: str, name: str) -> EventType | None:
    """One event type."""
    row = connection.execute(_SQL["event_type"], (tenant, name)).fetchone()
    return rows.event_type(row[0]) if row else None


def event_types(connection: sqlite3.Connection, tenant: str, after: str, limit: int) -> Sequence[EventType]:
    """Event types by name."""
    found = connection.execute(_SQL["event_types"], (tenant, after, limit))
    return [rows.event_type(body) for (body,) in found]
