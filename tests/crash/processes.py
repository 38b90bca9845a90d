"""Real processes to kill, and a receiver that keeps an account of what it was told."""

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil
from standardwebhooks.webhooks import Webhook

from hookline.store.sqlite.lock import is_free

ROOT = Path(__file__).parents[2]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example secret of the Standard Webhooks specification."""


@dataclass
class Account:
    """What a receiver was told: requests by webhook id, and which of them it took."""

    requests: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    ids_of_data: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    forged: list[str] = field(default_factory=list)


class Receiver:
    """An HTTP server in a thread. It verifies each request, and turns away a part of the first ones of an id."""

    def __init__(self, *, fails: float = 0.0, delay: float = 0.0) -> None:
        self.account = Account()
        self.delay = delay
        self.port = 0
        self.in_flight = 0
        self._fails = fails
        self._random = random.Random(11)
        self._webhook = Webhook(SECRET)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        assert self._started.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1_024))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.in_flight += 1
                try:
                    status = self._judge(headers, body)
                    await asyncio.sleep(self.delay)
                    writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)
                    if status == 204:
                        self.account.taken[headers["webhook-id"]] += 1
                    await writer.drain()
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def _judge(self, headers: dict[str, str], body: bytes) -> int:
        name = headers["webhook-id"]
        try:
            event = self._webhook.verify(body, headers)
        except Exception as error:  # noqa: BLE001  # the verifier is not ours: whatever it raises is a refusal
            self.account.forged.append(f"{name}: {error!r}")
            return 500
        self.account.requests[name] += 1
        self.account.ids_of_data[str(event["data"])].add(name)
        return 503 if self.account.requests[name] == 1 and self._random.random() < self._fails else 204


class Process:
    """A Python process that speaks JSON lines on standard output or error."""

    def __init__(self, inner: asyncio.subprocess.Process, lines: asyncio.StreamReader) -> None:
        self._inner = inner
        self._reading = asyncio.create_task(self._read(lines))
        self.said: list[dict[str, object]] = []
        self.raw: list[str] = []
        self._news = asyncio.Event()

    async def _read(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            try:
                said = json.loads(line)
            except ValueError:
                self.raw.append(line.decode(errors="replace"))
                continue
            self.said.append(said)
            self._news.set()

    async def heard(self, what: str, *, within: float = 60.0) -> dict[str, object]:
        """The first line whose `event` is `what`."""
        async with asyncio.timeout(within):
            while True:
                self._news.clear()
                for said in self.said:
                    if said.get("event") == what:
                        return said
                if self._reading.done():
                    raise AssertionError(f"it ended without {what!r}: {''.join(self.raw)}{self.said[-3:]}")
                await asyncio.wait({asyncio.ensure_future(self._news.wait()), self._reading}, return_when=asyncio.FIRST_COMPLETED)

    @property
    def pid(self) -> int:
        return self._inner.pid

    def signal(self, number: signal.Signals) -> None:
        self._inner.send_signal(number)

    async def kill(self) -> None:
        """kill -9."""
        if self._inner.returncode is None:
            self._inner.kill()
        await self._inner.wait()
        await self._reading

    async def ended(self, *, within: float) -> int:
        """Its exit code."""
        async with asyncio.timeout(within):
            code = await self._inner.wait()
            await self._reading
            return code


async def serve(data: Path, port: int, *options: str) -> Process:
    """Start `hookline serve` and wait until it takes calls."""
    command = ("-m", "hookline_server.cli", "serve", "--dev", "--data-dir", str(data), "--port", str(port), "--log-format", "json")
    inner = await asyncio.create_subprocess_exec(
        sys.executable, *command, *options, cwd=ROOT, env=clean_environment(), stderr=asyncio.subprocess.PIPE
    )
    assert inner.stderr is not None
    process = Process(inner, inner.stderr)
    await process.heard("serving")
    return process


async def work(store: Path | str, *options: str) -> Process:
    """Start a process that embeds hookline (`tests/crash/worker.py`) and wait until its client is open."""
    inner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.worker",
        str(store),
        *options,
        cwd=ROOT,
        env=clean_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert inner.stdout is not None
    process = Process(inner, inner.stdout)
    await process.heard("open")
    return process


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}


async def until(what: Callable[[], bool | Awaitable[bool]], *, within: float, step: float = 0.02) -> None:
    """Wait until something that happens in another process is so."""
    end = monotonic() + within
    while True:
        found = what()
        if found if isinstance(found, bool) else await found:
            return
        assert monotonic() < end, f"not so within {within} s"
        await asyncio.sleep(step)


async def stop(pid: int, *, file: Path | None = None) -> None:
    """SIGSTOP, when the process neither writes to the SQLite file nor is the next to: it would keep everybody else from it."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, within=10.0)
        if file is None or all(is_free(file.with_name(file.name + lock)) for lock in (".lock", ".lock.gate")):
            return
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def ending(processes: list[Process]) -> AsyncIterator[list[Process]]:
    """Kill what is left at the end."""
    try:
        yield processes
    finally:
        for process in processes:
            await process.kill()


def assert_account(account: Account, acknowledged: set[str]) -> None:
    """Every acknowledged event was taken; every repeat had the same id; every signature was right."""
    assert account.forged == []
    lost = acknowledged - account.taken.keys()
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost: {sorted(lost)[:5]}"
    mixed = {data: ids for data, ids in account.ids_of_data.items() if len(ids) > 1}
    assert not mixed
