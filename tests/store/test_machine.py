"""Any order of calls, against a plain model: what is acknowledged stays until it is settled."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store.kinds import KINDS
from store.making import NOON, SECOND, TENANT, make_event, make_subscription, outcome

from hookline.store.protocol import (
    Accepted,
    ClaimRequest,
    Clash,
    DeliveryFilter,
    DueRequest,
    Duplicate,
    LaneKey,
    NewDelivery,
    OwnedLane,
    Result,
    Routed,
    Settled,
    Work,
)

T = TypeVar("T")
LANES = ("sub_a", "sub_b")
FOREVER = NOON * 2
WHO = st.sampled_from((0, 1))
DIGEST = st.sampled_from((b"a", b"b"))
WHICH = st.integers(0, 30)
RESULTS = st.sampled_from((Result.DELIVERED, Result.EXHAUSTED, Result.WAIT, Result.WAIT))


@dataclass
class Tracked:
    """A delivery as the model knows it."""

    lane: str
    event: str
    state: str = "fresh"
    due: int | None = None
    pos: int = 0
    run: int = 1
    attempts: int = 0
    before: int = 0
    finished: int = 0
    stale: list[Work] = field(default_factory=list)


class StoreMachine(RuleBasedStateMachine):
    """Two nodes, two lanes (one in order), one store."""

    kind: ClassVar[str] = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.store = KINDS[self.kind](Path(self.folder.name))
        self.now = NOON
        self.events: dict[str, bytes] = {}
        self.deliveries: dict[str, Tracked] = {}
        self.changes: list[tuple[str, str | None]] = []
        self.owner: dict[str, tuple[int, int]] = {}
        self.nodes: list[int] = []
        self.serial = 0
        self.head = 0

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.do(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.do(self.store.open())
        self.nodes = [self.do(self.store.join()) for _ in range(2)]
        for lane, node in zip(LANES, self.nodes, strict=True):
            self.do(self.store.add_subscription(make_subscription(lane, ordered=lane == "sub_b"), owner=node))
            self.owner[lane] = (node, 1)

    def name(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix}{self.serial}"

    def rises(self, pos: int) -> int:
        assert pos > self.head
        self.head = pos
        return pos

    def pick(self, which: int) -> str | None:
        names = list(self.deliveries)
        return names[which % len(names)] if names else None

    def works(self, lane: str) -> dict[str, Work]:
        key = LaneKey(TENANT, lane)
        (claimed,) = self.do(self.store.claim([ClaimRequest(key, None, 999)]))
        (due,) = self.do(self.store.due([DueRequest(key, FOREVER, 999)]))
        return {work.delivery_id: work for work in (*claimed.works, *due.works)}

    @rule(
        reuse=st.booleans(),
        digest=st.sampled_from((b"a", b"b")),
        okey=st.sampled_from(("", "k")),
        lanes=st.sets(st.sampled_from(LANES)),
    )
    def append(self, reuse: bool, digest: bytes, okey: str, lanes: set[str]) -> None:
        name = next(reversed(self.events), "") if reuse else ""
        event = make_event(name or self.name("e"), ordering_key=okey, accepted=self.now)
        new = [NewDelivery(lane, self.name("d")) for lane in sorted(lanes)]
        (answer,) = self.do(self.store.append(self.nodes[0], [Routed(event, digest, 2, new)]))
        if event.id in self.events:
            same = self.events[event.id] == digest
            assert isinstance(answer, Duplicate if same else Clash)
            assert answer.event_id == event.id
            return
        assert isinstance(answer, Accepted)
        self.events[event.id] = digest
        for (lane, delivery), pos in zip(new, answer.positions, strict=True):
            self.deliveries[delivery] = Tracked(lane, event.id, pos=self.rises(pos))

    @rule(who=WHO, lane=st.sampled_from(LANES), wrong_epoch=st.booleans(), results=st.lists(RESULTS, min_size=1, max_size=4))
    def settle(self, who: int, lane: str, wrong_epoch: bool, results: list[Result]) -> None:
        node, (owner, epoch) = self.nodes[who], self.owner[lane]
        works = list(self.works(lane).values())[: len(results)]
        self.now += 1
        batch = [
            outcome(
                work,
                result,
                epoch=epoch + wrong_epoch,
                at=self.now,
                due=self.now + SECOND if result is Result.WAIT else None,
                attempt_id=self.name("a"),
            )
            for work, result in zip(works, results, strict=False)
        ]
        fenced = node != owner or wrong_epoch
        lost = frozenset({LaneKey(TENANT, lane)}) if fenced and batch else frozenset()
        assert self.do(self.store.settle(node, batch)) == Settled(lost, frozenset())
        if not fenced:  # it may be repeated
            assert self.do(self.store.settle(node, batch)) == Settled(frozenset(), frozenset())
        for one in batch:
            assert one.attempt is not None
            self.changes.append((one.work.delivery_id, one.attempt.id))
            if fenced:
                continue
            tracked = self.deliveries[one.work.delivery_id]
            tracked.stale.append(one.work)
            tracked.attempts += 1
            if one.result is Result.WAIT:
                tracked.state, tracked.due = "later", one.due
            else:
                tracked.state, tracked.due, tracked.finished = one.result.value, None, self.now

    @rule(which=WHICH)
    def settle_what_is_no_longer_so(self, which: int) -> None:
        name = self.pick(which)
        if name is None or not self.deliveries[name].stale:
            return
        tracked = self.deliveries[name]
        owner, epoch = self.owner[tracked.lane]
        late = outcome(tracked.stale[-1], epoch=epoch, at=self.now, attempt_id=self.name("a"))
        assert self.do(self.store.settle(owner, [late])) == Settled(frozenset(), frozenset({late.work.pos}))
        assert late.attempt is not None
        self.changes.append((name, late.attempt.id))

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        name = self.pick(which)
        if name is None:
            return
        tracked = self.deliveries[name]
        pending = tracked.state in {"fresh", "later"}
        self.now += 1
        assert self.do(self.store.cancel(TENANT, name, reason="", at=self.now)) == pending
        if pending:
            tracked.state, tracked.due, tracked.finished = "cancelled", None, self.now
            self.changes.append((name, None))

    @rule(which=WHICH)
    def requeue(self, which: int) -> None:
        name = self.pick(which)
        if name is None:
            return
        tracked = self.deliveries[name]
        waits = tracked.state == "later" and tracked.due is not None and tracked.due > self.now
        finished = tracked.state not in {"fresh", "later"}
        assert self.do(self.store.requeue(TENANT, name, at=self.now)) == (waits or finished)
        if waits:
            tracked.due = self.now
        elif finished:
            found = self.do(self.store.delivery(TENANT, name))
            assert found is not None
            tracked.state, tracked.pos = "fresh", self.rises(found.pos)
            tracked.run, tracked.before, tracked.attempts = tracked.run + 1, tracked.before + tracked.attempts, 0
        if waits or finished:
            self.changes.append((name, None))

    @rule(lane=st.sampled_from(LANES), to=WHO)
    def hand(self, lane: str, to: int) -> None:
        owner, epoch = self.owner[lane]
        assert self.do(self.store.hand(owner, OwnedLane(LaneKey(TENANT, lane), epoch, False), self.nodes[to]))
        self.owner[lane] = (self.nodes[to], epoch + 1)

    @rule(who=WHO)
    def die_and_be_inherited(self, who: int) -> None:
        self.do(self.store.leave(self.nodes[who]))
        heir = self.nodes[1 - who]
        taken = {lane.key.lane: lane for lane in self.do(self.store.sweep(heir, 9))}
        assert set(taken) == {lane for lane, (owner, _) in self.owner.items() if owner == self.nodes[who]}
        for name, lane in taken.items():
            assert lane.epoch == self.owner[name][1] + 1
            self.owner[name] = (heir, lane.epoch)
        self.nodes[who] = self.do(self.store.join())

    @rule(age=st.integers(0, 10), limit=st.sampled_from((1, 3, 100)))
    def retention(self, age: int, limit: int) -> None:
        before = self.now - age
        while any(self.do(self.store.purge(finished_before=before, keys_before=0, limit=limit))):
            pass
        gone = {
            name
            for name, tracked in self.deliveries.items()
            if tracked.state not in {"fresh", "later"} and tracked.finished < before
        }
        for name in gone:
            del self.deliveries[name]
        self.changes = [change for change in self.changes if change[0] not in gone]

    @invariant()
    def the_books_are_right(self) -> None:
        if not self.owner:
            return
        stats = self.do(self.store.stats(TENANT, now=self.now)).by_subscription
        for lane in LANES:
            here = {name: tracked for name, tracked in self.deliveries.items() if tracked.lane == lane}
            pending = {name for name, tracked in here.items() if tracked.state in {"fresh", "later"}}
            assert stats[lane].pending == len(pending)
            works = self.works(lane)
            assert set(works) <= pending
            waits = {name for name in pending if here[name].state == "later"}
            assert {name for name, work in works.items() if work.due is not None} == waits
            if lane == "sub_a" or not waits:
                assert set(works) == pending
            for name, work in works.items():
                tracked = here[name]
                expected = (tracked.pos, tracked.due, tracked.run, tracked.attempts, tracked.before)
                assert (work.pos, work.due, work.run, work.attempts, work.before) == expected

    @invariant()
    def every_change_is_there_once_and_in_order(self) -> None:
        if not self.owner:
            return
        found = self.do(self.store.changes(TENANT, after=0, limit=9999))
        seen = [(change.delivery.id, change.attempt.id if change.attempt else None) for change in found]
        assert seen == self.changes
        positions = [change.pos for change in found]
        assert positions == sorted(set(positions))

    @invariant()
    def the_list_holds_every_delivery_once(self) -> None:
        if not self.owner:
            return
        found = self.do(self.store.deliveries(TENANT, DeliveryFilter(), before=None, limit=9999))
        states = {one.delivery.id: one.delivery.state.value for one in found}
        assert len(found) == len(states)
        pending = {"fresh": "pending", "later": "pending"}
        assert states == {name: pending.get(tracked.state, tracked.state) for name, tracked in self.deliveries.items()}


class FileMachine(StoreMachine):
    kind = "sqlite"


class PostgresMachine(StoreMachine):
    kind = "postgres"


TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestSqlite = FileMachine.TestCase
TestSqlite.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
TestPostgres = PostgresMachine.TestCase
TestPostgres.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
