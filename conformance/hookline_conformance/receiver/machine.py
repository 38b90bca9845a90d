"""Generated sequences: deliver, duplicate, reorder, corrupt, wait, rotate, restart; the model counts effects."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from hookline_conformance.check import Violation, check
from hookline_conformance.explore import Mode, Portal, run_machine
from hookline_conformance.receiver.effects import Baseline
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.schemes.scheme import Delivery, without

REQUIREMENT: Final = "IDM-015"
_RESTARTS: Final = {Mode.QUICK: 0, Mode.FULL: 1, Mode.THOROUGH: 2}
"""How many in one sequence: a restart may take seconds."""
_T = TypeVar("_T")


class Sequence(RuleBasedStateMachine):
    """One sequence against the receiver; after each step every event has the effects that it should."""

    def __init__(self, portal: Portal, target: ReceiverTarget) -> None:
        super().__init__()
        self._portal = portal
        self._target = target
        self._sent: list[Delivery] = []
        self._secret = target.secrets[0]
        self._restarts = 0
        self._steps: list[str] = []
        self._late = target.watch is not None and target.watch.lag > 0
        """Effects come late, so that one wait, at the end, has to do for all steps."""
        self._before: Baseline | None = self._ask(target.baseline())

    def _ask(self, coroutine: Coroutine[Any, Any, _T]) -> _T | None:
        if self._portal.spent:
            coroutine.close()
            return None
        try:
            return self._portal(coroutine)
        except Violation as violation:
            violation.example = "\n".join(self._steps)
            raise

    @rule(age=st.integers(0, 60), number=st.integers(0, 3))
    def deliver(self, age: int, number: int) -> None:
        """A new event, its stamp up to a minute old: stamps come in any order."""
        self._step(f"deliver a new event ({number}), stamped {age} s ago")
        delivery = self._target.delivery({"n": number}, age=age)
        self._sent.append(delivery)
        self._ask(self._accepted(delivery))

    @precondition(lambda self: self._sent)
    @rule(choice=st.integers(0, 50), age=st.integers(0, 60))
    def duplicate(self, choice: int, age: int) -> None:
        """An earlier event again, stamped and signed anew."""
        index = choice % len(self._sent)
        self._step(f"deliver event {index + 1} again, stamped {age} s ago")
        again = replace(self._sent[index], timestamp=self._target.kind.stamp(time.time() - age))
        self._ask(self._accepted(again))

    @precondition(lambda self: self._sent)
    @rule(choice=st.integers(0, 50))
    def duplicate_at_once(self, choice: int) -> None:
        """An earlier event four times at once."""
        index = choice % len(self._sent)
        self._step(f"deliver event {index + 1} again, four times at once")
        self._ask(self._at_once(self._sent[index]))

    @rule(way=st.sampled_from(["key", "body", "signature", "stale"]))
    def corrupt(self, way: str) -> None:
        """A forged event with an id that never was."""
        self._step(f"deliver a forged event ({way})")
        self._ask(self._refused(self._target.delivery(), way))

    @precondition(lambda self: self._sent)
    @rule(choice=st.integers(0, 50), way=st.sampled_from(["key", "body", "signature", "stale"]))
    def corrupt_seen(self, choice: int, way: str) -> None:
        """A forged delivery with the id of an earlier event."""
        index = choice % len(self._sent)
        self._step(f"deliver event {index + 1} forged ({way})")
        self._ask(self._refused(self._sent[index], way))

    @rule()
    def wait(self) -> None:
        """Let the receiver do what it does in the background."""
        self._step("wait")
        self._ask(asyncio.sleep(0.01))

    @precondition(lambda self: len(self._target.secrets) > 1)
    @rule()
    def rotate(self) -> None:
        """Sign with the next of the valid secrets."""
        place = self._target.secrets.index(self._secret)
        self._secret = self._target.secrets[(place + 1) % len(self._target.secrets)]
        self._step("rotate the secret")

    @precondition(lambda self: self._target.lacks("restart") is None and self._restarts < _RESTARTS[self._target.plan.mode])
    @rule()
    def restart(self) -> None:
        """Restart the receiver."""
        self._restarts += 1
        self._step("restart")
        self._ask(self._target.restart())
        self._ask(self._looked())

    def teardown(self) -> None:
        """See what came of it all, where that was not seen after each step."""
        if self._late:
            self._ask(self._settled())

    def _step(self, text: str) -> None:
        self._steps.append(f"{len(self._steps) + 1}. {text}")

    async def _accepted(self, delivery: Delivery) -> None:
        await self._target.accepts(REQUIREMENT, self._target.signed(delivery, self._secret), "a genuine delivery")
        await self._looked()

    async def _at_once(self, delivery: Delivery) -> None:
        message = self._target.signed(replace(delivery, timestamp=self._target.kind.stamp(time.time())), self._secret)
        await asyncio.gather(*(self._target.deliver(message, note="one of four at once") for _ in range(4)))
        await self._looked()

    async def _refused(self, delivery: Delivery, way: str) -> None:
        target = self._target
        if way == "key":
            message = target.signed(delivery, target.other_secret())
        elif way == "signature":
            message = without(target.signed(delivery, self._secret), target.kind.signature_header)
        elif way == "stale" and target.kind.timestamped:
            message = target.signed(replace(delivery, timestamp=target.kind.stamp(time.time() - 86_400)), self._secret)
        else:
            message = target.signed(delivery, self._secret)
            message = replace(message, body=message.body + b" ")
        answer = await target.deliver(message, note="a forged delivery")
        if not (answer.accepted and way == "stale"):  # a tolerance beyond a day is another requirement's
            await self._looked()

    async def _looked(self) -> None:
        if not self._late:
            await self._settled()

    async def _settled(self) -> None:
        effects = await self._target.effects()
        for number, delivery in enumerate(self._sent, 1):
            if effects.of(delivery.id) != 1:  # it may be late: look again, and wait
                await self._target.has_effects(REQUIREMENT, delivery.id, 1, f"event {number}")
                effects = await self._target.effects()
        total = self._before.until(effects) if self._before is not None else effects.total
        if total != len(self._sent):
            raise Violation(
                REQUIREMENT,
                expected=f"{len(self._sent)} effects of {len(self._sent)} genuine events",
                got=f"{total} effects",
                exchanges=self._target.exchanges(),
            )


@check(REQUIREMENT, needs=("effects",))
async def every_sequence_has_the_effects_of_its_genuine_events(target: ReceiverTarget) -> None:
    """Run generated sequences."""
    share = target.waiting_share(0.5)
    await run_machine(target.plan, lambda portal: Sequence(portal, target), fails=(Violation,), share=share)
