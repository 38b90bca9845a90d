"""The calibration of the whole way, `python -m benchmarks.bare_relay`: the shortest loop that is a durable webhook server.

One process takes events by gRPC, answers when they are on disk (one commit for all that wait), signs and POSTs each from one of
64 workers, and takes what was delivered off the disk again, in commits of the same kind. There is one receiver, no attempt, no
retry, no check of anything: what it does a second, and how long an event takes through it, is what grpc.aio, aiohttp and the
store's own driver let a Python process do on the machine. It takes the place of `hookline serve` (benchmarks/server.py), so that
the same load measures both.
"""

import argparse
import asyncio
import signal
import sqlite3
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import grpc
import grpc.aio
import yarl
from google.protobuf.message import Message

from benchmarks.bare_loop import signed
from benchmarks.receiver import fastest_loop
from hookline_proto.v1 import delivery_pb2, delivery_service_pb2, event_pb2, event_service_pb2, subscription_service_pb2

WORKERS: Final = 64
LINGER: Final = 0.01
"""Seconds for which what is delivered waits for company."""


class Row(NamedTuple):
    """An event on its way."""

    id: str
    body: bytes


class Disk:
    """A new SQLite file, with a sync for each commit."""

    def __init__(self, file: Path) -> None:
        """Keep events in `file`."""
        self.writer = ThreadPoolExecutor(1)
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("CREATE TABLE event (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")

    async def commit(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run `statement` for each of `rows`."""
        await asyncio.get_running_loop().run_in_executor(self.writer, self._commit, statement, rows)

    def _commit(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(statement, rows)
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Finish what is being written, and close."""
        self.writer.shutdown()
        self.connection.close()


class Group:
    """What waits while a commit is on its way goes into the next one, together."""

    def __init__(self, disk: Disk, statement: str, *, linger: float = 0.0) -> None:
        """Run `statement` for each row, and wait for company for `linger` seconds before."""
        self.disk = disk
        self.statement = statement
        self.linger = linger
        self.waiting: list[tuple[Sequence[tuple[Any, ...]], asyncio.Future[None]]] = []
        self.running: asyncio.Task[None] | None = None

    def put(self, rows: Sequence[tuple[Any, ...]]) -> asyncio.Future[None]:
        """Done when `rows` are on disk."""
        done = asyncio.get_running_loop().create_future()
        self.waiting.append((rows, done))
        if self.running is None:
            self.running = asyncio.create_task(self.run())
        return done

    async def run(self) -> None:
        """Write until nothing waits."""
        while self.waiting:
            if self.linger:
                await asyncio.sleep(self.linger)
            batch, self.waiting = self.waiting, []
            await self.disk.commit(self.statement, [row for rows, _ in batch for row in rows])
            for _, done in batch:
                done.set_result(None)
        self.running = None


def written(answer: Message) -> bytes:
    """An answer as it is sent."""
    return answer.SerializeToString()


class Relay:
    """What the load calls, and the workers behind it."""

    def __init__(self, disk: Disk, session: aiohttp.ClientSession) -> None:
        """Keep events on `disk`, and post over `session`."""
        self.came = Group(disk, "INSERT INTO event VALUES (?, ?)")
        self.done = Group(disk, "DELETE FROM event WHERE id = ?", linger=LINGER)
        self.session = session
        self.url = yarl.URL()
        self.queue: asyncio.Queue[Row] = asyncio.Queue()
        self.pending = 0

    async def subscribe(self, request: subscription_service_pb2.CreateSubscriptionRequest, _: Any) -> Message:
        """Post to its URL from now on."""
        self.url = yarl.URL(request.subscription.url, encoded=True)
        return subscription_service_pb2.CreateSubscriptionResponse()

    async def stats(self, _: delivery_service_pb2.GetDeliveryStatsRequest, context: Any) -> Message:
        """How many are pending."""
        total = delivery_pb2.DeliveryCounts(pending=self.pending)
        return delivery_service_pb2.GetDeliveryStatsResponse(stats=delivery_pb2.DeliveryStats(total=total))

    async def emit(self, request: event_service_pb2.EmitEventRequest, _: Any) -> Message:
        """An event."""
        return event_service_pb2.EmitEventResponse(result=(await self.take([request.event.data]))[0])

    async def emit_batch(self, request: event_service_pb2.BatchEmitEventsRequest, _: Any) -> Message:
        """A batch."""
        results = await self.take([event.data for event in request.events])
        return event_service_pb2.BatchEmitEventsResponse(outcomes=[event_pb2.EmitOutcome(result=each) for each in results])

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """For the calls of `benchmarks.server.Load`."""
        calls: list[tuple[str, str, Any, type[Message]]] = [
            ("EventService", "EmitEvent", self.emit, event_service_pb2.EmitEventRequest),
            ("EventService", "BatchEmitEvents", self.emit_batch, event_service_pb2.BatchEmitEventsRequest),
            ("SubscriptionService", "CreateSubscription", self.subscribe, subscription_service_pb2.CreateSubscriptionRequest),
            ("DeliveryService", "GetDeliveryStats", self.stats, delivery_service_pb2.GetDeliveryStatsRequest),
        ]
        found = []
        for service, name, call, request in calls:
            method = grpc.unary_unary_rpc_method_handler(call, request_deserializer=request.FromString, response_serializer=written)
            found.append(grpc.method_handlers_generic_handler(f"hookline.v1.{service}", {name: method}))
        return found

    async def take(self, datas: Sequence[bytes]) -> list[event_pb2.EmitResult]:
        """On disk, and on their way."""
        rows = [Row(f"evt_{uuid.uuid4().hex}", data) for data in datas]
        self.pending += len(rows)
        await self.came.put(rows)
        for row in rows:
            self.queue.put_nowait(row)
        return [event_pb2.EmitResult(event_id=row.id) for row in rows]

    async def work(self) -> None:
        """Deliver one event after the other."""
        while True:
            row = await self.queue.get()
            async with self.session.post(
                self.url, data=row.body, headers=signed(row.id, row.body), allow_redirects=False
            ) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"the receiver answered {answer.status}")
            self.done.put([(row.id,)]).add_done_callback(self.settled)

    def settled(self, _: asyncio.Future[None]) -> None:
        """One is off the disk."""
        self.pending -= 1


async def serve(port: int, file: Path) -> None:
    """Serve from a new database in `file` until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    disk = Disk(file)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        relay = Relay(disk, session)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(relay.handlers())
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        workers = [asyncio.create_task(relay.work()) for _ in range(WORKERS)]
        await ended.wait()
        await server.stop(None)
        for worker in workers:
            worker.cancel()
    disk.close()


def main() -> None:
    """Take the arguments of `hookline serve` that matter."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_relay", description="The shortest durable webhook server.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        runner.run(serve(arguments.port, arguments.data_dir / "relay.db"))


if __name__ == "__main__":
    main()
