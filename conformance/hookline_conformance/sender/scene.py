"""A scene: one scripted receiver, one target that the sender delivers to, and what a check does with them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Final, NoReturn

from hookline_conformance.check import NotChecked, Violation
from hookline_conformance.exchange import Exchange
from hookline_conformance.sender.adapter import Emission, Emitted, Feature, Refused, TargetSpec
from hookline_conformance.sender.endpoint import Endpoint, Request
from hookline_conformance.sender.signature import signers

if TYPE_CHECKING:
    from hookline_conformance.sender.target import SenderTarget

SLACK: Final = 0.05
"""Of a second: by how much two clocks, or a clock and its rounding, may differ."""
_SHOWN: Final = 4
_PLAYED: Final = 5
"""How often a scene is played until it was in time."""
_BROKEN: Final = 3
"""In how many scenes a violation must show, as a machine that stands still may look like one."""


class TooLate(Exception):
    """The moment that a scene was to look at had passed, and nothing can be said of the sender; the message says why."""


Play = Callable[["SenderTarget"], Awaitable[None]]


def in_time(play: Play) -> Play:
    """A check that is played again when its scene came too late, a few times; then it is `NotChecked`."""

    @wraps(play)
    async def played(target: "SenderTarget") -> None:
        late = TooLate()
        for _ in range(_PLAYED):
            try:
                return await play(target)
            except TooLate as error:
                late = error
        raise NotChecked(str(late)) from late

    return played


def every_time(play: Play) -> Play:
    """A check that fails only if each of several scenes shows the violation: a real fault is there every time."""

    @wraps(play)
    async def played(target: "SenderTarget") -> None:
        for _ in range(_BROKEN - 1):
            with contextlib.suppress(Violation):
                return await play(target)
        return await play(target)

    return played


class Scene:
    """What a check plays with. `delays` and `jitter` are the retry policy that is in force."""

    def __init__(
        self, target: "SenderTarget", endpoint: Endpoint, *, type: str, secret: str, delays: tuple[float, ...], jitter: float
    ) -> None:
        self.target = target
        self.endpoint = endpoint
        self.type = type
        self.secret = secret
        self.delays = delays
        self.jitter = jitter
        self.name = ""
        """The adapter's name of the target; empty until it is configured."""

    @property
    def requests(self) -> list[Request]:
        """What came so far."""
        return self.endpoint.requests

    @property
    def timeout(self) -> float:
        """The timeout of an attempt in force, in seconds."""
        return self._timeout

    async def configure(self, spec: TargetSpec, *, retries: int) -> None:
        """Make the target; `Refused` if the sender says no."""
        features = self.target.capabilities.features
        self._timeout = spec.timeout or self.target.capabilities.timeout
        wanted = replace(
            spec,
            url=spec.url or self.endpoint.url,
            secret=spec.secret or self.secret,
            event_types=spec.event_types or ((self.type,) if Feature.EVENT_TYPES in features else ()),
        )
        if Feature.SCHEDULE in features and wanted.schedule is None:
            wanted = replace(wanted, schedule=self.delays if retries else (), jitter=self.jitter)
        self.name = await self.target.adapter.configure(wanted)
        self.secret = await self.target.adapter.secret(self.name)

    async def remove(self) -> None:
        """Take the target away again."""
        if self.name:
            with contextlib.suppress(Refused):  # it may be gone already, which is what is wanted
                await self.target.adapter.delete(self.name)

    async def emit(self, data: bytes = b'{"n": 1}', **fields: object) -> Emitted:
        """Emit an event that this scene's target is to be told of."""
        return await self.target.adapter.emit(replace(Emission(type=self.type, data=data), **fields))  # type: ignore[arg-type]  # the fields of Emission

    async def arrived(self, count: int) -> bool:
        """Whether `count` requests came, within the patience; retries are not waited for on a virtual clock."""
        if self.target.is_virtual:
            await self.target.advance(0.0)
        return await self.endpoint.wait(count, self.target.patience)

    async def first(self, count: int = 1) -> Request:
        """The last of the first `count` requests; `NotChecked` if it does not come (another check's requirement)."""
        if not await self.arrived(count):
            raise NotChecked(f"request {count} of the scene never came, so there was nothing to look at")
        return self.requests[count - 1]

    async def answered(self, count: int = 1) -> Request:
        """The `count`th request, once its answer is out."""
        request = await self.first(count)
        await asyncio.wait_for(request.done.wait(), self.target.patience + self._timeout)
        return request

    def longest(self, retry: int) -> float:
        """The longest that the policy lets the `retry`th retry (from 1) wait, in seconds."""
        return self.delays[retry - 1] * (1 + self.jitter)

    def least(self, retry: int) -> float:
        """The shortest that the policy lets the `retry`th retry (from 1) wait, in seconds."""
        return self.delays[retry - 1] * (1 - self.jitter)

    def before_retry(self, ended: float) -> None:
        """Raise TooLate if the first retry may be out already, where the attempt before it ended at `ended` or later.

        `ended` is of `time.monotonic`. On a virtual clock it cannot be out.
        """
        if not self.target.is_virtual and time.monotonic() >= ended + self.least(1) - SLACK:
            raise TooLate("what was to happen before the retry took longer than its delay")

    async def retried(self, count: int, *, retry: int | None = None, extra: float = 0.0) -> bool:
        """Let the time of a retry pass; whether `count` requests have come then.

        `retry` says which one it is (default: count - 1), `extra` adds seconds to what the policy allows.
        """
        number = retry if retry is not None else count - 1
        if number > len(self.delays):
            raise NotChecked(f"retry {number} would come later than a check waits")
        wait = self.longest(number) + extra
        if self.target.is_virtual:
            await self.target.advance(wait + 2 * SLACK)
            return await self.endpoint.wait(count, self.target.patience)
        return await self.endpoint.wait(count, wait + self.target.patience)

    async def must_retry(self, requirement: str, count: int, why: str, *, retry: int | None = None, extra: float = 0.0) -> Request:
        """The `count`th request, or a violation: the sender was to try again because of `why`."""
        if not await self.retried(count, retry=retry, extra=extra):
            self.fail(requirement, f"another attempt after {why}", f"{len(self.requests)} requests in all")
        return self.requests[count - 1]

    async def quiet(self, seconds: float | None = None) -> None:
        """Let so much time pass that a retry would have come: `seconds`, or twice the longest delay of the policy."""
        longest = max((*self.delays, 0.0)) * (1 + self.jitter)
        if self.target.is_virtual:
            await self.target.advance(2 * longest + 60.0 if seconds is None else seconds)
        else:
            await asyncio.sleep(min(2 * longest + 0.3, 4.0) if seconds is None else seconds)

    async def must_stay(self, requirement: str, count: int, why: str, seconds: float | None = None) -> None:
        """A violation if more than `count` requests come."""
        await self.quiet(seconds)
        if len(self.requests) > count:
            self.fail(requirement, f"no attempt after {why}", f"{len(self.requests) - count} more")

    def signed_by(self, request: Request, *secrets: str) -> set[str]:
        """Which of the secrets (the scene's, if none are named) signed a request."""
        return signers(request, self.target.capabilities.scheme, secrets or (self.secret,))

    def expect(self, holds: bool, requirement: str, expected: str, got: str, *requests: Request) -> None:
        """A violation unless it holds."""
        if not holds:
            self.fail(requirement, expected, got, *requests)

    def fail(self, requirement: str, expected: str, got: str, *requests: Request) -> NoReturn:
        """Raise a violation with the bytes of these requests, or of the last ones."""
        shown = requests or self.requests[-_SHOWN:]
        raise Violation(
            requirement,
            expected=expected,
            got=got,
            exchanges=[request.exchange(secrets=(self.secret,)) for request in shown],
        )

    def exchanges(self) -> tuple[Exchange, ...]:
        """The last requests and their answers."""
        return tuple(request.exchange(secrets=(self.secret,)) for request in self.requests[-_SHOWN:])
