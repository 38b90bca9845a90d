"""A worker: handles what an inbox holds, in any number of processes at once."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from hookline.errors import HooklineError
from hookline.model.policy import RetryPolicy
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.inbox.inbox import Inbox, StoredEvent
from hookline.retry import Progress, next_delay

CONCURRENCY: Final = 16
LEASE: Final = 60.0
"""Seconds after which the events of a process that died are handled elsewhere."""
POLL: Final = 1.0
"""Seconds between two looks for what other processes have stored."""
HANDLING: Final = 300.0
"""Seconds that an async handler may take."""
GRACE: Final = 10.0
"""Seconds that handlers have when the worker is closed."""
_AFTER_FAULT: Final = 1.0
"""Seconds to wait when the inbox's database is away."""
_BETWEEN_PURGES: Final = 3600.0
_LONGEST_ERROR: Final = 1000

log: Final = logging.getLogger("hookline.receiver")


class Worker:
    """Claims events that are due, has them handled, and reports what came of it. Use it with `async with`.

    An event whose handler fails is due again as the retry policy says; when that gives up, or the event can
    never be right (MalformedEvent), it is a dead letter. An attempt that the process did not survive counts.
    """

    def __init__(
        self,
        inbox: Inbox,
        scope: str,
        handle: Callable[[ReceivedEvent], Awaitable[bool]],
        *,
        policy: RetryPolicy,
        window: timedelta,
        concurrency: int = CONCURRENCY,
        lease: float = LEASE,
        poll: float = POLL,
        deadline: float = HANDLING,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._inbox: Final = inbox
        self._scope: Final = scope
        self._handle: Final = handle
        self._policy: Final = policy
        self._window: Final = window
        self._concurrency: Final = concurrency
        self._lease: Final = lease
        self._poll: Final = poll
        self._deadline: Final = deadline
        self._uniform: Final = uniform
        self._held: Final[dict[asyncio.Task[None], StoredEvent]] = {}
        self._news: Final = asyncio.Event()
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []
        self._purged = float("-inf")

    async def __aenter__(self) -> Self:
        """Begin to work."""
        self._inbox.bell.listen(self._news)
        self._loops = [asyncio.create_task(self._claiming()), asyncio.create_task(self._extending())]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Claim no more, and wait a while for what is being handled; what is left is handled elsewhere, later."""
        self._stopping = True
        self._news.set()
        claiming, extending = self._loops
        await claiming
        if self._held:
            await asyncio.wait(set(self._held), timeout=GRACE)
        for task in [extending, *self._held]:
            task.cancel()
        await asyncio.gather(extending, *self._held, return_exceptions=True)
        self._inbox.bell.leave(self._news)

    async def _claiming(self) -> None:
        while not self._stopping:
            self._news.clear()
            wait = self._poll
            try:
                await self._purge()
                free = self._concurrency - len(self._held)
                claimed = await self._inbox.claim(self._scope, free, self._lease) if free else ()
                for each in claimed:
                    task = asyncio.create_task(self._work(each))
                    self._held[task] = each
                    task.add_done_callback(self._over)
                if len(claimed) < free and (due := await self._inbox.next_due(self._scope)) is not None:
                    wait = min(due, self._poll)
            except Exception:  # a worker outlives its database's faults
                log.exception("%s: the inbox cannot be read", self._scope)
                wait = _AFTER_FAULT
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _extending(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if self._held:
                    await self._inbox.extend(self._scope, list(self._held.values()), self._lease)
            except Exception:  # as above; the lease may still last until the next time
                log.exception("%s: the leases cannot be extended", self._scope)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease ends, and it is handled again.
            log.error("%s: what came of an event cannot be reported", self._scope, exc_info=error)

    async def _work(self, claimed: StoredEvent) -> None:
        event = claimed.event
        if claimed.attempts > self._policy.max_attempts:
            await self._inbox.bury(self._scope, claimed, "the process ended during the last attempt")
            return
        try:
            async with asyncio.timeout(self._deadline):
                await self._handle(event)
        except MalformedEvent as error:
            log.warning("%s: event %r is a dead letter: %s", self._scope, event.id, error.message)
            await self._inbox.bury(self._scope, claimed, error.message)
        except Exception as error:  # noqa: BLE001  # handlers raise what they will: it is logged, stored and tried again
            await self._failed(claimed, error)
        else:
            await self._inbox.finish(self._scope, claimed)

    async def _failed(self, claimed: StoredEvent, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}".replace("\0", "")[:_LONGEST_ERROR].encode("utf-8", "replace").decode("utf-8")
        delay = next_delay(
            self._policy,
            Progress(attempts=claimed.attempts, elapsed=claimed.elapsed),
            retry_after=error.retry_after if isinstance(error, HooklineError) else None,
            uniform=self._uniform,
        )
        if delay is None:
            log.error("%s: event %r is a dead letter", self._scope, claimed.event.id, exc_info=error)
            await self._inbox.bury(self._scope, claimed, text)
        else:
            expected = isinstance(error, HooklineError)
            log.warning(
                "%s: event %r is tried again in %g s: %s",
                self._scope,
                claimed.event.id,
                delay,
                text,
                exc_info=None if expected else error,
            )
            await self._inbox.postpone(self._scope, claimed, delay, text)

    async def _purge(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._purged >= _BETWEEN_PURGES:
            self._purged = now
            await self._inbox.purge(self._scope, self._window)
