"""What is special about code without an event loop: threads, iterators, and the end of the process."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from client.receiver import HANG, Receiver

import hookline.sync
from hookline import Checkpoint, EmitResult, EngineConfig, EventSpec, SubscriptionSpec
from hookline.errors import FailedPrecondition
from hookline.portal import Portal, portal
from hookline.portal_iterator import PortalIterator, _Inbox
from hookline.sync import SyncClient

CONFIG = EngineConfig(allow_http_loopback=True)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SyncClient]:
    with hookline.sync.open(tmp_path / "hookline.db", config=CONFIG) as made:
        yield made


def test_many_threads_emit_at_once(client: SyncClient) -> None:
    with ThreadPoolExecutor(32) as threads:
        results = list(threads.map(lambda number: client.emit("a", number, id=f"e-{number}"), range(500)))
    assert {result.event_id for result in results} == {f"e-{number}" for number in range(500)}


def test_all_clients_of_a_process_share_one_thread(client: SyncClient) -> None:
    with hookline.sync.open("memory:") as other:
        other.emit("a", {})
        client.emit("a", {})
        assert [thread.name for thread in threading.enumerate()].count("hookline-sync") == 1


def test_closing_a_watch_ends_it_for_the_thread_that_waits(client: SyncClient) -> None:
    watch = client.watch()
    assert isinstance(next(watch), Checkpoint)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: list(watch))
        watch.close()
        assert waiting.result(60) == []
    watch.close()
    assert list(watch) == []


def test_a_watch_that_is_dropped_ends() -> None:
    async def numbers(ended: threading.Event) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    ended = threading.Event()
    iterator = PortalIterator(portal(), lambda: numbers(ended))
    assert next(iterator) == 1
    del iterator
    gc.collect()
    assert ended.wait(60)


def test_an_iterator_reads_ahead_by_a_bounded_number_only() -> None:
    made = 0
    stalled = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        nonlocal made
        while True:
            made += 1
            if made == 1_000:
                stalled.set()
            yield made

    with PortalIterator(portal(), numbers) as iterator:
        assert stalled.wait(60)
        assert [next(iterator) for _ in range(5_000)] == list(range(1, 5_001))
        assert made <= 6_001


def test_the_source_of_a_stream_is_read_by_the_calling_thread(client: SyncClient) -> None:
    readers: set[int] = set()

    def events() -> Iterator[EventSpec]:
        for number in range(3_000):
            readers.add(threading.get_ident())
            yield EventSpec(type="a", data=b"1", id=f"e-{number}")

    outcomes = dict(client.emit_stream(events()))
    assert readers == {threading.get_ident()}
    assert all(isinstance(outcome, EmitResult) for outcome in outcomes.values())
    assert outcomes.keys() == set(range(3_000))


def test_a_stream_can_be_left_early(client: SyncClient) -> None:
    def endless() -> Iterator[EventSpec]:
        while True:
            yield EventSpec(type="a", data=b"1")

    for index, _ in client.emit_stream(endless()):
        if index > 100:
            break
    client.emit("a", {})


def test_an_interrupt_of_the_caller_cancels_the_call() -> None:
    begun, cancelled, main = threading.Event(), threading.Event(), threading.get_ident()

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt() -> None:
        begun.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        portal().call(forever())
    interrupting.join()
    assert cancelled.wait(60)


def test_a_call_from_the_loop_itself_is_refused_instead_of_waiting_for_ever() -> None:
    here = Portal()

    async def inner() -> None:
        here.call(asyncio.sleep(0))

    with pytest.raises(FailedPrecondition):
        here.call(inner())
    here.close()


PROGRAM = """
import sys, hookline.sync
from hookline import EngineConfig, SubscriptionSpec
client = hookline.sync.open(sys.argv[1], config=EngineConfig(allow_http_loopback=True, grace=20.0))
client.subscriptions.create(SubscriptionSpec(url=sys.argv[2], timeout=60.0))
changes = client.watch()
next(changes)
client.emit("a", {"n": 1}, id="last-words")
print("acknowledged", flush=True)
sys.stdin.readline()
"""


async def test_what_is_on_the_wire_is_finished_when_the_interpreter_exits(receiver: Receiver, tmp_path: Path) -> None:
    receiver.script(HANG)
    store = tmp_path / "hookline.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(store), receiver.url()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"acknowledged\n"
    await receiver.wait()
    ending = asyncio.create_task(process.communicate(b"exit\n"))
    await asyncio.sleep(0)
    receiver.release()
    async with asyncio.timeout(60):
        _, errors = await ending
    assert (process.returncode, errors.decode()) == (0, "")
    async with hookline.open(store, config=CONFIG) as client:
        (delivery,) = (await client.deliveries.list(event_id="last-words")).items
        assert (delivery.state, delivery.attempts) == (hookline.DeliveryState.DELIVERED, 1)


def test_a_client_that_was_never_used_costs_nothing(tmp_path: Path) -> None:
    client = hookline.sync.open(tmp_path / "none.db")
    client.close()
    assert list(tmp_path.iterdir()) == []


def test_subscriptions_of_one_client_are_seen_by_the_next(tmp_path: Path) -> None:
    store = tmp_path / "hookline.db"
    with hookline.sync.open(store, config=CONFIG) as first:
        made = first.subscriptions.create(SubscriptionSpec(url="http://127.0.0.1:1/"))
    with hookline.sync.open(store, config=CONFIG) as second:
        assert second.subscriptions.get(made.id) == made


async def test_what_a_thread_puts_in_just_before_the_end_is_read() -> None:
    class Late(deque[str]):
        """The other thread goes on between two looks of this one."""

        late = True

        def __len__(self) -> int:
            if self.late:
                self.late = False
                inbox.put("last")
                inbox.end()
                return 0
            return super().__len__()

    ringing: Any = SimpleNamespace(post=lambda ring: ring())
    inbox: _Inbox[str] = _Inbox(ringing)
    inbox._items = Late()
    assert [item async for item in inbox] == ["last"]
