"""Sequences of everything that can happen to a sender, with a model that knows what may follow."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hookline_conformance.check import Violation, check
from hookline_conformance.explore import Portal, run_machine
from hookline_conformance.sender.adapter import Change, Feature, Refused
from hookline_conformance.sender.endpoint import Request
from hookline_conformance.sender.model import Event, Model
from hookline_conformance.sender.reply import OK, Reply, status
from hookline_conformance.sender.scene import SLACK
from hookline_conformance.sender.signature import new_secret, signed
from hookline_conformance.sender.target import SenderTarget

RETRIES: Final = 3
WAITS: Final = (1.0, 12.0, 40.0, 100.0)
GRACE: Final = 1.5
"""Real seconds that a request may be on its way."""
OVERLAP: Final = 60.0
STRANGER: Final = "conformance-stranger"
"""A tenant that has no target."""
ANSWERS: Final = {"well": OK, "failing": status(500), "overloaded": status(503), "down": Reply(cut=0), "gone": status(410)}
STAMP_SLACK: Final = 2.0
"""Seconds by which a timestamp, which has no fractions, may differ from the clock."""
LONGEST_WAY: Final = 10.0
"""Real seconds from the stamp to the request's arrival, where the sender's process stands still in between."""
BEAT: Final = 0.05
"""Real seconds between looks at how long this machine stood still."""
REAL_TIME_SHARE: Final = 0.06
"""Share of the examples for a sender without a virtual clock."""


class Story:
    """One sequence: a scene, a model, and what was done so far."""

    def __init__(self, target: SenderTarget) -> None:
        self.target = target
        self.log: list[str] = []
        self.mode = "well"
        self.gone = False
        self.deleted = False
        self.paused = False
        self.subscribed = True
        self.kills = 0
        self._stack = AsyncExitStack()
        self._judged = 0
        self._answers: dict[int, str] = {}
        self._number = 0
        self._beat = self._stood_still = 0.0

    async def begin(self) -> None:
        """Make the scene."""
        scene = self.scene = await self._stack.enter_async_context(self.target.scene(self._answer, retries=RETRIES))
        # A schedule that cannot be set is longer than what there is time to watch.
        own = () if self.target.has(Feature.SCHEDULE) else self.target.capabilities.schedule
        self.model = Model(
            delays=own or scene.delays,
            watched=len(own) if own and self.target.is_virtual else len(scene.delays),
            jitter=scene.jitter,
            grace=0.0 if self.target.is_virtual else GRACE,
            slack=2 * SLACK,
            settles=self.target.is_virtual,
            secrets=[(scene.secret, None)],
        )
        if not self.target.is_virtual:
            self._beat = time.monotonic()
            beating = asyncio.create_task(self._beats(), name="conformance-beats")
            self._stack.callback(beating.cancel)

    async def _beats(self) -> None:
        """Notice how long this machine stands still: so much longer a request may be on its way."""
        while True:
            self._look_at_the_clock()
            await asyncio.sleep(BEAT)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        self._stood_still = max(self._stood_still, now - self._beat - BEAT)
        self._beat = now
        self.model.grace = GRACE + self._stood_still

    async def end(self) -> None:
        """Let everything be delivered that can be, and see that nothing is lost."""
        try:
            if self.gone or self.deleted:
                return
            self.mode = "well"
            if self.paused:
                await self._resume()
            await self.step("everything is well, and time passes", self._run_out())
            lost = self.model.lost()
            if lost:
                numbers = ", ".join(str(event.number) for event in lost)
                self.fail("nothing acknowledged is lost", f"events {numbers} neither arrived nor used up their attempts", lost[0])
        finally:
            await self._stack.aclose()

    async def _run_out(self) -> None:
        total = sum(delay * (1 + self.model.jitter) for delay in self.model.delays[: self.model.watched])
        if self.target.is_virtual:
            await self.target.advance(total + 60.0)
            return
        end = time.monotonic() + total + self.target.patience + (self.target.recovery if self.kills else 0.0)
        while self.model.lost() and time.monotonic() < end:
            await asyncio.sleep(0.05)
            self._judge()

    def _answer(self, request: Request) -> Reply:
        self._answers[request.order] = self.mode
        if self.mode == "gone":
            self.model.stop("answered 410", request.clock if self.target.is_virtual else request.arrived)
            self.gone = True
        return ANSWERS[self.mode]

    @property
    def clock(self) -> float:
        """The sender's clock, as far as the order of events goes."""
        return self.target.elapsed if self.target.is_virtual else time.monotonic()

    async def step(self, what: str, work: Any) -> Any:
        """Do something, let the sender settle, and hold every request that came to the laws."""
        self.log.append(what)
        self.model.step += 1
        started = await self.target.now()
        self._started = started
        try:
            return await work
        finally:
            if self.target.is_virtual:
                await self.target.advance(0.0)
            else:
                await asyncio.sleep(0.02)
            self._now = await self.target.now()
            self._judge()

    def _judge(self) -> None:
        if not self.target.is_virtual:
            self._look_at_the_clock()
        requests = self.scene.requests
        while self._judged < len(requests):
            request = requests[self._judged]
            self._judged += 1
            when = (request.clock, self.target.elapsed) if self.target.is_virtual else (request.arrived, request.arrived)
            self._held(request, when)

    def _held(self, request: Request, when: tuple[float, float]) -> None:
        mode = self._answers[request.order]
        valid = self.model.valid(when[0] - self.model.grace)
        expired = [secret for secret, _ in self.model.secrets if secret not in valid]
        if not self.scene.signed_by(request, *valid):
            self.fail("each delivery is signed with a secret valid then", f"request {request.order} is not", None, request)
        if expired and self.scene.signed_by(request, *expired):
            self.fail("no secret signs beyond its time", f"request {request.order} is signed with one that ended", None, request)
        stamp = signed(request, self.target.capabilities.scheme).timestamp
        moment = float(stamp) if stamp.isascii() and stamp.isdigit() else 0.0
        low, high = (self._started, self._now) if self.target.is_virtual else (request.wall - LONGEST_WAY, request.wall)
        if not low - STAMP_SLACK <= moment <= high + STAMP_SLACK:
            self.fail("the timestamp is the attempt's", f"{stamp!r} at {low:.0f} to {high:.0f}", None, request)
        fault = self.model.judge(request, when, succeeded=mode == "well")
        if fault:
            event = self.model.event_of(request)
            self.fail(fault, f"request {request.order} breaks it", event, request)

    def fail(self, law: str, got: str, event: Event | None, *requests: Request) -> None:
        """Raise a violation with the sequence as its example."""
        shown = requests or (tuple(event.requests) if event is not None else ())
        raise Violation(
            "EMI-104",
            expected=law,
            got=got,
            exchanges=[request.exchange(secrets=(self.scene.secret,)) for request in (shown or tuple(self.scene.requests))[-4:]],
            example="\n".join(f"{number}. {line}" for number, line in enumerate(self.log, 1)),
        )

    # What can happen

    async def emit(self, kind: str, *, keyed: bool) -> None:
        """An event of the subscribed type and tenant at once; of another type, another tenant, or for later."""
        self._number += 1
        number = self._number
        typed = self.target.has(Feature.EVENT_TYPES)
        type_ = f"{self.scene.type}.strange" if kind == "type" and typed else self.scene.type
        tenant = STRANGER if kind == "tenant" and self.target.has(Feature.TENANTS) else ""
        wait = self._later if kind == "later" and self.target.has(Feature.SCHEDULED) else 0.0
        # Its time is part of what a key stands for, and is another one when it is emitted again.
        key = f"{self.scene.type}-{number}" if keyed and not wait and self.target.has(Feature.IDEMPOTENCY) else ""
        asked = not typed or (type_ == self.scene.type) == self.subscribed
        # Known before it is acknowledged: the request may be there sooner than the answer.
        event = self.model.events[number] = Event(
            number=number,
            event_id="",
            wanted=asked and not tenant and not self.deleted and not self.gone,
            type=type_,
            tenant=tenant,
            key=key,
            earliest=self.clock + wait if wait else 0.0,
        )
        of_what = " of another type" * (type_ != self.scene.type) + " of another tenant" * bool(tenant)
        how = f" for {wait:g} s later" * bool(wait) + " with a key" * bool(key)
        work = self.scene.emit(b'{"n": %d}' % number, key=key, type=type_, tenant=tenant, not_before=wait)
        try:
            event.event_id = (await self.step(f"emit event {number}{of_what}{how}", work)).event_id
        except Refused:
            if not tenant:  # a tenant that nobody made may be unknown
                raise

    @property
    def _later(self) -> float:
        """Seconds for which an event for later is held."""
        return 20.0 if self.target.is_virtual else 1.0

    async def emit_again(self, number: int) -> None:
        """The same emission with the same key."""
        event = self.model.events[number]
        work = self.scene.emit(b'{"n": %d}' % number, key=event.key, type=event.type, tenant=event.tenant)
        again = await self.step(f"emit event {number} again", work)
        if again.event_id != event.event_id:
            self.fail("a known key answers with the known event", f"{again.event_id!r} for {event.event_id!r}", event)

    async def emit_other(self, number: int) -> None:
        """Other content with a known key."""
        event = self.model.events[number]
        try:
            work = self.scene.emit(b'{"n": 0}', key=event.key, type=event.type, tenant=event.tenant)
            await self.step(f"emit other content with the key of event {number}", work)
        except Refused:
            return
        self.fail("a known key with other content is refused", "it was acknowledged", event)

    async def turn(self, mode: str) -> None:
        """The receiver changes its mind."""
        if mode == "gone" and not self.target.has(Feature.DISABLES_ON_GONE):
            mode = "failing"  # what a sender makes of 410 is its own affair where it promises nothing
        self.mode = mode
        self.log.append(f"the receiver is {mode}")

    async def wait(self, seconds: float) -> None:
        """Time passes."""
        if self.target.is_virtual:
            await self.step(f"{seconds:g} s pass", self.target.advance(seconds))
        else:
            await self.step("0.3 s pass", asyncio.sleep(0.3))

    async def rotate(self, overlap: float) -> None:
        """A new secret."""
        former = self.scene.secret
        secret = new_secret(f"{self.scene.type}/{len(self.model.secrets)}".encode())
        until = self.clock + overlap
        work = self.target.adapter.rotate(self.scene.name, secret, overlap)
        before = self.model.secrets
        kept = [(one, ended) for one, ended in before if one != former]
        # While the call is under way either may sign; the former stays valid until its time.
        self.model.secrets = [(secret, None), (former, until if overlap else self.clock + self.model.grace), *kept]
        try:
            self.scene.secret = await self.step(f"the secret is rotated, with {overlap:g} s of overlap", work)
        except Refused:  # such an overlap, perhaps: all is as it was
            self.model.secrets = before
            self.log[-1] += ", which the sender refuses"

    async def pause(self) -> None:
        """Hold the target."""
        await self.step("pause", self.target.adapter.pause(self.scene.name))
        self.paused = True
        self.model.stop("paused", self.clock)

    async def _resume(self) -> None:
        self.paused = False
        self.model.stopped = None
        await self.step("resume", self.target.adapter.resume(self.scene.name))

    async def resume(self) -> None:
        """Deliver again."""
        await self._resume()

    async def change_types(self) -> None:
        """From the one type to the other, and back."""
        self.subscribed = not self.subscribed
        types = (self.scene.type,) if self.subscribed else (f"{self.scene.type}.strange",)
        what = "subscribe to the first type" if self.subscribed else "subscribe to the other type"
        await self.step(what, self.target.adapter.update(self.scene.name, Change(event_types=types)))

    async def delete(self) -> None:
        """Remove the target in mid-flight."""
        await self.step("delete the target", self.target.adapter.delete(self.scene.name))
        self.deleted = True
        self.model.stop("deleted", self.clock)

    async def restart(self, *, kill: bool) -> None:
        """End the sender and start it again."""
        if kill and not self.target.is_virtual:  # on a virtual clock nothing is on the wire between two steps
            self.kills += 1
            self.model.kill(self.clock)
        try:
            await self.step("kill and start" if kill else "restart", self.target.adapter.restart(kill=kill))
        finally:
            self.model.killed()


