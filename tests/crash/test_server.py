"""kill -9 of a real server in mid-flow: what was acknowledged is delivered, whenever the server dies."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from pathlib import Path

import pytest
from crash.processes import SECRET, Process, Receiver, assert_account, ending, serve, until
from ports import lasting_port
from postgres.server import server

import hookline
from hookline.errors import HooklineError
from hookline.model import DeliveryState, EventSpec, RetryPolicy, Steps, SubscriptionSpec

KILLS = int(os.environ.get("KILLS", "10"))
QUICK = RetryPolicy(schedule=Steps(delays=(0.1, 0.2, 0.5)), max_attempts=50, jitter=0.1)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash"), pytest.mark.timeout(120 + 10 * KILLS)]


class Emitters:
    """Callers over gRPC who go on whatever happens, and remember what was acknowledged."""

    def __init__(self, client: hookline.Client) -> None:
        self.acknowledged: set[str] = set()
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._emit(number)) for number in range(4)]
        self._tasks += [asyncio.create_task(self._emit_many(number)) for number in range(2)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _emit(self, emitter: int) -> None:
        for turn in range(1_000_000):
            with contextlib.suppress(HooklineError):
                result = await self._client.emit("load.one", f"{emitter}/{turn}", ordering_key=str(emitter))
                self.acknowledged.add(result.event_id)
            await asyncio.sleep(0.005)

    async def _emit_many(self, emitter: int) -> None:
        for turn in range(1_000_000):
            specs = [EventSpec(type="load.many", data=f'"{emitter}-{turn}-{number}"'.encode()) for number in range(20)]
            with contextlib.suppress(HooklineError):
                for outcome in await self._client.emit_many(specs):
                    if not isinstance(outcome, HooklineError):
                        self.acknowledged.add(outcome.event_id)
            await asyncio.sleep(0.02)


@pytest.fixture(params=["sqlite", "postgres"])
def options(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Where the server keeps its events."""
    return ("--store", server().url(server().empty_database())) if request.param == "postgres" else ()


async def test_every_acknowledged_event_survives_kill_9_of_the_server(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = random.Random(int(os.environ.get("KILL_SEED", "3")))
    port = lasting_port()
    with Receiver(fails=0.05, delay=0.01) as receiver:
        async with ending([await serve(tmp_path, port, *options)]) as processes:
            async with hookline.connect(f"127.0.0.1:{port}", timeout=15.0) as client:
                await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=SECRET, retry=QUICK))
                emitters = Emitters(client)
                emitters.start()
                for _ in range(KILLS // 2 if options else KILLS):
                    mark = len(emitters.acknowledged) + source.randint(20, 300)
                    await until(lambda mark=mark: len(emitters.acknowledged) >= mark, within=60.0, step=0.003)
                    await processes.pop().kill()
                    processes.append(await serve(tmp_path, port, *options))
                await until(lambda: len(emitters.acknowledged) >= mark + 50, within=60.0)
                await emitters.stop()
                await until(lambda: _nothing_pending(client), within=60.0, step=0.1)
                stats = await client.deliveries.stats()
            await until(lambda: _told_of_a_death(processes[0]), within=60.0)
            processes[0].signal(signal.SIGTERM)
            assert await processes[0].ended(within=60.0) == 0
        assert_account(receiver.account, emitters.acknowledged)
        assert stats.delivered >= len(emitters.acknowledged)
        assert stats.exhausted == stats.cancelled == 0
    if options:
        return
    with contextlib.closing(sqlite3.connect(tmp_path / "hookline.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _told_of_a_death(process: Process) -> bool:
    """Whether the operator can read that the process before ended without leaving, and what became of its lanes."""
    said = "is dead; its lanes are taken over", "has not beaten for 10 s; its lanes are taken over"
    return any(str(line.get("event", "")).endswith(said) for line in process.said)


async def _nothing_pending(client: hookline.Client) -> bool:
    return (await client.deliveries.stats()).pending == 0


async def test_sigterm_finishes_what_is_on_the_wire_and_the_next_server_sends_the_rest_once(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    port = lasting_port()
    with Receiver(delay=2.0) as receiver:
        async with ending([await serve(tmp_path, port, "--drain-grace", "60", *options)]) as processes:
            async with hookline.connect(f"127.0.0.1:{port}") as client:
                await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=SECRET, max_in_flight=5))
                outcomes = await client.emit_many([EventSpec(type="a.b", data=b"%d" % number) for number in range(20)])
                ids = {outcome.event_id for outcome in outcomes if not isinstance(outcome, HooklineError)}
                await until(lambda: receiver.in_flight == 5, within=60.0)
            processes[0].signal(signal.SIGTERM)
            assert await processes[0].ended(within=60.0) == 0
            before = set(receiver.account.taken)
            assert 5 <= len(before) < 20
            receiver.delay = 0.0
            processes.append(await serve(tmp_path, port, *options))
            async with hookline.connect(f"127.0.0.1:{port}") as client:
                await until(lambda: _nothing_pending(client), within=60.0)
                states = {one.state for one in (await client.deliveries.list()).items}
        assert states == {DeliveryState.DELIVERED}
        assert_account(receiver.account, ids)
        assert set(receiver.account.requests.values()) == {1}


async def test_a_worker_that_is_killed_is_started_anew_and_every_acknowledged_event_is_delivered(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    port = lasting_port()
    with Receiver(fails=0.05, delay=0.01) as receiver:
        async with ending([await serve(tmp_path, port, "--workers", "3", *options)]) as processes:

            def workers() -> list[int]:
                return [int(str(said["pid"])) for said in processes[0].said if said.get("event") == "serving"]

            await until(lambda: len(workers()) == 3, within=60.0)
            async with hookline.connect(f"127.0.0.1:{port}", timeout=15.0) as client:
                await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=SECRET, retry=QUICK))
                emitters = Emitters(client)
                emitters.start()
                await until(lambda: len(emitters.acknowledged) >= 100, within=60.0)
                os.kill(workers()[0], signal.SIGKILL)
                await until(lambda: len(workers()) == 4, within=60.0)
                mark = len(emitters.acknowledged) + 100
                await until(lambda: len(emitters.acknowledged) >= mark, within=60.0)
                await emitters.stop()
                await until(lambda: _nothing_pending(client), within=120.0, step=0.1)  # a lease, and what came in meanwhile
            processes[0].signal(signal.SIGTERM)
            assert await processes[0].ended(within=60.0) == 0
        assert_account(receiver.account, emitters.acknowledged)
