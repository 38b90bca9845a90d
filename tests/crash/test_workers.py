"""Several processes embed hookline on one file: one dies, one stalls, some only emit; and the disk may be full."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from crash.processes import SECRET, Process, Receiver, assert_account, ending, stop, until, work
from postgres.server import server

import hookline
from hookline.engine import EngineConfig
from hookline.errors import Unavailable
from hookline.model import RetryPolicy, Steps, SubscriptionSpec

QUICK = RetryPolicy(schedule=Steps(delays=(0.2,)), max_attempts=100, jitter=0.1)
CONFIG = EngineConfig(allow_http_loopback=True)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash"), pytest.mark.timeout(240)]


def acknowledged(*processes: Process) -> set[str]:
    return {
        name
        for process in processes
        for said in process.said
        if said["event"] == "acknowledged"
        for name in said["ids"]  # type: ignore[attr-defined]  # a list, by the worker's own word
    }


Store = Path | str


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """What the processes share."""
    return server().url(server().database()) if request.param == "postgres" else tmp_path / "shared.db"


async def subscribe(store: Store, *receivers: Receiver) -> list[str]:
    async with hookline.open(store, deliver=False, config=CONFIG) as client:
        made = [
            await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=SECRET, retry=QUICK))
            for receiver in receivers
        ]
        return [subscription.id for subscription in made]


async def drained(store: Store) -> None:
    async with hookline.open(store, deliver=False, config=CONFIG) as client:

        async def nothing_pending() -> bool:
            return (await client.deliveries.stats()).pending == 0

        await until(nothing_pending, within=120.0, step=0.1)


async def test_when_one_of_several_processes_is_killed_the_others_deliver_everything_within_seconds(store: Store) -> None:
    with Receiver() as one, Receiver() as two, Receiver() as three:
        receivers = (one, two, three)
        await subscribe(store, *receivers)
        # On SQLite a dead process's lock is free, and nobody waits for its lease.
        ttl, within = ("60", 30.0) if isinstance(store, Path) else ("3", 60.0)
        async with ending([await work(store, "--deliver", "--emit", "5", "--ttl", ttl) for _ in range(3)]) as processes:
            for victim in processes[:2]:
                await until(lambda: all(len(acknowledged(process)) > 100 for process in processes[1:]), within=60.0)
                count = [len(receiver.account.taken) for receiver in receivers]
                await victim.kill()
                await until(
                    lambda count=count: all(len(r.account.taken) > seen + 50 for r, seen in zip(receivers, count, strict=True)),
                    within=within,
                )
            await processes[2].kill()
            processes.append(await work(store, "--deliver", "--ttl", ttl))
            await drained(store)
        every = acknowledged(*processes)
        assert len(every) > 300
        for receiver in receivers:
            assert_account(receiver.account, every)


async def test_processes_that_only_emit_wake_the_one_that_delivers(store: Store) -> None:
    with Receiver() as receiver:
        await subscribe(store, receiver)
        async with ending(
            [await work(store, "--deliver"), await work(store, "--emit", "1"), await work(store, "--emit", "7")]
        ) as processes:
            await until(lambda: len(receiver.account.taken) > 300, within=60.0)
            await processes[1].kill()
            await processes[2].kill()
            await drained(store)
            refused = [str(said["message"]) for process in processes for said in process.said if said["event"] == "refused"]
            # Where the machine stood still, so did who held the lock, and the others say so.
            assert all("has been held by another process" in message for message in refused), refused
        assert_account(receiver.account, acknowledged(*processes))


async def test_a_process_that_was_stopped_past_its_lease_starts_nothing_under_it_when_it_goes_on(store: Store) -> None:
    with Receiver(delay=0.02) as receiver:
        (lane,) = await subscribe(store, receiver)
        async with ending([await work(store, "--deliver", "--ttl", "5")]) as processes:
            sleeper = processes[0]
            processes.append(await work(store, "--deliver", "--ttl", "5", "--emit", "3"))
            other = processes[1]
            await until(lambda: any(said["event"] == "attempt" for said in sleeper.said), within=60.0)
            first = {int(str(said["epoch"])) for said in sleeper.said if said["event"] == "attempt"}
            await stop(sleeper.pid, file=store if isinstance(store, Path) else None)
            stopped = time()
            await until(lambda: any(said["event"] == "attempt" and said["lane"] == lane for said in other.said), within=60.0)
            taken = min(int(str(said["epoch"])) for said in other.said if said["event"] == "attempt")
            count = len(receiver.account.taken)
            await until(lambda: len(receiver.account.taken) > count + 50, within=60.0)
            went_on = time()
            sleeper.signal(signal.SIGCONT)
            await asyncio.sleep(2.0)  # what it would start it starts now
            await other.kill()
            await drained(store)
        assert max(first) < taken
        for said in sleeper.said:
            if said["event"] == "attempt" and float(str(said["start"])) > stopped + 0.05:
                assert float(str(said["start"])) >= went_on
                assert int(str(said["epoch"])) > taken
        assert_account(receiver.account, acknowledged(*processes))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None or os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root on Linux")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_a_full_disk_refuses_emits_with_unavailable_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    with Receiver() as receiver:
        async with hookline.open(small_disk / "full.db", config=replace(CONFIG, disk_margin=0)) as client:
            await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=SECRET, retry=QUICK))
            ballast = small_disk / "ballast"
            ballast.write_bytes(b"x" * (3 * 1024 * 1024))
            ids: set[str] = set()
            refusal: Unavailable | None = None
            for number in range(2_000):
                try:
                    ids.add((await client.emit("a.b", f"{number}-" + "x" * 8_000)).event_id)
                except Unavailable as error:
                    refusal = error
                    break
            assert refusal is not None
            assert refusal.retry_after
            assert "full" in str(refusal) or "space" in str(refusal)
            ballast.unlink()

            async def emitted() -> bool:
                try:
                    ids.add((await client.emit("a.b", "after")).event_id)
                except Unavailable:
                    return False
                return True

            await until(emitted, within=60.0, step=0.2)

            async def nothing_pending() -> bool:
                return (await client.deliveries.stats()).pending == 0

            await until(nothing_pending, within=60.0, step=0.1)
        assert_account(receiver.account, ids)
