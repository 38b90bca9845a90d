"""A receiver: what stands between a web framework and the handlers of events."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from hookline.clock import Clock, SystemClock
from hookline.errors import HooklineError, InvalidArgument, ResourceExhausted, Unavailable, quoted
from hookline.model.policy import EXPONENTIAL, RetryPolicy
from hookline.receiver.answer import (
    MALFORMED,
    STORED,
    TAKEN,
    TOO_LARGE,
    UNVERIFIED,
    WRONG_METHOD,
    WRONG_TYPE,
    Answer,
    later,
    replied,
    too_many,
)
from hookline.receiver.contract import Patterns, contract
from hookline.receiver.effects import Effects
from hookline.receiver.errors import BodyTooLarge, MalformedEvent, StillHandled
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.handlers import EVERY, F, Handler, handler
from hookline.receiver.headers import Headers, header_pairs
from hookline.receiver.inbox.inbox import Inbox
from hookline.receiver.inbox.worker import CONCURRENCY as WORKER_CONCURRENCY
from hookline.receiver.inbox.worker import HANDLING, LEASE, POLL, Worker
from hookline.receiver.intake import read_body, with_origin
from hookline.receiver.threads import Threads
from hookline.receiver.transactions import AnyTransactions, EventKey
from hookline.receiver.verifier import Verifier
from hookline.signing import InvalidSignature, SignableRequest
from hookline.signing.checks import header_values
from hookline.validation.text import CLEAN

LARGEST_BODY: Final = 1024 * 1024
"""Bytes."""
CONCURRENCY: Final = 64
WINDOW: Final = timedelta(days=30)
SOON: Final = 1.0
"""Seconds after which the other side may come again while an event is being handled, or too many are."""
AFTER_FAILURE: Final = 10.0
"""Seconds after which it may come again when a handler has failed, unless its error says otherwise."""
LONGEST_SCOPE: Final = 64
_OF_PATIENCE: Final = 0.8
"""Of the time that a platform waits: the rest is for the way there and back."""

log: Final = logging.getLogger("hookline.receiver")


class Receiver:
    """Verifies requests of one sender, takes each event once, and has handlers handle them.

    Without an `inbox` events are handled before the answer, within `deadline` seconds (of the time that the
    platform waits, if None). With one they are stored and answered, and a worker handles them by the
    policy `retry`; `deadline` then bounds reading the request alone.

    `transactions` keep the ids of handled events in a database, and give handlers that ask for it the
    transaction in which an id is recorded. Without them ids are kept in the memory of this process. They
    are kept for `window`: at least as long as the sender retries and replays.

    `name` (at most 64 characters; that of the platform if empty) keeps the ids of two receivers apart that
    share a database. `max_body` is in bytes. At most `concurrency` requests are worked on at once.
    `public_origin` (`https://example.com`) is for a receiver behind a proxy, where the URL that the sender
    called and signed is not the one that arrives. Raises InvalidArgument.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        name: str = "",
        transactions: AnyTransactions | None = None,
        inbox: Inbox | None = None,
        retry: RetryPolicy = EXPONENTIAL,
        deadline: float | None = None,
        window: timedelta = WINDOW,
        max_body: int = LARGEST_BODY,
        concurrency: int = CONCURRENCY,
        public_origin: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.name: Final = name or verifier.platform
        self.inbox: Final = inbox
        self.retry: Final = retry
        self.window: Final = window
        self.max_body: Final = max_body
        self._verifier: Final = verifier
        self._deadline: Final = deadline or verifier.envelope.patience * _OF_PATIENCE
        self._concurrency: Final = concurrency
        self._origin: Final = public_origin
        if len(self.name) > LONGEST_SCOPE or CLEAN.fullmatch(self.name) is None:
            raise InvalidArgument.of("name", f"{quoted(self.name)} is not right; right are 1 to {LONGEST_SCOPE} characters")
        for field, value in {"deadline": self._deadline, "max_body": max_body, "concurrency": concurrency}.items():
            if value <= 0:
                raise InvalidArgument.of(field, f"is {quoted(value)}; right is more than 0")
        if window <= timedelta(0):
            raise InvalidArgument.of("window", f"is {quoted(window)}; right is more than 0, and as long as the sender retries")
        self._handlers: Final[Patterns[Handler]] = Patterns()
        self._threads: Final = Threads(f"hookline-{self.name}", concurrency)
        self._effects: Final = Effects(self.name, transactions, window, self._threads, clock or SystemClock())
        self._handling: Final[dict[EventKey, asyncio.Task[bool]]] = {}
        self._active = 0
        self._pid = os.getpid()

    def on(self, pattern: str, *, model: type[Any] | None = None, schema: str = "") -> Callable[[F], F]:
        """Have the decorated function handle events of a type: `invoice.paid`, `invoice.*` or `*`.

        It is called with the event, and, if it has parameters of these names, with `data` (the event's data
        as a `model`, any type that pydantic can make, or as JSON) and `transaction`. `schema` is a JSON
        Schema (2020-12) in JSON text. What follows neither is answered 400. Returning says that the event is
        safe; raising, that it is to be sent again: `Unavailable(…, retry_after=60)` says when,
        `MalformedEvent` that it will never be right.

        Raises InvalidArgument: no pattern, a second handler of one, a function that cannot be a handler.
        """

        def add(function: F) -> F:
            made = handler(function, contract(model, schema))
            self._effects.check(made)
            self._handlers.add(pattern, made)
            return function

        return add

    def default(self, function: F) -> F:
        """Have `function` handle what no other handler does: `on("*")`."""
        return self.on(EVERY)(function)

    async def receive(self, *, method: str, url: str, headers: Headers, chunks: AsyncIterator[bytes]) -> Answer:
        """The answer to a request, whose body comes in `chunks`. Never raises but for headers that are none.

        The log `hookline.receiver` has the reason for every answer that is not 2xx.
        """
        pairs = header_pairs(headers)
        if method != "POST":
            return WRONG_METHOD
        if self._pid != os.getpid():  # what the parent was working on at a fork is none of the child's
            self._handling.clear()
            self._active, self._pid = 0, os.getpid()
        if self._active >= self._concurrency or len(self._handling) >= self._concurrency:
            log.warning("%s: refused, %d requests are being worked on", self.name, self._concurrency)
            return too_many(SOON)
        self._active += 1
        try:
            until = asyncio.get_running_loop().time() + self._deadline
            body = await read_body(pairs, chunks, most=self.max_body, until=until)
            request = SignableRequest(method=method, url=with_origin(url, self._origin), headers=pairs, body=body)
            return await self._answer(request, until)
        except Exception as error:  # noqa: BLE001  # handlers and databases raise what they will: it is logged, and the sender told to come again
            return self._failed(error)
        finally:
            self._active -= 1

    async def _answer(self, request: SignableRequest, until: float) -> Answer:
        envelope = self._verifier.envelope
        encoded = [value for value in header_values(request, "content-encoding") if value.lower() not in {"", "identity"}]
        if encoded or not envelope.takes(request):
            log.warning("%s: refused, not of a type that %s sends", self.name, envelope.name)
            return WRONG_TYPE
        self._verifier.verify_request(request)
        events = self._verifier.read(request)
        if len(events) == 1 and (reply := envelope.reply(events[0])) is not None:
            return replied(reply)
        wanted = [(event, made) for event in events if (made := self._wanted(event)) is not None]
        if self.inbox is not None:
            return await self._store(self.inbox, wanted)
        for event, made in wanted:
            answer = await self._handle(event, made, until)
            if answer is not TAKEN:
                return answer
        return TAKEN

    def _wanted(self, event: ReceivedEvent) -> Handler | None:
        made = self._handlers.find(event.type)
        if made is None:
            log.debug("%s: event %r of type %r has no handler", self.name, event.id, event.type)
        return made

    async def _store(self, inbox: Inbox, wanted: list[tuple[ReceivedEvent, Handler]]) -> Answer:
        for event, made in wanted:
            # What can never be handled is not taken.
            made.arguments(event)
        return STORED if wanted and await inbox.accept(self.name, [event for event, _ in wanted]) else TAKEN

    async def _handle(self, event: ReceivedEvent, made: Handler, until: float) -> Answer:
        """Handle one event before the answer. Raises what the handler raises."""
        key = EventKey(scope=self.name, key=event.key)
        if key in self._handling:
            raise StillHandled(f"event {event.id!r} is being handled")
        # A task of its own: whoever goes away before the answer does not tear the effect.
        task = self._handling[key] = asyncio.create_task(self._effects.happen(key, event, made))
        task.add_done_callback(partial(self._handled, key))
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, until - asyncio.get_running_loop().time()))
        finally:
            if not task.done():
                task.add_done_callback(partial(self._late, event))
        if not done:
            if made.asynchronous:
                task.cancel()
            log.warning("%s: event %r was not handled within %g s", self.name, event.id, self._deadline)
            return later(SOON)
        if not await task:
            log.debug("%s: event %r was handled before", self.name, event.id)
        return TAKEN

    def _handled(self, key: EventKey, _: asyncio.Task[bool]) -> None:
        del self._handling[key]

    def _late(self, event: ReceivedEvent, task: asyncio.Task[bool]) -> None:
        """A handler is done that nobody awaits any more."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: event %r was not handled, and it was too late to say so", self.name, event.id, exc_info=error)

    def _failed(self, error: Exception) -> Answer:
        """What is answered for an error; the log has it."""
        wait = (error.retry_after if isinstance(error, HooklineError) else None) or AFTER_FAILURE
        level, answer = logging.WARNING, later(wait)
        match error:
            case InvalidSignature():
                answer = UNVERIFIED
            case BodyTooLarge():
                answer = TOO_LARGE
            case MalformedEvent():
                answer = MALFORMED
            case StillHandled():
                level, answer = logging.INFO, later(SOON)
            case ResourceExhausted() | Unavailable():
                pass
            case _:
                log.error("%s: %s: an event was not handled", self.name, type(error).__name__, exc_info=error)
                return answer
        log.log(level, "%s: answered %d, %s (%s)", self.name, answer.status, error.message, error.code)
        return answer

    async def handle_stored(self, event: ReceivedEvent) -> bool:
        """Have the effect of an event from the inbox, once; for the worker. Raises what the handler raises."""
        made = self._wanted(event)
        return made is not None and await self._effects.happen(EventKey(scope=self.name, key=event.key), event, made)

    async def setup(self) -> None:
        """Make the tables of the inbox and of the transactions, if they are not there. Safe to repeat."""
        await self._effects.setup()
        if self.inbox is not None:
            await self.inbox.setup()

    def worker(
        self, *, concurrency: int = WORKER_CONCURRENCY, lease: float = LEASE, poll: float = POLL, deadline: float = HANDLING
    ) -> Worker:
        """A worker that handles what the inbox holds: `async with receiver.worker(): …`.

        It handles up to `concurrency` events at once, each within `deadline` seconds; looks every `poll` seconds for
        what other processes have stored; and if its process dies, another one has its events after `lease`
        seconds. Raises InvalidArgument without an inbox.
        """
        if self.inbox is None:
            raise InvalidArgument.of("inbox", "there is none to work on; give the receiver one")
        return Worker(
            self.inbox,
            self.name,
            self.handle_stored,
            policy=self.retry,
            window=self.window,
            concurrency=concurrency,
            lease=lease,
            poll=poll,
            deadline=deadline,
        )

    async def work(self) -> None:
        """Set up, and work until cancelled: a process that does nothing else is `asyncio.run(receiver.work())`."""
        await self.setup()
        async with self.worker():
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Wait for the events that are being handled, at most for the deadline; then let the threads go."""
        if self._handling:
            await asyncio.wait(set(self._handling.values()), timeout=self._deadline)
        self._threads.close()
