"""The steady mixed load: everything that callers do, all the time."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import grpc
import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.server import Load, payload
from benchmarks.soak.account import Ledger
from benchmarks.soak.streams import BATCH, PLAIN, REPLAYED, STREAMS, Stream
from hookline_proto.v1 import (
    delivery_service_pb2,
    event_pb2,
    event_service_pb2,
    replay_pb2,
    subscription_pb2,
    subscription_service_pb2,
)

SINGLES: Final = 0.6
"""The part of the events that is emitted one by one; the others come in batches."""
BATCH_SIZE: Final = 20
STREAMED: Final = 20
TWICE: Final = 25
"""Every so many events, one is emitted with a key, and then again."""
KEYS: Final = 5
"""Ordering keys."""
WATCH: Final = 8.0
"""Seconds for which a watcher stays connected."""
LIFE: Final = 2.0
"""Seconds between two changes of a subscription that comes and goes."""
CALL: Final = 30.0
"""Seconds that a call may take."""


class Mixed:
    """The load on one server."""

    def __init__(self, target: str, url: str, rate: float, ledger: Ledger, seed: int = 1) -> None:
        """Emit `rate` events a second for receivers at `url`."""
        self._target = target
        self._url = url
        self._rate = rate
        self._ledger = ledger
        self._turns = [stream for stream in STREAMS for _ in range(stream.weight)]
        random.Random(seed).shuffle(self._turns)  # an order, no secret
        self._cursor = ""
        self._end = 0.0

    async def subscribe(self, load: Load) -> None:
        """Make the subscriptions that stay."""
        for stream in STREAMS:
            request = subscription_service_pb2.CreateSubscriptionRequest(subscription=stream.spec(self._url))
            answer = await load.subscriptions.CreateSubscription(request)
            self._ledger.subscriptions[stream.name] = answer.subscription.id

    async def run(self, seconds: float) -> None:
        """Everything at once, for so long; then what was begun is brought to its end, so that the account is exact."""
        self._end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._emit())
            tasks.create_task(self._emit_batches())
            for what, every in (
                (self._stream, 5.0),
                (self._watch, 0.5),
                (self._read, 3.0),
                (self._replay, 15.0),
                (self._come_and_go, 1.0),
                (self._come_and_go, 1.5),
            ):
                tasks.create_task(self._again(what, every))

    @property
    def _ended(self) -> bool:
        return time.monotonic() >= self._end

    async def _emit(self) -> None:
        load = Load(self._target)
        started, rate = time.monotonic(), self._rate * SINGLES
        async with connected(load), asyncio.TaskGroup() as calls:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                if self._ended:
                    break
                stream = self._turns[number % len(self._turns)]
                spec = self._event(stream, number)
                if number % TWICE == 0:
                    spec.idempotency_key = f"key-{number}"
                calls.create_task(self._tolerant(self._emit_one(load, stream, spec), "emit"))

    async def _emit_one(self, load: Load, stream: Stream, spec: event_pb2.EventSpec) -> None:
        request = event_service_pb2.EmitEventRequest(event=spec)
        await load.events.EmitEvent(request, timeout=CALL)
        self._ledger.acknowledged[stream.name] += 1
        if spec.idempotency_key:
            answer = await load.events.EmitEvent(request, timeout=CALL)
            self._ledger.done["duplicates"] += answer.result.duplicate

    def _event(self, stream: Stream, number: int) -> event_pb2.EventSpec:
        key = f"k{number % KEYS}" if stream.ordered else ""
        return event_pb2.EventSpec(type=stream.type, data=payload(), ordering_key=key)

    async def _emit_batches(self) -> None:
        load = Load(self._target)
        every = BATCH_SIZE / (self._rate * (1 - SINGLES))
        started = time.monotonic()
        async with connected(load):
            for number in itertools.count():
                await asyncio.sleep(max(0.0, started + number * every - time.monotonic()))
                if self._ended:
                    break
                await self._tolerant(self._emit_batch(load), "batch")

    async def _emit_batch(self, load: Load) -> None:
        specs = [self._event(BATCH, number) for number in range(BATCH_SIZE)]
        answer = await load.events.BatchEmitEvents(event_service_pb2.BatchEmitEventsRequest(events=specs), timeout=CALL)
        taken = sum(outcome.HasField("result") for outcome in answer.outcomes)
        self._ledger.acknowledged[BATCH.name] += taken
        self._ledger.done["batches"] += 1
        if taken < BATCH_SIZE:
            self._ledger.errors["an event of a batch"] += BATCH_SIZE - taken

    async def _stream(self, load: Load) -> None:
        async def requests() -> AsyncIterator[event_service_pb2.StreamEmitEventsRequest]:
            for number in range(STREAMED):
                yield event_service_pb2.StreamEmitEventsRequest(sequence=number, event=self._event(BATCH, number))

        async for answer in load.events.StreamEmitEvents(requests(), timeout=CALL):
            self._ledger.acknowledged[BATCH.name] += answer.outcome.HasField("result")
        self._ledger.done["streams"] += 1

    async def _watch(self, load: Load) -> None:
        """Connect, look for a while from where the one before ended, go."""
        request = delivery_service_pb2.WatchDeliveriesRequest(cursor=self._cursor)
        call = load.deliveries.WatchDeliveries(request)
        try:
            async with asyncio.timeout(WATCH):
                async for message in call:
                    changed = message.WhichOneof("message") == "change"
                    self._cursor = message.change.cursor if changed else message.checkpoint.cursor
                    self._ledger.done["changes seen"] += changed
        except TimeoutError:
            self._ledger.done["watches"] += 1
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                raise
            self._cursor = ""
            self._ledger.done["watches that retention has overtaken"] += 1
        finally:
            call.cancel()

    async def _read(self, load: Load) -> None:
        await load.deliveries.GetDeliveryStats(delivery_service_pb2.GetDeliveryStatsRequest(), timeout=CALL)
        await load.events.ListEvents(event_service_pb2.ListEventsRequest(page_size=50), timeout=CALL)
        page = await load.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest(page_size=50), timeout=CALL)
        for delivery in page.deliveries[:3]:
            request = delivery_service_pb2.ListAttemptsRequest(delivery_id=delivery.id)
            await load.deliveries.ListAttempts(request, timeout=CALL)
        self._ledger.done["rounds of reading"] += 1

    async def _replay(self, load: Load) -> None:
        """The last five seconds of the plain ones, for another receiver; until it is done."""
        now = time.time()
        request = event_service_pb2.ReplayEventsRequest(
            subscription_id=self._ledger.subscriptions[REPLAYED.name],
            event_types=[PLAIN.type],
            from_time=Timestamp(seconds=int(now - 5)),
            to_time=Timestamp(seconds=int(now)),
        )
        replay = (await load.events.ReplayEvents(request, timeout=CALL)).replay
        while replay.state == replay_pb2.REPLAY_STATE_RUNNING:
            await asyncio.sleep(0.2)
            replay = (await load.events.GetReplay(event_service_pb2.GetReplayRequest(replay_id=replay.id), timeout=CALL)).replay
        self._ledger.replayed += replay.replayed
        self._ledger.done["replays"] += 1

    async def _come_and_go(self, load: Load) -> None:
        """A subscription's life: made, changed, paused, resumed, its secret rotated, removed with what is pending."""
        calls = load.subscriptions
        spec = subscription_pb2.SubscriptionSpec(url=f"{self._url}/flaky/2/visitor", event_types=[BATCH.type])
        request = subscription_service_pb2.CreateSubscriptionRequest(subscription=spec)
        made = (await calls.CreateSubscription(request, timeout=CALL)).subscription.id
        changed = subscription_pb2.SubscriptionSpec(max_in_flight=3)
        for call in (
            lambda: calls.UpdateSubscription(
                subscription_service_pb2.UpdateSubscriptionRequest(
                    subscription_id=made, subscription=changed, update_mask=FieldMask(paths=["max_in_flight"])
                ),
                timeout=CALL,
            ),
            lambda: calls.PauseSubscription(
                subscription_service_pb2.PauseSubscriptionRequest(subscription_id=made, reason="soak"), timeout=CALL
            ),
            lambda: calls.ResumeSubscription(
                subscription_service_pb2.ResumeSubscriptionRequest(subscription_id=made), timeout=CALL
            ),
            lambda: calls.RotateSubscriptionSecret(
                subscription_service_pb2.RotateSubscriptionSecretRequest(subscription_id=made), timeout=CALL
            ),
            lambda: calls.DeleteSubscription(
                subscription_service_pb2.DeleteSubscriptionRequest(subscription_id=made), timeout=CALL
            ),
        ):
            await asyncio.sleep(LIFE)
            await call()
        self._ledger.done["subscriptions that came and went"] += 1

    async def _again(self, what: Callable[[Load], Awaitable[None]], every: float) -> None:
        """Do it again and again, each time over a new connection."""
        while not self._ended:
            load = Load(self._target)
            async with connected(load):
                await self._tolerant(what(load), what.__name__.strip("_"))
            await asyncio.sleep(every)

    async def _tolerant(self, call: Awaitable[None], what: str) -> None:
        """A call that fails is counted, and the load goes on."""
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self._ledger.errors[f"{what}: {error.code().name}: {error.details()}"] += 1


@contextlib.asynccontextmanager
async def connected(load: Load) -> AsyncIterator[None]:
    """Close the connection at the end."""
    try:
        yield
    finally:
        await load.channel.close()
