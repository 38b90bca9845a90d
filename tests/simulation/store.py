"""The store in memory, with somebody who looks at every transaction from inside it."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from simulation.books import Books, Change, Committed
from simulation.model import OPERATIONAL, admits, tag_of

from hookline.clock import Clock, micros
from hookline.model import ErrorClass, Ordering, Subscription
from hookline.model.policy import Steps
from hookline.store import MemoryStore
from hookline.store.protocol import (
    Accepted,
    Appended,
    Job,
    JobKind,
    LaneKey,
    OwnedLane,
    Repeatable,
    Result,
    Routed,
    Settled,
    Settlement,
)
from hookline.store.sqlite import settle as settling
from hookline.store.sqlite.transaction import Transaction

SECOND = 1_000_000
_STANDING = "SELECT owner, epoch FROM lane WHERE tenant = ? AND name = ?"


class WatchedStore(MemoryStore):
    """See the module. What is noted here is noted at the moment of the commit."""

    def __init__(self, clock: Clock, books: Books) -> None:
        super().__init__(clock)
        self._books = books

    @property
    def rows(self) -> sqlite3.Connection:
        """Where the truth stands."""
        return self._open()

    def standing(self, key: LaneKey) -> tuple[int | None, int] | None:
        """Owner and epoch of a lane."""
        found = self.rows.execute(_STANDING, key).fetchone()
        return None if found is None else (found[0], found[1])

    async def append(self, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        answers = await super().append(node, batch)
        for routed, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Accepted):
                self._appended(routed)
        return answers

    def _appended(self, routed: Routed) -> None:
        books, event = self._books, routed.event
        tag = tag_of(event.data)
        must = frozenset(name for name, one in books.subscriptions.items() if admits(one, event.tenant, event.type, tag))
        books.note("commit", event.id, event.type, tag, routed.fanout)
        if event.id in books.committed:
            books.blame("one event, one commit", f"{event.id} was accepted twice")
        books.committed[event.id] = Committed(
            tag=tag,
            kind=event.type,
            at=books.now,
            must=must,
            fanout=routed.fanout,
            accept=micros(event.accept_time),
            tenant=event.tenant,
        )
        if event.type.startswith(OPERATIONAL):
            books.notices[event.type, json.loads(event.data)["subscription_id"]].append(books.now)

    async def add_subscription(self, subscription: Subscription, *, owner: int, request: Repeatable | None = None) -> str:
        name = await super().add_subscription(subscription, owner=owner, request=request)
        self._changed(subscription.id, subscription)
        return name

    async def replace_subscription(self, subscription: Subscription, *, etag: str, request: Repeatable | None = None) -> bool:
        done = await super().replace_subscription(subscription, etag=etag, request=request)
        if done:
            self._changed(subscription.id, subscription)
        return done

    async def remove_subscription(self, tenant: str, subscription_id: str, *, etag: str, job: Job) -> bool:
        done = await super().remove_subscription(tenant, subscription_id, etag=etag, job=job)
        if done:
            self._changed(subscription_id, None)
        return done

    def _changed(self, name: str, subscription: Subscription | None) -> None:
        books = self._books
        if subscription is None:
            books.subscriptions.pop(name, None)
        else:
            books.subscriptions[name] = subscription
        books.changes[name].append(Change(at=books.now, subscription=subscription))
        said = "gone" if subscription is None else f"{subscription.state} {subscription.url} {subscription.filter!r}"
        books.note("subscription", name, said)

    async def hand(self, node: int, lane: OwnedLane, to: int) -> bool:
        done = await super().hand(node, lane, to)
        if done:
            self._given_up(node, lane.key, lane.epoch)
        return done

    async def leave(self, node: int) -> None:
        for tenant, name, epoch in self.rows.execute("SELECT tenant, name, epoch FROM lane WHERE owner = ?", (node,)).fetchall():
            self._given_up(node, LaneKey(tenant, name), epoch)
        await super().leave(node)

    def _given_up(self, node: int, key: LaneKey, epoch: int) -> None:
        self._books.note("given up", key.lane, epoch, "by", node)
        if node not in self._books.unkept:
            self._books.orderly.add((key, epoch))

    async def sweep(self, node: int, limit: int) -> Sequence[OwnedLane]:
        return [self._owned("swept", node, lane) for lane in await super().sweep(node, limit)]

    async def retake(self, node: int, lane: OwnedLane) -> OwnedLane | None:
        taken = await super().retake(node, lane)
        return None if taken is None else self._owned("retaken", node, taken)

    def _owned(self, how: str, node: int, lane: OwnedLane) -> OwnedLane:
        books = self._books
        books.note(how, lane.key.lane, lane.epoch, "by", node)
        if lane.epoch <= books.epochs.get(lane.key, 0):
            books.blame("every taking raises the epoch", f"{lane.key.lane} was {how} by {node} at epoch {lane.epoch} again")
        books.epochs[lane.key] = lane.epoch
        return lane

    async def requeue(self, tenant: str, delivery_id: str, *, at: int) -> bool:
        done = await super().requeue(tenant, delivery_id, at=at)
        if done:
            self._books.note("requeued", delivery_id)
            self._books.requeued[delivery_id] = self._books.requeued.get(delivery_id, 0) + 1
            self._books.waits[delivery_id] = at
        return done

    async def cancel(self, tenant: str, delivery_id: str, *, reason: str, at: int) -> bool:
        done = await super().cancel(tenant, delivery_id, reason=reason, at=at)
        if done:
            self._books.note("cancelled", delivery_id)
            self._books.cancelled[delivery_id] = self._books.now
        return done

    async def add_job(self, job: Job, request: Repeatable | None = None) -> Job:
        made = await super().add_job(job, request)
        if made.kind is JobKind.REPLAY:
            self._books.replays[made.id] = (self._books.now, len(self._books.committed))
        return made

    async def settle(self, node: int, batch: Sequence[Settlement]) -> Settled:
        settling.check(batch)
        owners: dict[LaneKey, Any] = {}

        def verb(tx: Transaction, *args: Any) -> Settled:
            for one in batch:
                key = LaneKey(one.work.tenant, one.work.lane)
                owners[key] = tx.cursor.execute(_STANDING, key).fetchone()
            return settling.settle(tx, *args)

        answer: Settled = await self._write(verb, node, batch)
        for one in batch:
            key = LaneKey(one.work.tenant, one.work.lane)
            if key not in answer.lost and one.work.pos not in answer.gone:
                self._settled(node, one, owners[key])
        return answer

    def _settled(self, node: int, one: Settlement, owner: Any) -> None:
        books, work, attempt = self._books, one.work, one.attempt
        name = attempt.id if attempt is not None else f"{work.delivery_id}/{one.at}"
        place = (work.delivery_id, work.run)
        if name in books.counted[place]:
            return  # the answer to the first time was lost
        books.note("settled", work.delivery_id, work.run, one.result, "" if attempt is None else attempt.number, one.due or "")
        if owner is None or tuple(owner) != (node, one.epoch):
            books.blame("an outcome counts only under the lease", f"{name} of node {node}, epoch {one.epoch}, owner {owner}")
        if place in books.success:
            books.blame("nothing counts after success", f"{name} of {place}")
        if attempt is not None:
            number = 1 + sum(not known.startswith("dlv_") for known in books.counted[place])
            if attempt.number != number:
                books.blame(
                    "attempts are counted", f"{name} of {place} is number {attempt.number}, and {number - 1} counted before"
                )
        books.counted[place].append(name)
        if one.result is Result.DELIVERED:
            books.success[place] = books.now
        if one.due is not None:
            books.waits[work.delivery_id] = one.due
        self._retried(one)

    def _retried(self, one: Settlement) -> None:
        """The laws of the retry policy, worked out once more."""
        books, attempt = self._books, one.attempt
        if attempt is None or attempt.error is None or attempt.error is ErrorClass.INTERRUPTED:
            return
        changes = books.changes[attempt.subscription_id]
        policy = next(change.subscription for change in changes if change.subscription is not None).retry
        last = attempt.number >= policy.max_attempts
        if last != (one.result is Result.EXHAUSTED):
            books.blame("as many attempts as the policy says", f"{attempt.id} is number {attempt.number} and ends {one.result}")
        if one.due is None:
            return
        assert isinstance(policy.schedule, Steps)
        delays = policy.schedule.delays
        delay = delays[min(attempt.number, len(delays)) - 1]
        begun = books.by_attempt.get(attempt.id)
        wish = (begun.retry_after if begun is not None and attempt.status else None) or 0.0  # an answer that came in time
        least = max(delay * (1 - policy.jitter), wish)
        most = max(delay * (1 + policy.jitter), wish)
        waited = (one.due - one.at) / SECOND
        if not least - 1e-5 <= waited <= most + 1e-5:
            books.blame("retries come when the policy and Retry-After say", f"{attempt.id} waits {waited}, not {least} to {most}")


def ordered(subscription: Subscription) -> bool:
    """Whether it asks for order."""
    return subscription.ordering is Ordering.BY_KEY
