"""What bad receivers, and one that is far behind, cost the others: each beside the same without, in turn."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import hookline
from benchmarks.figure import Figure
from benchmarks.served import median, steady
from benchmarks.server import Load, control, payload, running
from hookline import EngineConfig, EventSpec, SubscriptionSpec
from hookline_proto.v1 import subscription_service_pb2

ROUNDS: Final = 3
SUBSCRIPTIONS: Final = 1_000
BAD: Final = ("hang", "hang", "hang", "drip", "drip", "drip", "reset", "reset", "status/500", "status/500")
RATE: Final = 200
"""Events a second for the healthy ones together."""
BAD_RATE: Final = 50
"""Events a second for the ten in whose place the bad ones are: each gets twenty-five times what a healthy one gets."""
MAKERS: Final = 8
"""Subscriptions that are made at once."""
NEIGHBOURS: Final = 100
"""Beside the one that is far behind."""
DEPTH: Final = 100_000
LARGE_DEPTH: Final = 1_000_000
FILL: Final = 1_000
"""Events a call when the backlog is made."""
CALM: Final = 1.0
"""Seconds between two measurements."""
DEEP: Final = "bench.deep"


class Latency(NamedTuple):
    """From emit to the request that a healthy receiver sees, in milliseconds."""

    p50: float
    p99: float


class Drain(NamedTuple):
    """What neighbours saw without a drain and beside it, and deliveries a second of the drain."""

    without: Latency
    beside: Latency
    rate: float


async def measure(url: str, scale: float, *, large: bool) -> list[Figure]:
    """The figures; `large` makes the backlog a million deep."""
    return [*await bad_ones(url, 10 * scale), *await far_behind(url, LARGE_DEPTH if large else DEPTH, 8 * scale)]


async def bad_ones(url: str, seconds: float) -> list[Figure]:
    """What ten bad receivers cost 990 others."""
    pairs = [(await crowd(url, bad=False, seconds=seconds), await crowd(url, bad=True, seconds=seconds)) for _ in range(ROUNDS)]
    ratio = median([beside.p99 / without.p99 for without, beside in pairs])
    return [
        Figure(name="990 of 1,000 receivers, p99", value=median([without.p99 for without, _ in pairs]), unit="ms"),
        Figure(
            name="990 receivers beside 10 that hang, drip, reset or answer 500, p99",
            value=median([beside.p99 for _, beside in pairs]),
            unit="ms",
            bare="without them",
            ratio_to_bare=ratio,
            target="<= 1.5 of without them",
            met=ratio <= 1.5,
        ),
    ]


async def far_behind(url: str, depth: int, seconds: float) -> list[Figure]:
    """What the drain of one receiver's backlog costs the others."""
    drains = await drained(url, depth, seconds)
    ratio = median([drain.beside.p50 / drain.without.p50 for drain in drains])
    return [
        Figure(name=f"{NEIGHBOURS} receivers, p50", value=median([drain.without.p50 for drain in drains]), unit="ms"),
        Figure(
            name=f"{NEIGHBOURS} receivers beside the drain of {depth:,}, p50",
            value=median([drain.beside.p50 for drain in drains]),
            unit="ms",
            bare="without it",
            ratio_to_bare=ratio,
            target="<= 1.2 of without it",
            met=ratio <= 1.2,
        ),
        Figure(name="  the drain meanwhile", value=median([drain.rate for drain in drains]), unit="deliveries/s"),
    ]


async def crowd(url: str, *, bad: bool, seconds: float) -> Latency:
    """What the healthy ones of all subscriptions see; ten others are bad, or as healthy."""
    healthy = [f"bench.healthy-{number}" for number in range(SUBSCRIPTIONS - len(BAD))]
    others = [f"bench.other-{number}" for number in range(len(BAD))]
    receivers = [(f"{url}/healthy/{number}", kind) for number, kind in enumerate(healthy)]
    receivers += [(f"{url}/{how if bad else 'calm'}/{kind}", kind) for how, kind in zip(BAD, others, strict=True)]
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder, running(Path(folder)) as server:
        load = Load(server.target)
        try:
            await load.ready()
            await _subscribe(load, receivers)
            for length in (4.0, seconds):  # the first is not measured
                control(url, "reset")
                async with asyncio.TaskGroup() as flows:
                    flows.create_task(steady(load, healthy, RATE, length))
                    flows.create_task(steady(load, others, BAD_RATE, length))
            await asyncio.sleep(CALM)
        finally:
            await load.channel.close()
    return _seen(url)


async def drained(url: str, depth: int, seconds: float) -> list[Drain]:
    """A backlog is sent for a while, and not sent for a while, in turn."""
    types = [f"bench.healthy-{number}" for number in range(NEIGHBOURS)]
    found = []
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        deep = await _deep(Path(folder), url, depth)
        with running(Path(folder)) as server:
            load = Load(server.target)
            try:
                await load.ready()
                await steady(load, types, RATE, 4.0)
                for _ in range(ROUNDS):
                    without, _ = await _neighbours(load, url, types, seconds)
                    resume = subscription_service_pb2.ResumeSubscriptionRequest(subscription_id=deep)
                    await load.subscriptions.ResumeSubscription(resume)
                    beside, rate = await _neighbours(load, url, types, seconds)
                    pause = subscription_service_pb2.PauseSubscriptionRequest(subscription_id=deep, reason="bench")
                    await load.subscriptions.PauseSubscription(pause)
                    if not rate:
                        raise RuntimeError("nothing of the backlog was sent; it was over too early")
                    found.append(Drain(without, beside, rate))
            finally:
                await load.channel.close()
    return found


async def _neighbours(load: Load, url: str, types: list[str], seconds: float) -> tuple[Latency, float]:
    """What the neighbours see for so long, and how many requests a second the one that is far behind got."""
    await asyncio.sleep(CALM)
    control(url, "reset")
    await steady(load, types, RATE, seconds)
    seen = _seen(url)
    return seen, control(url, "stats?prefix=/ok/deep")["count"] / seconds


async def _subscribe(load: Load, receivers: Iterable[tuple[str, str]]) -> None:
    """Make subscriptions of (url, event type), several at once."""
    left = iter(receivers)

    async def maker() -> None:
        for url, kind in left:
            await load.subscribe(url, kind)

    async with asyncio.TaskGroup() as makers:
        for _ in range(MAKERS):
            makers.create_task(maker())


async def _deep(folder: Path, url: str, depth: int) -> str:
    """Make a store with a subscription that is paused and `depth` events behind, and its neighbours; its id."""
    config = EngineConfig(allow_http_loopback=True)
    async with hookline.open(folder / "hookline.db", config=config, deliver=False) as client:
        made = await client.subscriptions.create(SubscriptionSpec(url=f"{url}/ok/deep", event_types=(DEEP,)))
        await client.subscriptions.pause(made.id, reason="bench")
        for number in range(NEIGHBOURS):
            await client.subscriptions.create(
                SubscriptionSpec(url=f"{url}/healthy/{number}", event_types=(f"bench.healthy-{number}",))
            )
        for start in range(0, depth, FILL):
            await client.emit_many([EventSpec(type=DEEP, data=payload()) for _ in range(min(FILL, depth - start))])
    return made.id


def _seen(url: str) -> Latency:
    """What the healthy ones saw since the last reset."""
    found = control(url, "stats?prefix=/healthy")["latency"]
    if not found["count"]:
        raise RuntimeError("no healthy receiver was called")
    return Latency(found["p50"] * 1000, found["p99"] * 1000)
