"""A sender under test: its adapter, its clock, and the scenes that checks play with it."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from hookline_conformance.check import Check, Lack, NoVerdict, Target
from hookline_conformance.exchange import Exchange
from hookline_conformance.requirement import Binds
from hookline_conformance.sender.adapter import AdapterError, Capabilities, Feature, Refused, SenderAdapter, TargetSpec
from hookline_conformance.sender.endpoint import Endpoint
from hookline_conformance.sender.reply import OK, Script, always
from hookline_conformance.sender.scene import Scene
from hookline_conformance.sender.signature import new_secret

PATIENCE: Final = 10.0
"""Real seconds to wait for what should come at once; a loaded machine may need some of them."""
VIRTUAL_DELAYS: Final = (10.0, 30.0, 60.0, 300.0)
SHORT_DELAYS: Final = (0.25, 0.4, 0.5, 0.6)
UNHURRIED: Final = 1.0
"""Real seconds before a retry in scenes that do something meanwhile."""
LONGEST_REAL_DELAY: Final = 20.0
"""Real seconds that a check waits for a retry of a schedule that it could not shorten."""
TOO_SLOW: Final = "its first delay is longer than a check waits, and it has neither a virtual clock nor a schedule to set"


class SenderTarget(Target):
    """A sender, driven by an adapter. `patience` is in real seconds."""

    binds: ClassVar[Binds] = Binds.SENDER

    def __init__(self, adapter: SenderAdapter, *, name: str, command: str = "", patience: float = PATIENCE) -> None:
        self.adapter = adapter
        self.patience = patience
        self.capabilities = Capabilities(name=name)
        self.elapsed = 0.0
        """Seconds by which the sender's virtual clock was moved; the start of the move that is under way."""
        self._name = name
        self._command = command or f"hookline-conformance sender {name}"
        self._number = itertools.count(1)
        self._run = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:8]
        self._scenes: list[Scene] = []

    @property
    def name(self) -> str:
        """What a report calls it."""
        version = self.capabilities.version
        return f"{self._name} {version}" if version else self._name

    @property
    def scheme(self) -> str | None:
        """The scheme that the adapter says the sender signs by."""
        return self.capabilities.scheme

    @property
    def recovery(self) -> float:
        """Seconds that a sender may need behind a kill: where several processes share the work, one must be seen to be dead."""
        return 6 * self.patience

    @property
    def is_virtual(self) -> bool:
        """Whether the sender's clock can be moved."""
        return Feature.VIRTUAL_CLOCK in self.capabilities.features

    def has(self, feature: Feature) -> bool:
        """Whether the sender declares a feature."""
        return feature in self.capabilities.features

    def lacks(self, need: str) -> Lack | None:
        """Why a need is not met: a feature that is not declared, or `retries` that would take too long."""
        if need == "retries":
            return None if self.delays(1) else Lack(reason=TOO_SLOW)
        if Feature(need) in self.capabilities.features:
            return None
        return Lack(reason=f"the sender declares that it has no {need}", unsupported=True)

    def command(self) -> str:
        """The command that runs the suite against this sender."""
        return self._command

    async def open(self) -> None:
        """Connect, and see that a request comes when an event is emitted."""
        try:
            self.capabilities = await self.adapter.open()
            await self._probe()
        except (AdapterError, Refused, OSError, ValueError) as error:
            await self.adapter.close()
            raise NoVerdict(f"the sender {self._name} cannot be driven: {error}") from error

    async def _probe(self) -> None:
        async with self.scene() as scene:
            emitted = await scene.emit()
            if not await scene.arrived(1):
                raise AdapterError(
                    f"it acknowledged event {emitted.event_id}, and no request came to {scene.endpoint.url} within "
                    f"{self.patience:g} s; is it set up to deliver to loopback over http?"
                )

    async def close(self) -> None:
        """Let go of the sender."""
        await self.adapter.close()

    async def before(self, check: Check) -> None:
        """Forget the exchanges of the check before."""
        self._scenes.clear()

    def exchanges(self) -> tuple[Exchange, ...]:
        """The last requests of the check's scenes."""
        return tuple(exchange for scene in self._scenes[-2:] for exchange in scene.exchanges())

    def delays(self, count: int) -> tuple[float, ...]:
        """Up to `count` delays of a schedule that can be watched here; fewer, or none, where they take too long."""
        features = self.capabilities.features
        if Feature.SCHEDULE in features:
            shown = VIRTUAL_DELAYS if self.is_virtual else SHORT_DELAYS
            return tuple(max(delay, self.capabilities.shortest_delay) for delay in shown[:count])
        if self.is_virtual:
            return self.capabilities.schedule[:count]
        fits = itertools.takewhile(lambda delay: delay <= LONGEST_REAL_DELAY, self.capabilities.schedule)
        return tuple(itertools.islice(fits, count))

    def timeout(self, least: float = 0.3) -> float:
        """Seconds of an attempt's timeout in scenes about timeouts."""
        if Feature.TIMEOUT not in self.capabilities.features:
            return self.capabilities.timeout
        return max(least, self.capabilities.shortest_timeout)

    async def advance(self, seconds: float) -> None:
        """Move the virtual clock."""
        await self.adapter.advance(seconds)
        self.elapsed += seconds

    async def now(self) -> float:
        """Seconds since 1970 by the sender's clock; this machine's, where the sender has no clock of its own."""
        return await self.adapter.now() if self.is_virtual else time.time()

    @asynccontextmanager
    async def scene(
        self,
        script: Script | None = None,
        *,
        endpoint: Endpoint | None = None,
        retries: int = 0,
        spec: TargetSpec | None = None,
        jitter: float | None = None,
        own_type: bool = True,
        unhurried: bool = False,
    ) -> AsyncIterator[Scene]:
        """A receiver and a target for it, that no other scene shares.

        `retries` is how many retries the schedule is to have (where it can be configured). `spec` holds what
        else is asked for; its URL, secret, types and schedule are filled in where they are empty. `unhurried`
        leaves the check time to do something before a retry.
        """
        number = next(self._number)
        made = endpoint or Endpoint(script or always(OK), clock=lambda: self.elapsed)
        if endpoint is not None and script is not None:
            made.script = script
        async with made:
            scene = Scene(
                self,
                made,
                type=f"conformance.run{self._run}.c{number}" if own_type else "conformance.shared",
                secret=new_secret(f"{self._run}/{number}".encode()),
                delays=self._unhurried(self.delays(retries)) if unhurried else self.delays(retries),
                jitter=self._jitter(jitter),
            )
            try:
                await scene.configure(spec or TargetSpec(url=""), retries=retries)
                self._scenes.append(scene)
                yield scene
            finally:
                await asyncio.shield(scene.remove())

    def _unhurried(self, delays: tuple[float, ...]) -> tuple[float, ...]:
        if self.is_virtual or Feature.SCHEDULE not in self.capabilities.features:
            return delays
        return tuple(max(delay, UNHURRIED) for delay in delays)

    def _jitter(self, wanted: float | None) -> float:
        if Feature.SCHEDULE in self.capabilities.features and wanted is not None:
            return wanted
        return self.capabilities.jitter
