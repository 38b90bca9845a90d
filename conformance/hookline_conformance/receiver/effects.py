"""How the suite sees what a receiver did: a URL, a command, or a Python callable.

All give `{"effects": {"<event id>": count}, "total": n}`: how often each event took effect.
"""

import asyncio
import inspect
import json
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from typing_extensions import override

from hookline_conformance.check import NoVerdict
from hookline_conformance.receiver.wire import Address, Connection

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """How often each event took effect, and how many effects there were at all."""

    counts: Mapping[str, int]
    total: int

    def of(self, event_id: str) -> int:
        """How often an event took effect."""
        return self.counts.get(event_id, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The effects at a moment, and the ids that were acknowledged until then and have no effect yet: `pending`."""

    effects: Effects
    pending: frozenset[str] = frozenset()

    def until(self, now: Effects) -> int:
        """How many effects came since, the late ones of what had been acknowledged before not among them."""
        late = sum(1 for event_id in self.pending if now.of(event_id))
        return now.total - self.effects.total - late


class _Reading(BaseModel):
    model_config = ConfigDict(strict=True)
    effects: dict[str, NonNegativeInt]
    total: NonNegativeInt


def parse_effects(text: str | bytes, origin: str) -> Effects:
    """Read a probe's JSON; raises `NoVerdict`, naming the origin and the fault."""
    try:
        reading = _Reading.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        right = 'it must give {"effects": {"<event id>": count}, "total": n}'
        raise NoVerdict(f"the effects probe ({origin}) errs: {where}: {first['msg']}; {right}") from error
    if reading.total < sum(reading.effects.values()):
        raise NoVerdict(f"the effects probe ({origin}) errs: total is {reading.total}, less than the sum of its effects")
    return Effects(counts=reading.effects, total=reading.total)


class EffectsProbe(ABC):
    """A way to see the effects."""

    @abstractmethod
    async def read(self) -> Effects:
        """The effects so far; raises `NoVerdict` where the probe errs."""


class UrlProbe(EffectsProbe):
    """Reads the effects from a URL of the receiver, by GET; `interval` is the least time in seconds between two."""

    def __init__(self, url: str, *, interval: float = 0.0) -> None:
        self._url = url
        self._interval = interval
        self._next = 0.0
        self._address = Address.of(url)
        self._connection: Connection | None = None

    @override
    async def read(self) -> Effects:
        if self._interval:
            now = time.monotonic()
            self._next = max(self._next, now) + self._interval
            await asyncio.sleep(self._next - self._interval - now)
        for fresh in (False, True):
            if fresh or self._connection is None:
                await self.close()
            answer = await self._get()
            if answer is not None:
                return parse_effects(answer, self._url)
        raise NoVerdict(f"the effects probe ({self._url}) errs: the connection was closed without an answer")

    async def _get(self) -> bytes | None:
        """The body of a good answer; None where a kept connection turned out to be closed."""
        kept = self._connection is not None
        try:
            connection = self._connection or await Connection.open(self._address)
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"the effects probe ({self._url}) does not answer: {error!s}") from error
        self._connection = connection
        connection.sent.clear()
        connection.received.clear()
        await connection.write(
            f"GET {self._address.path} HTTP/1.1\r\nHost: {self._address.authority}\r\nAccept: */*\r\n\r\n".encode()
        )
        answer = await connection.read(_SECONDS)
        if not connection.reusable:
            await self.close()
        if answer.silence is not None and kept:
            return None
        if answer.status != 200:
            raise NoVerdict(f"the effects probe ({self._url}) errs: {answer}, where 200 and JSON were expected")
        return answer.body

    async def close(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


class CommandProbe(EffectsProbe):
    """Reads the effects from what a command prints; it is run without a shell."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._words = shlex.split(command)
        if not self._words:
            raise ValueError("the effects command is empty")

    @override
    async def read(self) -> Effects:
        output = await run_command(self._words, self._command, _SECONDS, "the effects probe")
        return parse_effects(output, self._command)


async def run_command(words: list[str], shown: str, seconds: float, what: str) -> bytes:
    """What a command prints; raises `NoVerdict` where it fails or is not done in time."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise NoVerdict(f"{what} ({shown}) cannot be run: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise NoVerdict(f"{what} ({shown}) is not done after {seconds:.0f} s") from error
    if process.returncode != 0:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise NoVerdict(f"{what} ({shown}) errs: exit code {process.returncode}{f': {last}' if last else ''}")
    return output


class CallableProbe(EffectsProbe):
    """Reads the effects by calling Python, in the pytest plugin; the callable may be a coroutine function."""

    def __init__(self, function: Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]) -> None:
        self._function = function

    @override
    async def read(self) -> Effects:
        name = getattr(self._function, "__name__", repr(self._function))
        try:
            result = self._function()
            value = await result if inspect.isawaitable(result) else result
            return parse_effects(json.dumps(value), name)
        except NoVerdict:
            raise
        except Exception as error:
            raise NoVerdict(f"the effects probe ({name}) errs: {type(error).__name__}: {error}") from error
