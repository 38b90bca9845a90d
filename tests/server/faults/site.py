"""A real server to harm, a receiver that keeps an account, and the reckoning afterwards."""

import asyncio
import json
import signal
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from crash.processes import ROOT, Process, clean_environment, until

import hookline
from hookline.model import DeliveryState, RetryPolicy, Steps, SubscriptionSpec

QUICK = RetryPolicy(schedule=Steps(delays=(0.2,)), max_attempts=100, jitter=0.1)
PATIENCE = 60.0
"""Seconds in which what is to come must have come, however busy the machine is."""


class Taker:
    """An HTTP server in the test's own loop. What it takes it counts; `open` shut, it answers nobody until it is set again."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.status = 204
        self.arrived: list[str] = []
        """Ids in the order in which their requests came."""
        self.taken: Counter[str] = Counter()
        self.port = 0
        self.scheme = "http"

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                await reader.readexactly(int(headers["content-length"]))
                self.arrived.append(headers["webhook-id"])
                status = self.status
                await self.open.wait()
                if status == 204:
                    self.taken[headers["webhook-id"]] += 1
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def taking(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Taker]:
    """A receiver."""
    taker = Taker()
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(taker.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, host, 0, backlog=1_024, ssl=tls)
    taker.port = server.sockets[0].getsockname()[1]
    taker.scheme = "http" if tls is None else "https"
    try:
        yield taker
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class Site:
    """A server that runs, and a client of it."""

    def __init__(self, process: Process, client: hookline.Client, address: str) -> None:
        self.process = process
        self.client = client
        self.address = address
        self.acknowledged: set[str] = set()
        self.pid = int(str(next(said for said in process.said if said["event"] == "serving")["pid"]))

    async def subscribe(self, url: str, **options: object) -> str:
        """A subscription; for every event unless `options` say otherwise."""
        spec = SubscriptionSpec(url=url, **{"retry": QUICK, **options})  # type: ignore[arg-type]  # the test says what
        return (await self.client.subscriptions.create(spec)).id

    async def emit(self, number: int = 1, *, type: str = "a.b", data: object = None, **options: str) -> list[str]:
        """Emit, one after the other; only what is acknowledged counts."""
        ids = [(await self.client.emit(type, data, **options)).event_id for _ in range(number)]
        self.acknowledged.update(ids)
        return ids

    def lines(self, *words: str) -> list[str]:
        """The lines of the log that hold all these words."""
        lines = [json.dumps(said, ensure_ascii=False) for said in self.process.said] + self.process.raw
        return [line for line in lines if all(word in line for word in words)]

    async def said(self, *words: str) -> str:
        """Wait for such a line; the first."""
        await until(lambda: bool(self.lines(*words)), within=PATIENCE)
        return self.lines(*words)[0]

    async def reasons(self, subscription: str) -> list[str]:
        """What `deliveries show` gives as the reason of every pending delivery of the subscription."""
        page = await self.client.deliveries.list(subscription_id=subscription, state=DeliveryState.PENDING)
        return [one.reason for one in page.items]

    async def nothing_pending(self) -> bool:
        return (await self.client.deliveries.stats()).pending == 0

    async def settled(self) -> None:
        """Wait until nothing is pending; then every acknowledged event is delivered, and nothing else is."""
        await until(self.nothing_pending, within=PATIENCE, step=0.1)
        stats = await self.client.deliveries.stats()
        assert (stats.exhausted, stats.cancelled) == (0, 0)
        delivered: set[str] = set()
        token = ""
        while True:
            page = await self.client.deliveries.list(page_size=1_000, page_token=token)
            assert {one.state for one in page.items} <= {DeliveryState.DELIVERED}
            delivered.update(one.event_id for one in page.items)
            if not (token := page.next_page_token):
                break
        assert delivered == self.acknowledged

    async def stop(self) -> None:
        """SIGTERM, and a clean end: the fault has left nothing behind that would keep it."""
        self.process.signal(signal.SIGTERM)
        assert await self.process.ended(within=PATIENCE) == 0
        assert not self.lines("Traceback")


@asynccontextmanager
async def serving(
    data: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
    timeout: float = 30.0,
) -> AsyncIterator[Site]:
    """Start `hookline serve`, perhaps under another command; kill what is left at the end."""
    command = [*wrapper, sys.executable, "-m", "tests.server.faults.launcher", "serve", "--dev", "--data-dir", str(data)]
    inner = await asyncio.create_subprocess_exec(
        *command,
        "--port",
        "0",
        "--log-format",
        "json",
        *options,
        cwd=ROOT,
        env=clean_environment() | dict(environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert inner.stderr is not None
    process = Process(inner, inner.stderr)
    try:
        address = str((await process.heard("serving", within=PATIENCE))["address"])
        async with hookline.connect(address, timeout=timeout) as client:
            yield Site(process, client, address)
    finally:
        with suppress(ProcessLookupError):
            await process.kill()


def account(taker: Taker, ids: Sequence[str] | set[str]) -> None:
    """The receiver took exactly these, each at least once."""
    assert set(taker.taken) == set(ids)
