"""Classic bugs of such systems, each planted into the real classes for a while: what finds none of them is no proof.

Production code has no switch for any of this.
"""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from simulation.store import WatchedStore

from hookline.engine import dispatch
from hookline.engine import sender as sending
from hookline.engine.dispatch import Dispatcher
from hookline.engine.engine import Engine
from hookline.engine.ingest import Ingest
from hookline.engine.lane import Lane
from hookline.engine.node import Node
from hookline.engine.ordered import OrderedLane
from hookline.engine.pace import Event, Pace
from hookline.engine.sender import Judged, Sender
from hookline.engine.slots import Slots
from hookline.engine.turns import Turns
from hookline.errors import Unavailable
from hookline.ids import EVENT
from hookline.outbox import LARGEST_READ, Batch
from hookline.store.postgres.outbox import PostgresOutbox
from hookline.store.postgres.queue import Cursor, Reader, Snapshot
from hookline.store.postgres.statements import load
from hookline.store.protocol import Appended, LaneKey, Result, Routed, Settled, Settlement, Wake, WakeKind
from hookline.store.sqlite import nodes, settle
from hookline.store.sqlite.transaction import Transaction

Patch = tuple[Any, str, Any]


def _unfenced() -> Patch:
    """An outcome is written whoever owns the lane by now."""
    real = settle.settle

    def careless(tx: Transaction, node: int, batch: Sequence[Settlement]) -> Settled:
        del node
        rows = [tx.lane(one.work.tenant, one.work.lane) for one in batch]
        owners = {row.owner for row in rows if row is not None}
        if len(owners) != 1 or None in rows:
            return Settled(frozenset(LaneKey(one.work.tenant, one.work.lane) for one in batch), frozenset())
        return real(tx, owners.pop(), [one._replace(epoch=row.epoch) for one, row in zip(batch, rows, strict=True) if row])

    return settle, "settle", careless


def _lost_answer_is_failure() -> Patch:
    """An append whose answer is lost is taken for one that failed: nobody looks whether it was done."""
    real = Ingest.__init__

    def made(self: Ingest, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs | {"doubtful": lambda _: None})

    return Ingest, "__init__", made


def _repeated_as_new() -> Patch:
    """An append whose answer is lost is repeated under new ids."""
    real = Ingest._append

    async def again(self: Ingest, batch: Sequence[Routed]) -> Sequence[Appended]:
        try:
            return await real(self, batch)
        except Unavailable:
            return await real(self, [_anew(self, one) for one in batch])

    return Ingest, "_append", again


def _anew(ingest: Ingest, one: Routed) -> Routed:
    return one._replace(
        event=replace(one.event, id=ingest._ids.new(EVENT)),
        deliveries=[each._replace(delivery_id=ingest._ids.new("dlv")) for each in one.deliveries],
    )


def _forgotten_before_settled() -> Patch:
    """What was tried is forgotten when its answer is there, not when that is on disk."""
    real = Lane.release

    def release(self: Lane, work: Any) -> None:
        real(self, work)
        self._unknow(work)

    return Lane, "release", release


def _key_released_at_failure() -> Patch:
    """A head that failed lets the next of its key go."""
    real = OrderedLane.settled

    def settled(self: OrderedLane, settlement: Settlement) -> None:
        if settlement.result is Result.WAIT:
            Lane.settled(self, settlement)
            self._advance(self._key(settlement.work))
        else:
            real(self, settlement)

    return OrderedLane, "settled", settled


def _no_floor() -> Patch:
    """A wake that was lost is not made up for by looking."""
    real = Engine._heard

    def heard(self: Engine, wake: Wake) -> None:
        if wake.kind is not WakeKind.LOOK:
            real(self, wake)

    return Engine, "_heard", heard


def _lease_not_checked() -> Patch:
    """An attempt starts without a look at the lease."""
    return Node, "holds_lease", property(lambda _: True)


def _epoch_kept() -> Patch:
    """Whoever takes a lane over goes on with its epoch."""
    same = dict(nodes._SQL) | {"take": "UPDATE lane SET owner = ? WHERE no = ?"}
    return nodes, "_SQL", same


def _retry_after_ignored() -> Patch:
    """What the receiver wishes is not heard."""
    return sending, "parse_retry_after", lambda value, now: None


def _count_reset() -> Patch:
    """After a takeover, what waits begins to count anew."""
    real = Lane.absorb

    def absorb(self: Lane, claimed: Any, due: Any) -> None:
        if due is not None and self.epoch > 1:
            due = due._replace(works=[work._replace(attempts=0) for work in due.works])
        real(self, claimed, due)

    return Lane, "absorb", absorb


def _half_open_lets_all() -> Patch:
    """Half open, the breaker lets through whatever comes."""
    real = Pace.started

    def started(self: Pace, pos: int, now: int) -> None:
        real(self, pos, now)
        self._probe = None

    return Pace, "started", started


