"""Having an event's effect happen: once, where the handler takes the transaction; else at least once."""

import inspect
from datetime import timedelta
from typing import Any, Final

from hookline.clock import Clock, now_micros
from hookline.errors import FailedPrecondition, InvalidArgument
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.handlers import TRANSACTION, Handler
from hookline.receiver.seen import SeenKeys
from hookline.receiver.threads import Threads
from hookline.receiver.transactions import AnyTransactions, AsyncTransactions, EventKey, Transactions

_BETWEEN_PURGES: Final = 3600.0
"""Seconds."""


class Effects:
    """Calls handlers, and keeps the keys of the events whose effect has happened for `window`."""

    def __init__(self, scope: str, transactions: AnyTransactions | None, window: timedelta, threads: Threads, clock: Clock) -> None:
        self._scope: Final = scope
        self._transactions: Final = transactions
        self._window: Final = window
        self._threads: Final = threads
        self._clock: Final = clock
        self._seen: Final = SeenKeys()
        self._purged = clock.monotonic()

    def check(self, made: Handler) -> None:
        """Raise InvalidArgument if the handler takes a transaction that there is none of."""
        if not made.wants_transaction:
            return
        if self._transactions is None:
            raise InvalidArgument.of(
                "transactions", f"the handler of {made.name!r} takes a transaction; give the receiver transactions"
            )
        if made.asynchronous != isinstance(self._transactions, AsyncTransactions):
            kinds = ("an async function", "not") if made.asynchronous else ("no async function", "")
            raise InvalidArgument.of(
                "transactions",
                f"the handler of {made.name!r} is {kinds[0]}, and {type(self._transactions).__name__} is {kinds[1]} "
                "asynchronous; right are two of a kind",
            )

    async def setup(self) -> None:
        """Make the table of keys, if there is a database and it has none."""
        match self._transactions:
            case AsyncTransactions():
                await self._transactions.setup()
            case Transactions():
                await self._threads.run(self._transactions.setup)

    async def happen(self, key: EventKey, event: ReceivedEvent, made: Handler) -> bool:
        """Have the effect, unless it has happened before; whether it did now.

        Raises StillHandled, MalformedEvent, and whatever the handler or its database raises.
        """
        await self._purge()
        now = now_micros(self._clock)
        try:
            if made.wants_transaction:
                return await self._once(key, now, event, made)
            if await self._has_happened(key):
                return False
            await self._call(made, event, made.arguments(event))
        except SystemExit as error:  # it would end the event loop of all receivers
            raise FailedPrecondition(f"the handler {made.name!r} asked to end the process (SystemExit {error.code!r})") from error
        await self._record(key, now)
        return True

    async def _once(self, key: EventKey, now: int, event: ReceivedEvent, made: Handler) -> bool:
        arguments = made.arguments(event)

        def effect(transaction: Any) -> Any:
            return made.function(event, **arguments, **{TRANSACTION: transaction})

        match self._transactions:
            case AsyncTransactions():
                return await self._transactions.once(key, now, effect)
            case Transactions():
                return await self._threads.run(self._transactions.once, key, now, lambda each: _finished(effect(each), made))
            case _:
                raise FailedPrecondition(f"the handler {made.name!r} takes a transaction, and there are none")

    async def _call(self, made: Handler, event: ReceivedEvent, arguments: dict[str, Any]) -> None:
        if made.asynchronous:
            await made.function(event, **arguments)
        else:
            _finished(await self._threads.run(made.function, event, **arguments), made)

    async def _has_happened(self, key: EventKey) -> bool:
        match self._transactions:
            case None:
                return self._seen.seen(key)
            case AsyncTransactions():
                return await self._transactions.seen(key)
            case _:
                return await self._threads.run(self._transactions.seen, key)

    async def _record(self, key: EventKey, now: int) -> None:
        match self._transactions:
            case None:
                self._seen.record(key, now)
            case AsyncTransactions():
                await self._transactions.once(key, now, _nothing)
            case _:
                await self._threads.run(self._transactions.once, key, now, lambda _: None)

    async def _purge(self) -> None:
        if self._clock.monotonic() - self._purged < _BETWEEN_PURGES:
            return
        self._purged = self._clock.monotonic()
        before = now_micros(self._clock) - self._window // timedelta(microseconds=1)
        match self._transactions:
            case None:
                self._seen.purge(before)
            case AsyncTransactions():
                await self._transactions.purge(self._scope, before)
            case _:
                await self._threads.run(self._transactions.purge, self._scope, before)


def _finished(result: object, made: Handler) -> None:
    """Raise FailedPrecondition if a handler that is not async answered with something that is still to be awaited."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise FailedPrecondition(f"the handler {made.name!r} is no async function and answered with an awaitable; make it one")


async def _nothing(_: object) -> None:
    """The effect of an event whose handler has done its work already."""
