"""Rows to values and back, where PostgreSQL's differ from SQLite's."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from hookline.clock import moment
from hookline.lanes import subscription_of
from hookline.model import Attempt, Delivery, DeliveryState, Event
from hookline.store.protocol import StoredDelivery, Work
from hookline.store.sqlite import rows as common

Row = Sequence[Any]

DAY: Final = 86_400_000_000
"""Microseconds."""
PENDING: Final = 0
DELIVERED: Final = 1
EXHAUSTED: Final = 2
CANCELLED: Final = 3
STATES: Final = (DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.CANCELLED)
NUMBERS: Final = {state: number for number, state in enumerate(STATES)}
LAST: Final = 2**63 - 1
"""Above every position and every time."""
ORDINAL: Final = 1 << 20
"""Positions that one transaction has."""

event_row = common.event_row
event = common.event
attempt_row = common.attempt_row
maybe_micros = common.maybe_micros
maybe_moment = common.maybe_moment


def day_of(when: int) -> int:
    """The day of a time, in days since 1970."""
    return when // DAY


def columns(rows: Sequence[Row], width: int) -> list[list[Any]]:
    """Rows as columns, for array parameters."""
    flat = list(chain.from_iterable(rows))
    return [flat[i::width] for i in range(width)]


def work(key_lane: str, own: Row, found: Event) -> Work:
    """A pending delivery: position, due, delivery id, webhook id, run, attempts, before, start of the run."""
    pos, due, delivery_id, webhook_id, run, attempts, before, run_start = own
    return Work(found.tenant, key_lane, pos, due, delivery_id, webhook_id or found.id, found, run, attempts, before, run_start)


def delivery(tenant: str, row: Row) -> StoredDelivery:
    """A delivery as the statements of `history.sql` have it."""
    pos, name, event_id, kind, lane, webhook, created, replay, state, reason, run, attempts, due, finished = row
    found = Delivery(
        tenant=tenant,
        id=name,
        event_id=event_id,
        event_type=kind,
        subscription_id=subscription_of(lane),
        webhook_id=webhook or event_id,
        state=STATES[state],
        reason=reason,
        run=run,
        attempts=attempts,
        create_time=moment(created),
        next_attempt_time=maybe_moment(due),
        finish_time=maybe_moment(finished),
        replay_id=replay or "",
    )
    return StoredDelivery(pos, found, lane)


def attempt(tenant: str, names: tuple[str, str, str], row: Row, *, run: int, next_at: int | None, superseded: bool) -> Attempt:
    """An attempt from its own columns of a change; `names` are its delivery's, event's and subscription's ids."""
    return common.attempt(tenant, names, tuple(row), run=run, next_at=next_at, superseded=superseded)