def _key_checked_outside() -> Patch:
    """Whether an idempotency key was used is asked before the transaction, not in it."""
    real = WatchedStore.append

    async def append(self: WatchedStore, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        find = "SELECT 1 FROM idempotency WHERE tenant = ? AND kind = 'key' AND key = ?"
        names = [(one.event.tenant, one.event.idempotency_key) for one in batch if one.event.idempotency_key]
        unused = [name for name in names if self.rows.execute(find, name).fetchone() is None]
        await asyncio.sleep(0.01)
        self.rows.executemany("DELETE FROM idempotency WHERE tenant = ? AND kind = 'key' AND key = ?", unused)
        return await real(self, node, batch)

    return WatchedStore, "append", append


def _stepped_aside_dropped() -> Patch:
    """What steps aside for those behind it is given up."""
    real = Sender.judge

    def judge(self: Sender, *args: Any) -> Judged:
        judged = real(self, *args)
        if judged.settlement.aside:
            given_up = judged.settlement._replace(result=Result.EXHAUSTED, due=None, aside=False)
            judged = judged._replace(settlement=given_up)
        return judged

    return Sender, "judge", judge


def _paused_dropped() -> Patch:
    """What was in memory when its subscription was paused is not read again."""
    real = Lane.empty

    def empty(self: Lane) -> None:
        cursor, behind, waits = self.cursor, self.behind, self.waits
        real(self)
        if not self.target.active:
            self.cursor, self.behind, self.waits = cursor, behind, waits

    return Lane, "empty", empty


def _cancelled_head() -> Patch:
    """A head that was cancelled while its outcome was repeated holds its key for ever. (A defect that this has found.)"""

    class Trusting(OrderedLane):
        """Takes for standing what an outcome says, and misses nobody."""

        look_for_moved = Lane.look_for_moved

        def was_moved(self, settlement: Settlement) -> bool:
            return False

        def _miss_heads(self, next_due: int | None) -> None:
            pass

    return dispatch, "OrderedLane", Trusting


def _window_unbounded() -> Patch:
    """A lane reads as much as there is."""
    return Lane, "room", property(lambda self: 10_000 - len(self.known))


def _limit_ignored() -> Patch:
    """However many requests are under way, another one starts."""
    return Lane, "runnable", property(lambda self: bool(self.ready) and self.target.active and not self.closing)


def _pause_unheard() -> Patch:
    """A lane goes on as its subscription stood when the lane was taken."""
    return Dispatcher, "retarget", lambda self, tenant, view: None


def _late_passed_over() -> Patch:
    """A cursor goes forward past transactions that are under way."""
    real = Reader._cursor

    def cursor(self: Reader, *args: Any, **kwargs: Any) -> Cursor:
        return real(self, *args, **kwargs)._replace(suspects=())

    return Reader, "_cursor", cursor


def _above_the_durable() -> Patch:
    """A cursor stands above what is on disk, and a crash gives the numbers in between again."""
    real = Reader._cursor

    def cursor(self: Reader, *args: Any, **kwargs: Any) -> Cursor:
        self._durable = 1 << 40
        return real(self, *args, **kwargs)

    return Reader, "_cursor", cursor


def _two_statements() -> Patch:
    """The outbox asks what is under way in a statement of its own, before the one that reads."""
    real = PostgresOutbox.read

    async def read(self: PostgresOutbox, limit: int) -> Batch:
        head = (await self._pool.read(load("outbox")["read"], self._from, self._suspects, limit, LARGEST_READ))[0][0]
        batch = await real(self, limit)
        if not batch.more:
            self._suspects = [xid for xid in Snapshot.parse(head).under_way if xid < self._from]
        return batch

    return PostgresOutbox, "read", read


def _slots_for_whoever_comes() -> Patch:
    """A lane may have whatever slots are free."""
    return Slots, "fits", lambda self, lane: self.busy < self.total


def _pace_not_kept() -> Patch:
    """What a lane's owner knows of its receiver is not kept for the next one."""
    return Pace, "text", lambda self: ""


def _never_narrowed() -> Patch:
    """A lane goes on as wide as ever, whatever its receiver bears."""
    real = Pace._widen
    return Pace, "_widen", lambda self, width: real(self, math.inf)


def _bytes_unbounded() -> Patch:
    """A lane fills its window, however little memory is left."""
    return Lane, "room", property(lambda self: self.window - len(self.known))


def _weights_ignored() -> Patch:
    """Every tenant has the same weight."""
    real = Turns.__init__
    return Turns, "__init__", lambda self, weights: real(self, {})


def _span_not_ended() -> Patch:
    """A success does not end the span of failures after which a subscription is disabled."""
    real = Pace._succeeded

    def succeeded(self: Pace) -> Event:
        since = self._since
        event = real(self)
        self._since = since
        return event

    return Pace, "_succeeded", succeeded


BUGS: Final[dict[str, Callable[[], Patch]]] = {
    "settle-unfenced": _unfenced,
    "lost-answer-is-failure": _lost_answer_is_failure,
    "lost-answer-repeated-as-new": _repeated_as_new,
    "forgotten-before-settled": _forgotten_before_settled,
    "key-released-at-failure": _key_released_at_failure,
    "wake-lost-no-floor": _no_floor,
    "lease-not-checked": _lease_not_checked,
    "takeover-keeps-epoch": _epoch_kept,
    "retry-after-ignored": _retry_after_ignored,
    "retry-count-reset-by-takeover": _count_reset,
    "half-open-lets-all-through": _half_open_lets_all,
    "key-checked-outside-the-transaction": _key_checked_outside,
    "stepped-aside-is-dropped": _stepped_aside_dropped,
    "paused-is-dropped": _paused_dropped,
    "cancelled-head-holds-its-key": _cancelled_head,
    "window-unbounded": _window_unbounded,
    "limit-ignored": _limit_ignored,
    "pause-unheard": _pause_unheard,
    "late-commit-passed-over": _late_passed_over,
    "cursor-above-the-durable": _above_the_durable,
    "outbox-in-two-statements": _two_statements,
    "slots-for-whoever-comes": _slots_for_whoever_comes,
    "pace-not-kept": _pace_not_kept,
    "never-narrowed": _never_narrowed,
    "bytes-unbounded": _bytes_unbounded,
    "weights-ignored": _weights_ignored,
    "span-not-ended-by-success": _span_not_ended,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug called `name`, for as long as the context lasts."""
    where, attribute, value = BUGS[name]()
    with patch.object(where, attribute, value):
        yield


def about(name: str) -> str:
    """What a bug is."""
    return (BUGS[name].__doc__ or "").strip()
