"""What an inbox is: where events stand from the moment they are answered until they are handled."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hookline.clock import Clock
from hookline.receiver.event import ReceivedEvent

MOST_WAITING: Final = 100_000
"""Events that wait, before more are refused."""
FULL_FOR: Final = 30.0
"""Seconds after which the other side may come again when the inbox is full."""
_COUNT_EVERY: Final = 1.0
"""Seconds."""
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event that somebody works on: this is attempt number `attempts`, `elapsed` seconds after the first began.

    `epoch` tells this claim from every other of the same event.
    """

    event: ReceivedEvent
    attempts: int
    epoch: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that is not tried any more, and why."""

    event: ReceivedEvent
    attempts: int
    error: str
    died_at: datetime


class Inbox(ABC):
    """Events by scope (the receiver's name) and key, each there once.

    Whoever claims an event has it for a lease, which is extended while it is handled; if the process dies,
    the lease ends and another one claims it. What an older attempt reports then is not heard. Any number
    of processes may work on one inbox.
    """

    def __init__(self) -> None:
        self.bell: Final = Bell()

    @abstractmethod
    async def setup(self) -> None:
        """Open it, and make its table if it is not there. Safe to repeat."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what it holds. Safe to repeat."""

    @abstractmethod
    async def accept(self, scope: str, events: Sequence[ReceivedEvent]) -> int:
        """Have `events` on disk, all or none, and answer how many had not been there.

        Raises ResourceExhausted if too many wait.
        """

    @abstractmethod
    async def claim(self, scope: str, most: int, lease: float) -> Sequence[StoredEvent]:
        """Up to `most` events that are due, for `lease` seconds, the longest due first."""

    @abstractmethod
    async def extend(self, scope: str, claimed: Sequence[StoredEvent], lease: float) -> None:
        """Hold them for `lease` seconds from now, unless they were lost."""

    @abstractmethod
    async def finish(self, scope: str, claimed: StoredEvent) -> bool:
        """It is handled; its key is kept. False if it was lost to another worker."""

    @abstractmethod
    async def postpone(self, scope: str, claimed: StoredEvent, delay: float, error: str) -> bool:
        """It failed, and is due again in `delay` seconds. False if it was lost."""

    @abstractmethod
    async def bury(self, scope: str, claimed: StoredEvent, error: str) -> bool:
        """It failed for good. False if it was lost."""

    @abstractmethod
    async def next_due(self, scope: str) -> float | None:
        """Seconds until something can be claimed, 0 if it can be now, None if nothing waits."""

    @abstractmethod
    async def dead_letters(self, scope: str, *, most: int = 100, after: str = "") -> Sequence[DeadLetter]:
        """Dead letters by key, those behind the key `after`."""

    @abstractmethod
    async def retry(self, scope: str, key: str) -> bool:
        """Have a dead letter handled again, from the first attempt on. False if there is no such dead letter."""

    @abstractmethod
    async def purge(self, scope: str, window: timedelta) -> int:
        """Forget what was handled more than `window` ago; how many. Dead letters stay."""


class Gauge:
    """About how many events wait in each scope: counted once a second, and what this process adds."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._counts: Final[dict[str, tuple[float, int]]] = {}

    def with_more(self, scope: str, more: int) -> int | None:
        """How many wait with `more` of them; None if it is time to count."""
        counted, waiting = self._counts.get(scope, (float("-inf"), 0))
        return waiting + more if self._clock.monotonic() - counted < _COUNT_EVERY else None

    def set(self, scope: str, waiting: int) -> None:
        """So many wait."""
        counted, _ = self._counts.get(scope, (float("-inf"), 0))
        now = self._clock.monotonic()
        self._counts[scope] = (counted if now - counted < _COUNT_EVERY else now, waiting)


class Bell:
    """Wakes the workers of this process when something was stored."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Wake all who listen, on this event loop."""
        for event in self._waiting:
            event.set()

    def listen(self, event: asyncio.Event) -> None:
        """Have `event` set at each ring."""
        self._waiting.add(event)

    def leave(self, event: asyncio.Event) -> None:
        """Have it left alone."""
        self._waiting.discard(event)


def packed(event: ReceivedEvent) -> bytes:
    """An event as it is stored: without credentials, and a body that is the data only once."""
    headers = tuple(pair for pair in event.headers if pair[0].lower() not in _SECRET_HEADERS)
    return msgspec.msgpack.encode(replace(event, headers=headers, body=b"" if event.body == event.data else event.body))


def unpacked(stored: bytes) -> ReceivedEvent:
    """The event that was stored."""
    event = msgspec.msgpack.decode(stored, type=ReceivedEvent)
    return event if event.body else replace(event, body=event.data)