class Machine(RuleBasedStateMachine):
    """The rules; what each does stands in `Story`."""

    target: SenderTarget
    portal: Portal

    @initialize()
    def begin(self) -> None:
        """Start a story."""
        self.story = Story(self.target)
        self.portal(self.story.begin())

    def has(self, *features: Feature) -> bool:
        """Whether the sender has these features, and the target is still there."""
        return all(self.target.has(feature) for feature in features) and not self.story.deleted

    def keyed(self) -> list[int]:
        """Events with a key."""
        return [event.number for event in self.story.model.events.values() if event.key and event.event_id]

    @rule(
        kind=st.sampled_from(["", "", "", "", "type", "tenant", "later"]),
        keyed=st.booleans(),
        mode=st.sampled_from(["", "", "failing", "failing", "well", "well", "gone"]),
    )
    def emit(self, kind: str, keyed: bool, mode: str) -> None:
        """Emit, to a receiver as it is or as it becomes."""
        if mode and mode != self.story.mode:
            self.portal(self.story.turn(mode))
        self.portal(self.story.emit(kind, keyed=keyed))

    @precondition(lambda self: bool(self.keyed()))
    @rule(data=st.data(), other=st.booleans())
    def emit_again(self, data: st.DataObject, other: bool) -> None:
        """Emit with a known key."""
        number = data.draw(st.sampled_from(self.keyed()))
        self.portal(self.story.emit_other(number) if other else self.story.emit_again(number))

    @rule(mode=st.sampled_from(["failing", "well", "failing", "down", "overloaded", "well"]))
    def turn(self, mode: str) -> None:
        """Another kind of answer."""
        self.portal(self.story.turn(mode))

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.portal(self.story.wait(seconds))

    @precondition(lambda self: self.has(Feature.ROTATE))
    @rule(overlap=st.sampled_from([0.0, OVERLAP]))
    def rotate(self, overlap: float) -> None:
        """Rotate the secret."""
        self.portal(self.story.rotate(overlap))

    @precondition(lambda self: self.has(Feature.PAUSE) and not self.story.paused and not self.story.gone)
    @rule()
    def pause(self) -> None:
        """Pause."""
        self.portal(self.story.pause())

    @precondition(lambda self: self.has(Feature.PAUSE) and self.story.paused and not self.story.gone)
    @rule()
    def resume(self) -> None:
        """Resume."""
        self.portal(self.story.resume())

    @precondition(lambda self: self.has(Feature.EVENT_TYPES, Feature.UPDATE))
    @rule(really=st.sampled_from([False, False, True]))
    def change_types(self, really: bool) -> None:
        """Change the filter; not too often, for little is delivered meanwhile. Behind 410 it must change nothing."""
        if really or self.story.gone:
            self.portal(self.story.change_types())

    @precondition(lambda self: self.has(Feature.DELETE))
    @rule(really=st.sampled_from([False, False, False, True]))
    def delete(self, really: bool) -> None:
        """Delete; seldom, for it ends the story."""
        if really:
            self.portal(self.story.delete())

    @precondition(lambda self: self.target.has(Feature.RESTART))
    @rule(how=st.sampled_from(["", "restart", "", "kill"]))
    def restart(self, how: str) -> None:
        """Restart, or kill; not too often, for little happens in between."""
        if how:
            self.portal(self.story.restart(kill=how == "kill" and self.target.has(Feature.KILL)))

    def teardown(self) -> None:
        """End the story."""
        if hasattr(self, "story"):
            self.portal(self.story.end())


@check("EMI-104", needs=("retries",), quick=False)
async def sequences_keep_the_laws(target: SenderTarget) -> None:
    """Generated sequences; the shortest that breaks a law is what is shown."""

    def machine(portal: Portal) -> Machine:
        made = type("SenderMachine", (Machine,), {"target": target, "portal": portal})()
        assert isinstance(made, Machine)
        return made

    share = 1.0 if target.is_virtual else REAL_TIME_SHARE
    await run_machine(target.plan, machine, fails=(Violation,), share=share)
