"""A real server in a process of its own, and cheap ways to put load on it: generated stubs, nothing around them."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import psutil

from hookline_proto.v1 import (
    delivery_service_pb2,
    delivery_service_pb2_grpc,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    retry_policy_pb2,
    subscription_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)

ROOT: Final = Path(__file__).parent.parent
PADDING: Final = "x" * 430
SERVER: Final = ("hookline_server.cli",)
RELAY: Final = ("benchmarks.bare_relay",)
START: Final = 20.0
"""Seconds in which the server must listen."""


def payload() -> bytes:
    """About 500 bytes of JSON that carry the time of emitting."""
    return f'{{"t":{time.time():.6f},"text":"{PADDING}"}}'.encode()


def control(url: str, what: str) -> Any:
    """Ask the receiver's control endpoint."""
    with urllib.request.urlopen(f"{url}/control/{what}", timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """`hookline serve` on a store of its own."""

    def __init__(self, folder: Path, store: str = "", *, program: Sequence[str] = SERVER, options: Sequence[str] = ()) -> None:
        """Keep data in `folder`, or in the store that `store` names. `program` is the module to run, with what comes first."""
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
        command = [sys.executable, "-m", *program, "serve", "--dev", "--port", str(self.port), "--data-dir", str(folder)]
        command += ["--log-level", "error", *(["--store", store] if store else []), *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT)
        self.memory = psutil.Process(self.process.pid)

    def rss(self) -> float:
        """Resident memory in MB."""
        return float(self.memory.memory_info().rss) / 1e6

    def stop(self) -> None:
        """End it, gently and then not."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(folder: Path, store: str = "", *, program: Sequence[str] = SERVER) -> Iterator[ServerProcess]:
    """A server that runs while the block does."""
    server = ServerProcess(folder, store, program=program)
    try:
        yield server
    finally:
        server.stop()


class Load:
    """A client made of bare stubs."""

    def __init__(self, target: str) -> None:
        """Call the server at `target`."""
        self.channel = grpc.aio.insecure_channel(target)
        self.events = event_service_pb2_grpc.EventServiceStub(self.channel)
        self.subscriptions = subscription_service_pb2_grpc.SubscriptionServiceStub(self.channel)
        self.deliveries = delivery_service_pb2_grpc.DeliveryServiceStub(self.channel)

    async def ready(self) -> None:
        """Wait until the server listens."""
        await asyncio.wait_for(self.channel.channel_ready(), START)

    async def subscribe(self, url: str, *types: str, retry: retry_policy_pb2.RetryPolicy | None = None) -> str:
        """A subscription of `url` to event types; its id."""
        spec = subscription_pb2.SubscriptionSpec(url=url, event_types=types, retry=retry)
        request = subscription_service_pb2.CreateSubscriptionRequest(subscription=spec)
        return str((await self.subscriptions.CreateSubscription(request)).subscription.id)

    async def emit(self, event_type: str) -> None:
        """One event, one call."""
        spec = event_pb2.EventSpec(type=event_type, data=payload())
        await self.events.EmitEvent(event_service_pb2.EmitEventRequest(event=spec))

    async def emit_batch(self, event_type: str, size: int) -> None:
        """One call with `size` events."""
        specs = [event_pb2.EventSpec(type=event_type, data=payload()) for _ in range(size)]
        answer = await self.events.BatchEmitEvents(event_service_pb2.BatchEmitEventsRequest(events=specs))
        if not all(outcome.HasField("result") for outcome in answer.outcomes):
            raise RuntimeError("an event of a batch was refused")

    async def many(self, event_type: str, count: int, *, in_flight: int, batch: int = 1) -> None:
        """`count` events from `in_flight` callers."""
        numbers = itertools.count()

        async def caller() -> None:
            while next(numbers) * batch < count:
                await (self.emit(event_type) if batch == 1 else self.emit_batch(event_type, batch))

        async with asyncio.TaskGroup() as callers:
            for _ in range(in_flight):
                callers.create_task(caller())

    async def settled(self, *, seconds: float = 120.0) -> None:
        """Wait until nothing is pending."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = await self.deliveries.GetDeliveryStats(delivery_service_pb2.GetDeliveryStatsRequest())
            if answer.stats.total.pending == 0:
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("deliveries are still pending")
