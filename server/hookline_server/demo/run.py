"""The course of the demonstration."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import hookline
from hookline.client import Client
from hookline.errors import DeadlineExceeded, HooklineError, Unavailable
from hookline.model import Change, DeliveryState, EventSpec, RetryPolicy, Steps, SubscriptionSpec
from hookline.signing import generate_secret
from hookline_server.cli.output import console
from hookline_server.demo.account import Account, Record, Tally, settle_account
from hookline_server.demo.processes import Child, DemoError, receiving_url, serving_address
from hookline_server.demo.view import View, show_account
from hookline_server.receiver import VERIFIER

GRPC, EMBEDDED = "gRPC", "embedded"
GRPC_SHARE: Final = 0.6
FAIL: Final = 0.03
"""Part of the requests that fail; a third of those ask to be left alone for a second, which the whole subscription is then."""
RETRY: Final = RetryPolicy(schedule=Steps(delays=(0.2, 0.4, 0.6, 1.0)), max_attempts=60, jitter=0.2)
ATTEMPT_TIMEOUT: Final = 1.0
HANG: Final = 3.0
RECEIVER_DELAY: Final = 0.05
"""Seconds that the receiver takes, so that the kill meets requests that are on the wire."""
KILL_AT: Final = 0.45
"""Part of the events that are emitted when the server is killed."""
DEAD_FOR: Final = 1.0
AGAIN: Final = 0.2
LOOK: Final = 0.05
SETTLE_WITHIN: Final = 120.0
"""Seconds after which a step is said to have failed."""
TYPES: Final = ("order.placed", "order.paid", "invoice.sent", "invoice.paid")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """How much there is to show. `rate` is events a second, both doors together."""

    events: int = 1_500
    rate: float = 150.0
    keep: bool = False
    seed: int = 7


async def run_demo(plan: DemoPlan) -> bool:
    """Run it; whether every check passed. Raises DemoError."""
    folder = Path(tempfile.mkdtemp(prefix="hookline-demo-"))
    children: list[Child] = []
    try:
        return await _run(plan, folder, children)
    except ExceptionGroup as group:
        # The tasks of the demonstration fail together; the first reason is the one to tell.
        first = group.exceptions[0]
        raise (first if isinstance(first, HooklineError) else DemoError(f"it broke off: {first!r}")) from group
    finally:
        for child in reversed(children):
            child.stop()
        if plan.keep:
            console().print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


async def _run(plan: DemoPlan, folder: Path, children: list[Child]) -> bool:
    started = monotonic()
    secret = generate_secret("standard")
    receiver = Child(
        folder, "receiver", "receive", "--json", "--port", "0", "--secret", secret,
        "--fail", str(FAIL), "--hang", str(HANG), "--delay", str(RECEIVER_DELAY), "--seed", str(plan.seed),
    )  # fmt: skip
    children.append(receiver)
    server = _start_server(folder, children, port="0")
    tally, record = Tally(), Record(receiver.out)
    async with View(tally, record, plan.events) as view:
        url = await receiver.ready(receiving_url)
        view.say(f"a receiver (pid {receiver.pid}) at {url}; it verifies with {VERIFIER}, and fails {FAIL:.0%} of the requests")
        address = await server.ready(serving_address)
        _up(view, server, f"a server (pid {server.pid}) at {address}, its store in {folder}")
        # The same file twice: in the server, and here, where events only go in.
        embedded = hookline.open(folder / "hookline.db", deliver=False)
        async with hookline.connect(address) as remote, embedded:
            spec = SubscriptionSpec(
                url=f"{url}webhooks", secret=secret, retry=RETRY, timeout=ATTEMPT_TIMEOUT, labels={"name": "demo"}
            )
            await remote.subscriptions.create(spec)
            async with asyncio.TaskGroup() as work:
                watching = work.create_task(_watch(embedded, tally, view))
                emitting = [
                    work.create_task(_emit(remote, GRPC, round(plan.events * GRPC_SHARE), plan.rate * GRPC_SHARE, tally)),
                    work.create_task(
                        _emit(
                            embedded,
                            EMBEDDED,
                            plan.events - round(plan.events * GRPC_SHARE),
                            plan.rate * (1 - GRPC_SHARE),
                            tally,
                        )
                    ),
                ]
                await _until(lambda: _emitted(tally, plan.events * KILL_AT), plan.events / plan.rate + SETTLE_WITHIN)
                server.kill()
                view.server(f"killed (pid {server.pid})", "bold red")
                view.say(f"kill -9 {server.pid}: the server is dead; events go on into the same file", "bold red")
                await asyncio.sleep(DEAD_FOR)
                server = _start_server(folder, children, port=address.rpartition(":")[2])
                await server.ready(serving_address)
                _up(view, server, f"the server is back (pid {server.pid})")
                await asyncio.wait(emitting)
                view.say(f"all {plan.events} events are acknowledged")
                await _until(lambda: _nothing_pending(embedded), SETTLE_WITHIN)
                await _until(lambda: _emitted(tally, plan.events), SETTLE_WITHIN)
                watching.cancel()
            account = await settle_account(embedded, tally, record)
        code = server.stop()
        view.say(f"the server is asked to stop, and ends with exit code {code}")
    show_account(account, VERIFIER, monotonic() - started)
    return _passed(account, code)


def _start_server(folder: Path, children: list[Child], *, port: str) -> Child:
    server = Child(
        folder, "server", "serve", "--dev", "--port", port, "--store", str(folder / "hookline.db"), "--log-format", "json",
        "--no-hints",
    )  # fmt: skip
    children.append(server)
    return server


def _up(view: View, server: Child, words: str) -> None:
    view.server(f"running (pid {server.pid})", "green")
    view.say(words, "bold green")


async def _emit(client: Client, door: str, count: int, rate: float, tally: Tally) -> None:
    """Emit `count` events through one door at `rate` a second; one whose answer does not come is emitted again."""
    began = monotonic()
    async with asyncio.TaskGroup() as emits:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
            emits.create_task(_emit_one(client, door, number, tally))


async def _emit_one(client: Client, door: str, number: int, tally: Tally) -> None:
    event = EventSpec(
        type=TYPES[number % len(TYPES)],
        data=b'{"number":%d,"amount":%d.50}' % (number, number % 100),
        id=f"demo-{door.lower()}-{number}",
    )
    while True:
        try:
            result = await client.emit_event(event)
        except (Unavailable, DeadlineExceeded):
            # Not acknowledged. The same id makes it safe to say it again.
            tally.again += 1
            await asyncio.sleep(AGAIN)
        else:
            tally.acknowledged[result.event_id] = door
            return


async def _watch(client: Client, tally: Tally, view: View) -> None:
    async for item in client.watch():
        if isinstance(item, Change) and item.attempt is not None:
            if item.delivery.state is DeliveryState.DELIVERED:
                tally.finished.add(item.delivery.id)
            tally.failed += item.attempt.error is not None
            view.change(item)


async def _until(done: Callable[[], Awaitable[bool]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await done():  # noqa: ASYNC110  # it happens in other processes
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise DemoError(
            f"what should have happened within {seconds:.0f} s did not; run it with --keep and read server.err"
        ) from None


async def _emitted(tally: Tally, count: float) -> bool:
    return len(tally.acknowledged) >= count


async def _nothing_pending(client: Client) -> bool:
    return (await client.deliveries.stats()).pending == 0


def _passed(account: Account, code: int) -> bool:
    return code == 0 and not list(account.problems())
