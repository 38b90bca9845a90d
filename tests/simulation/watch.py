"""Looks at every attempt as it begins, arrives and ends, and holds it to the laws that can be judged there and then."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
from simulation.books import Begun
from simulation.loop import Process
from simulation.scenario import Mood
from simulation.store import ordered

from hookline.engine import Engine
from hookline.engine.lane import LEAST, OVERHEAD, Lane
from hookline.engine.sender import LeaseOver
from hookline.model import ErrorClass, Subscription, SubscriptionState
from hookline.store.protocol import LaneKey, Work

if TYPE_CHECKING:
    from simulation.world import NodeClock, World

SETTLING = 8.0
"""Seconds within which a change of a subscription has reached every node: a lease, a poll, and verbs that take long."""
BIGGEST = 64
"""Bytes of the data of an event, at most."""
_OURS = frozenset({ErrorClass.BODY, ErrorClass.INTERRUPTED})
_SLOW = frozenset({ErrorClass.TIMEOUT, ErrorClass.CONNECTION, ErrorClass.REFUSED})
_record: ContextVar[Begun | None] = ContextVar("record", default=None)
_BEFORE = (
    "SELECT 'fresh', pos FROM fresh WHERE lane = :lane AND okey = :key AND pos < :pos UNION ALL "
    "SELECT 'later', pos FROM later WHERE lane = :lane AND okey = :key AND pos < :pos"
)


def record_of() -> Begun | None:
    """The attempt that the running task makes."""
    return _record.get()


class Watch:
    """See the module."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._under_way: dict[tuple[LaneKey, int], list[Begun]] = {}
        self._numbers: set[tuple[Any, ...]] = set()

    def attach(self, process: Process, engine: Engine, clock: "NodeClock") -> None:
        """Stand between an engine and its sender."""
        make = engine.sender.attempt

        async def attempt(lane: Lane, work: Work, may_start: Callable[[], bool]) -> Any:
            begun = self._began(process, engine, clock, lane, work)
            _record.set(begun)
            try:
                judged = await make(lane, work, may_start)
                made = judged.settlement.attempt
                begun.ours = made is None or made.error in _OURS
                begun.unmade = made is None or made.error is ErrorClass.BODY
                begun.failed = made is not None and made.error is not None
                begun.slow = made is not None and (made.error in _SLOW or (begun.failed and made.status in {429, 503}))
                if made is not None:
                    begun.status = made.status
                    self._world.books.by_attempt[made.id] = begun
                return judged
            except LeaseOver:  # nothing was sent, and it may be tried again, even under this lease if that is renewed after all
                begun.ours = begun.unmade = True
                self._numbers.discard(_place(begun))
                raise
            except BaseException:
                begun.ours = True
                raise
            finally:
                self._ended(begun)

        engine.sender.attempt = attempt  # type: ignore[method-assign]  # a class of its own would be made anew in production code

    def _began(self, process: Process, engine: Engine, clock: "NodeClock", lane: Lane, work: Work) -> Begun:
        world, books = self._world, self._world.books
        standing = world.store.standing(lane.key)
        begun = Begun(
            process=process,
            engine=engine,
            key=lane.key,
            epoch=lane.epoch,
            work=work,
            subscription=lane.target.subscription,
            state=lane.owned.state,
            at=books.now,
            wall=int(clock.time() * 1_000_000),
            latest=int(clock.latest * 1_000_000),
            valid=standing == (engine.node.id, lane.epoch),
            thawed=process.thawed_at == books.now,
            order=books.next(),
        )
        books.begun.append(begun)
        books.note("attempt", process.name, lane.key.lane, lane.epoch, work.delivery_id, work.run, work.attempts + 1, begun.valid)
        others = self._under_way.setdefault((lane.key, lane.epoch), [])
        others[:] = [one for one in others if not one.process.dead]
        if not begun.valid:
            over = standing is None or standing[0] is None
            if not over and process.thawed_at != books.now:
                books.blame("no attempt starts without the lease", f"{_named(begun)}, and the lane stands with {standing}")
        else:
            self._check(begun, others, engine, lane)
        others.append(begun)
        return begun

    def _check(self, begun: Begun, others: list[Begun], engine: Engine, lane: Lane) -> None:
        books, work = self._world.books, begun.work
        name = _named(begun)
        if (work.delivery_id, work.run) in books.success:
            books.blame("no attempt starts after success was recorded", name)
        place = _place(begun)
        if place in self._numbers and work.delivery_id not in books.requeued:
            books.blame("an attempt is made once under a lease", name)
        self._numbers.add(place)
        if len(others) >= begun.subscription.max_in_flight:
            books.blame("no more requests at a time than the subscription bears", f"{name}, beside {len(others)}")
        if len(lane.known) > self._world.config.lane_window:
            books.blame("a lane holds no more than its window", f"{name}, {len(lane.known)} works")
        lanes = engine.dispatcher.lanes.values()
        held, most = OVERHEAD * sum(len(one.known) for one in lanes), self._world.config.memory_budget
        if held > most + len(lanes) * LEAST * (OVERHEAD + BIGGEST):
            books.blame("a node holds no more than its memory, and a few works a lane", f"{name}, {held} bytes of {most}")
        if engine.dispatcher.in_flight > self._world.config.node_concurrency:
            books.blame("a node makes no more requests than it may", f"{name}, {engine.dispatcher.in_flight}")
        if work.due is not None:
            if begun.latest < work.due:  # its clock may have been set back since it was read
                books.blame("nothing is tried before its time", f"{name}, {(work.due - begun.wall) / 1e6} s early")
            if books.waits.get(work.delivery_id) != work.due and work.delivery_id not in books.requeued:
                books.blame("what waits is as its last outcome says", f"{name} waited for {work.due}")
        not_before = work.event.not_before_time
        by_hand = work.run > 1 or work.delivery_id in books.requeued
        if not_before is not None and not work.attempts and not by_hand and not_before.timestamp() * 1e6 > begun.latest + 1:
            books.blame("nothing is tried before its event's time", name)
        self._of_state(begun)
        if ordered(begun.subscription) and work.event.ordering_key and not work.aside:
            self._in_order(begun, others)

    def _of_state(self, begun: Begun) -> None:
        """What is paused or gone is left alone, as soon as everybody can know."""
        books, name = self._world.books, begun.subscription.id
        if begun.process.thawed_at > books.now - SETTLING:
            return
        changes = [change for change in books.changes[name] if change.at > books.now - SETTLING]
        stands = books.subscriptions.get(name)
        if changes:
            return
        if stands is None:
            books.blame("nothing is sent for what was deleted", _named(begun))
        elif stands.state is not SubscriptionState.ACTIVE:
            books.blame("nothing is sent for what is paused or disabled", _named(begun))
        elif stands.etag != begun.subscription.etag:
            books.blame("the next attempt takes the new values", f"{_named(begun)} is of etag {begun.subscription.etag}")

    def _in_order(self, begun: Begun, others: list[Begun]) -> None:
        books, work = self._world.books, begun.work
        rows = self._world.store.rows
        number = rows.execute("SELECT no FROM lane WHERE tenant = ? AND name = ?", begun.key).fetchone()[0]
        names = {"lane": number, "key": work.event.ordering_key, "pos": work.pos}
        before = rows.execute(_BEFORE, names).fetchall()
        if before:
            books.blame("order within a key", f"{_named(begun)} at {work.pos}, though {before} stand before it")
        beside = [one for one in others if one.work.event.ordering_key == work.event.ordering_key and not one.work.aside]
        if beside:
            books.blame("one of a key at a time", f"{_named(begun)}, beside {_named(beside[0])}")

    def _ended(self, begun: Begun) -> None:
        begun.end, begun.end_order = self._world.books.now, self._world.books.next()
        if not begun.process.dead:
            self._world.books.note("ended", begun.process.name, begun.work.delivery_id, begun.status, begun.failed)
        found = self._under_way[begun.key, begun.epoch]
        if begun in found:
            found.remove(begun)

    def arrived(  # noqa: PLR0917  # what there is to know of a request
        self, request: httpx.Request, body: bytes, begun: Begun | None, mood: Mood, status: int, wish: str | None, *, taken: bool
    ) -> None:
        """A request is at its receiver, which answers so."""
        books = self._world.books
        webhook_id = request.headers["webhook-id"]
        books.note("request", request.url.path, webhook_id, mood, status, wish or "")
        if begun is None:
            books.blame("nothing is sent but by the sender", webhook_id)
            return
        if wish is not None:
            begun.retry_after = float(wish)
        if taken:
            books.taken[begun.subscription.id, webhook_id] += 1
        if not _signed(request, body, begun.subscription):
            books.blame("every request is signed with a secret of its subscription", _named(begun))
        if str(request.url) != begun.subscription.url:
            books.blame("every request goes to the URL of its subscription", f"{_named(begun)} to {request.url}")


def _place(begun: Begun) -> tuple[Any, ...]:
    """What is to be there but once."""
    return begun.key, begun.epoch, begun.work.delivery_id, begun.work.run, begun.work.attempts


def _signed(request: httpx.Request, body: bytes, subscription: Subscription) -> bool:
    message = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
    key = b64decode(subscription.secrets[0].value.removeprefix("whsec_"))
    expected = "v1," + b64encode(hmac.new(key, message, sha256).digest()).decode()
    return expected in request.headers["webhook-signature"].split()


def _named(begun: Begun) -> str:
    work = begun.work
    where = f"{begun.process.name} of {begun.key.lane} at epoch {begun.epoch}"
    return f"{where}: {work.delivery_id}, run {work.run}, attempt {work.attempts + 1}"
