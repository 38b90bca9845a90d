"""Watching effects: which are still to come, and how long to wait before the absence of one means something."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from hookline_conformance.check import NoVerdict
from hookline_conformance.explore import Mode, Plan
from hookline_conformance.receiver.effects import Baseline, Effects, EffectsProbe

_EFFECT_SECONDS: Final = 10.0
"""How long an effect may take to show; beyond, no verdict is possible."""
_OTHER_NAME_SECONDS: Final = 1.0
_POLL: Final = 0.02
_MORE: Final = 3
"""Events that are sent to see how late an effect can be, where the first one's was late."""
_FACTOR: Final = 1.5
"""By how much longer than the slowest effect so far one is waited for."""
_BUDGET: Final = {Mode.QUICK: 3.0, Mode.FULL: 30.0, Mode.THOROUGH: 300.0}
"""Seconds that one check's generated examples may spend waiting for effects."""


class EffectsWatch:
    """What a probe shows, and which effects are still under way.

    `lag` is how many seconds after the last exchange everything that it caused is to be seen; 0 where effects
    show before the answer. An effect may be later still: those of `note`d events are told from new ones.
    """

    def __init__(self, probe: EffectsProbe) -> None:
        self._probe = probe
        self._pending: set[str] = set()
        self._last_exchange = 0.0
        self.lag = 0.0

    def exchanged(self) -> None:
        """An exchange has ended just now."""
        self._last_exchange = time.monotonic()

    def note(self, event_ids: Iterable[str]) -> None:
        """Events that may have an effect from now on."""
        self._pending.update(event_ids)

    async def calibrate(self, deliver: Callable[[], Awaitable[str]]) -> None:
        """Learn how long effects take to show; `deliver` sends an event and answers its id, empty if it was refused.

        Raises:
            NoVerdict: an acknowledged event has no effect in the probe, or under another id.
        """
        before = await self.read()
        event_id = await deliver()
        if event_id and (took := await self._waited_for(event_id, before)):
            # One that is late may be later another time. That it has an effect at all, the checks say.
            more = [event_id for _ in range(_MORE) if (event_id := await deliver())]
            begun = time.monotonic()
            while not set(more) <= (await self.read()).counts.keys():
                if time.monotonic() - begun > 2 * took:
                    break
                await asyncio.sleep(_POLL)
            self.lag = _FACTOR * max(took, time.monotonic() - begun)

    async def _waited_for(self, event_id: str, before: Effects) -> float:
        """Seconds until the event's effect shows; 0 if it does at once."""
        begun = time.monotonic()
        late = False
        while not (effects := await self.read()).of(event_id):
            late = True
            waited = time.monotonic() - begun
            if effects.total > before.total and waited > _OTHER_NAME_SECONDS:
                raise NoVerdict(f"the effects probe counts the effect of {event_id!r} under another id than the event's")
            if waited > _EFFECT_SECONDS:
                raise NoVerdict(
                    f"the effects probe lags, or errs: an acknowledged event has no effect in it after {_EFFECT_SECONDS:.0f} s"
                )
            await asyncio.sleep(_POLL)
        return time.monotonic() - begun if late else 0.0

    async def read(self) -> Effects:
        """The effects at this moment."""
        effects = await self._probe.read()
        self._pending -= effects.counts.keys()
        return effects

    async def settled(self) -> Effects:
        """The effects, once those of the last exchange had their time: several events share one wait."""
        left = self._last_exchange + self.lag - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
        return await self.read()

    async def baseline(self) -> Baseline:
        """The effects at this moment, and which are still to come."""
        effects = await self.read()
        return Baseline(effects=effects, pending=frozenset(self._pending))

    def share(self, plan: Plan, wanted: float) -> float:
        """The share of a plan's examples that the time allows, where each example waits for its effects."""
        return min(wanted, _BUDGET[plan.mode] / (self.lag * plan.examples())) if self.lag else wanted

    async def close(self) -> None:
        """Let the probe go."""
        closing = getattr(self._probe, "close", None)
        if closing is not None:
            await closing()
