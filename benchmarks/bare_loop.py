"""The calibration: sign and POST in a bare loop, with no store, no retries and no house around it.

    python -m benchmarks.bare_loop [--count 20000] [--in-flight 64] [--rounds 3]

Other figures are given as a ratio to `run`, measured in the same run on the same machine: it is what the
machine and aiohttp can do, 500-byte bodies, Standard Webhooks v1 signatures, keep-alive. The command prints
the same loop over hookline's transport as well, by both of its ways.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import httpx
import yarl

from benchmarks.receiver import ReceiverProcess, fastest_loop
from hookline.transport import AiohttpTransport, GuardPolicy, Poster

KEY: Final = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY: Final = b'{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00Z","data":{"text":"' + b"x" * 424 + b'"}}'
TIMEOUT: Final = 15.0
"""Seconds for one request."""

Headers = list[tuple[str, str]]
Send = Callable[[Headers, bytes], Awaitable[int]]


def signed(identity: str, body: bytes) -> Headers:
    """The headers of a Standard Webhooks v1 request, by hmac directly."""
    timestamp = str(int(time.time()))
    mac = hmac.digest(KEY, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
    return [
        ("content-type", "application/json"),
        ("webhook-id", identity),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", "v1," + base64.b64encode(mac).decode()),
    ]


async def drive(send: Send, count: int, in_flight: int) -> float:
    """Send `count` signed requests from `in_flight` workers; requests a second, warm connections."""
    numbers = itertools.count()

    async def worker(limit: int) -> None:
        while (number := next(numbers)) < limit:
            status = await send(signed(f"msg_{number:020d}", BODY), BODY)
            if status != 200:
                raise RuntimeError(f"the receiver answered {status}")

    async def pass_of(limit: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker(limit))

    await pass_of(in_flight * 4)
    numbers = itertools.count()
    started = time.perf_counter()
    await pass_of(count)
    return count / (time.perf_counter() - started)


async def run(url: str, count: int = 20_000, in_flight: int = 64) -> float:
    """The bare loop over aiohttp: signed requests a second to `url`."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    target = yarl.URL(url, encoded=True)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def send(headers: Headers, body: bytes) -> int:
            async with session.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer.status

        return await drive(send, count, in_flight)


class Plain(httpx.AsyncBaseTransport):
    """The transport as any other httpx transport, so that `Poster` takes no short cut."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        """Pass everything on to `inner`."""
        self.handle_async_request = inner.handle_async_request  # type: ignore[method-assign]  # spares a frame
        self.aclose = inner.aclose  # type: ignore[method-assign]  # as above


async def run_poster(url: str, count: int = 20_000, in_flight: int = 64, *, plain: bool = False) -> float:
    """The same loop over `Poster` and `AiohttpTransport`; `plain` goes through the httpx interface."""
    transport = AiohttpTransport(guard=GuardPolicy(allow_loopback=True))
    poster = Poster(Plain(transport) if plain else transport, user_agent="hookline-benchmark")

    async def send(headers: Headers, body: bytes) -> int:
        return (await poster.post(url, headers, body, timeout=TIMEOUT)).status

    try:
        return await drive(send, count, in_flight)
    finally:
        await transport.aclose()


async def compare(url: str, count: int, in_flight: int, rounds: int) -> list[tuple[str, float, float]]:
    """Median requests a second of each way over `rounds`, and its ratio to the bare loop."""
    figures: dict[str, list[float]] = {"bare aiohttp": [], "Poster, httpx interface": [], "Poster": []}
    for _ in range(rounds):
        figures["bare aiohttp"].append(await run(url, count, in_flight))
        figures["Poster, httpx interface"].append(await run_poster(url, count, in_flight, plain=True))
        figures["Poster"].append(await run_poster(url, count, in_flight))
    bare = statistics.median(figures["bare aiohttp"])
    return [(name, statistics.median(values), statistics.median(values) / bare) for name, values in figures.items()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_loop", description="Sign and POST in a bare loop.")
    parser.add_argument("--count", type=int, default=20_000, help="requests a round")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with ReceiverProcess(mode="ok") as receiver, asyncio.Runner(loop_factory=fastest_loop) as runner:
        rows = runner.run(compare(f"{receiver.url}/ok/bare", arguments.count, arguments.in_flight, arguments.rounds))
    for name, rate, ratio in rows:
        print(f"{name:<26}{rate:>10,.0f}/s{ratio:>8.2f}")


if __name__ == "__main__":
    main()
