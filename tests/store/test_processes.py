"""Several processes on one file, and forks."""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from store.making import NOON, TENANT, Yard, make_event, make_subscription, outcome, route

from hookline.clock import SystemClock
from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig
from hookline.errors import Closed
from hookline.model import SubscriptionSpec
from hookline.store import SqliteStore
from hookline.store.protocol import NOBODY, Accepted, ClaimRequest, EventFilter, LaneKey, OwnedLane, Wake, WakeKind
from hookline.store.sqlite import store as store_module

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork, signals and Unix sockets"),
    pytest.mark.timeout(500),
]

EACH = 150
HOUR = 3600.0
TESTS = Path(__file__).parents[1]

HAMMER = """
import asyncio, sys
from pathlib import Path
from hookline.clock import SystemClock
from hookline.store import SqliteStore
from hookline.store.protocol import Accepted, ClaimRequest, LaneKey, NewDelivery, Routed
from store.making import TENANT, make_event, make_subscription, outcome

async def main(path, me, each):
    store = SqliteStore(Path(path), SystemClock())
    await store.open()
    node = await store.join()
    await store.add_subscription(make_subscription(me), owner=node)
    async def one(number):
        while True:
            revision = (await store.revisions())[TENANT]
            event = make_event(f"{me}-{number}")
            (answer,) = await store.append(node, [Routed(event, b"same", revision, [NewDelivery(me, f"dlv-{me}-{number}")])])
            if isinstance(answer, Accepted):
                break
    for begin in range(0, each, 10):
        await asyncio.gather(*(one(number) for number in range(begin, begin + 10)))
        (claimed,) = await store.claim([ClaimRequest(LaneKey(TENANT, me), None, 100)])
        settled = await store.settle(node, [outcome(work, attempt_id="att" + work.event.id) for work in claimed.works])
        assert not settled.lost and not settled.gone, settled
    await store.leave(node)
    await store.close()
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

NODE = """
import asyncio, sys
from pathlib import Path
from hookline.clock import SystemClock
from hookline.store import SqliteStore
from store.making import make_subscription

async def main(path):
    store = SqliteStore(Path(path), SystemClock())
    await store.open()
    node = await store.join()
    await store.add_subscription(make_subscription("theirs"), owner=node)
    print(node, flush=True)
    await asyncio.Event().wait()
asyncio.run(main(sys.argv[1]))
"""

EMIT = """
import asyncio, sys
from pathlib import Path
from hookline.clock import SystemClock
from hookline.store import SqliteStore
from hookline.store.protocol import NOBODY
from store.making import TENANT, make_event, route

async def main(path, lane):
    store = SqliteStore(Path(path), SystemClock())
    await store.open()
    await store.append(NOBODY, [route(make_event("elsewhere"), (lane,), revision=(await store.revisions())[TENANT])])
    await store.close()
asyncio.run(main(*sys.argv[1:]))
"""


EMIT_TO_ALL = """
import asyncio, sys
import hookline

async def main(path):
    async with hookline.open(path, deliver=False) as client:
        await client.emit("invoice.paid", {"from": "elsewhere"})
asyncio.run(main(sys.argv[1]))
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "hookline.db", SystemClock(), floor=None)
    await store.open()
    yield store
    await store.close()


async def test_four_processes_open_a_new_file_and_hammer_it_and_nobody_sees_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    names = ["one", "two", "three", "four"]
    running = [start(HAMMER, path, name, EACH) for name in names]
    for process in running:
        _, errors = await asyncio.to_thread(process.communicate, timeout=100)
        assert (process.returncode, errors) == (0, "")
    store = SqliteStore(path, SystemClock())
    await store.open()
    try:
        stats = await store.stats(TENANT, now=NOON)
        assert (stats.pending, stats.delivered) == (0, EACH * len(names))
        found = await store.scan(TENANT, EventFilter(), after=0, limit=10 * EACH)
        assert {one.event.id for one in found} == {f"{name}-{number}" for name in names for number in range(EACH)}
        assert await store.revisions() == {TENANT: len(names)}
        changes = await store.changes(TENANT, after=0, limit=10 * EACH)
        assert len({change.pos for change in changes}) == len(changes) == EACH * len(names)
    finally:
        await store.close()


async def test_a_killed_node_is_dead_beyond_doubt_and_its_lanes_are_taken(file: SqliteStore) -> None:
    process = start(NODE, file.path)
    assert process.stdout is not None
    node = int(await asyncio.to_thread(process.stdout.readline))
    me = await file.join()
    assert await file.dead() == []
    process.send_signal(signal.SIGSTOP)
    assert await file.dead() == []  # stalled is not dead: that takes the TTL
    process.kill()
    process.communicate()
    (dead,) = await file.dead()
    assert dead.id == node
    assert await file.bury(dead.id, dead.beat)
    assert await file.sweep(me, 9) == [OwnedLane(LaneKey(TENANT, "theirs"), 2, False)]
    assert sorted(os.listdir(file._nodes)) == [f"{me}.lock", f"{me}.sock"]  # noqa: PTH208  # a test may block


async def test_a_node_that_was_buried_and_joins_anew_leaves_nothing_behind(file: SqliteStore) -> None:
    buried, witness = await file.join(), await file.join()
    await file.bury(buried, 0)
    assert [row.id for row in await file.beat(buried, 0)] == [witness]
    again = await file.join()
    names = [f"{node}.{kind}" for node in (witness, again) for kind in ("lock", "sock")]
    assert sorted(os.listdir(file._nodes)) == sorted(names)  # noqa: PTH208  # a test may block


async def test_an_append_in_another_process_wakes_the_owner_through_its_socket(file: SqliteStore) -> None:
    yard = await Yard.make(file)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    file.listen(yard.node, heard.put_nowait)
    process = start(EMIT, file.path, yard.lanes[0])
    wake = await asyncio.wait_for(heard.get(), 30)
    while wake.kind is not WakeKind.LANES:
        wake = await asyncio.wait_for(heard.get(), 30)
    assert wake == Wake(WakeKind.LANES, (yard.key,))
    assert [work.event.id for work in await yard.claim()] == ["elsewhere"]
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert errors == ""


async def test_what_another_process_emits_is_delivered_by_its_wake_and_not_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    arrived = asyncio.Event()

    def receive(request: httpx.Request) -> httpx.Response:
        assert b"elsewhere" in request.content
        arrived.set()
        return httpx.Response(200)

    # Nobody looks by himself within this test: not at the file (no floor), and not at what is due, dead or lost.
    client = EmbeddedClient(
        lambda: SqliteStore(path, SystemClock(), floor=None),
        config=EngineConfig(floor_poll=HOUR, lease_ttl=10 * HOUR),
        deliver=True,
        tenant="default",
        transport=httpx.MockTransport(receive),
    )
    async with client:
        await client.subscriptions.create(SubscriptionSpec(url="https://example.com/"))
        changes = client.watch()
        await anext(changes)  # what the subscription itself has set going is over
        process = start(EMIT_TO_ALL, path)
        await asyncio.wait_for(arrived.wait(), 60)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert errors == ""


async def test_a_lost_wake_is_made_up_for_by_looking(tmp_path: Path) -> None:
    one, other = (SqliteStore(tmp_path / "hookline.db", SystemClock(), floor=0.01) for _ in range(2))
    await one.open()
    await other.open()
    node = await one.join()
    one._ears.pop(node).close()
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    one.listen(node, heard.put_nowait)
    while one._writer._version is None:  # noqa: ASYNC110  # the first look, on another thread, only remembers how things stand
        await asyncio.sleep(0.01)
    while not heard.empty():
        heard.get_nowait()
    await other.append(NOBODY, [route(make_event(), revision=0)])
    assert await asyncio.wait_for(heard.get(), 60) == Wake(WakeKind.LOOK)
    await one.close()
    await other.close()


async def test_ones_own_commits_are_no_reason_to_look(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "hookline.db", SystemClock(), floor=0.01)
    await store.open()
    node = await store.join()
    heard: list[Wake] = []
    store.listen(node, heard.append)
    for _ in range(5):
        await store.append(node, [route(make_event(), revision=0)])
        await asyncio.sleep(0.02)
    assert WakeKind.LOOK not in {wake.kind for wake in heard}
    await store.close()


async def test_a_socket_whose_path_would_be_too_long_is_bound_elsewhere(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / ("d" * 90) / "hookline.db", SystemClock(), floor=None)
    await store.open()
    yard = await Yard.make(store)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(yard.node, heard.put_nowait)
    process = start(EMIT, store.path, yard.lanes[0])
    wake = await asyncio.wait_for(heard.get(), 30)
    while wake.kind is not WakeKind.LANES:
        wake = await asyncio.wait_for(heard.get(), 30)
    await asyncio.to_thread(process.communicate, timeout=60)
    address = Path(store._ears[yard.node].address)
    await store.leave(yard.node)
    assert not await asyncio.to_thread(address.parent.exists)
    await store.close()


async def test_a_backup_under_load_is_consistent(file: SqliteStore, tmp_path: Path) -> None:
    yard = await Yard.make(file)
    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            await yard.emit(5)
            await file.settle(yard.node, [outcome(work) for work in await yard.claim()])

    running = asyncio.ensure_future(load())
    for number in range(3):
        await file.backup(tmp_path / f"{number}.db")
    done.set()
    await running
    for number in range(3):
        copy = SqliteStore(tmp_path / f"{number}.db", SystemClock())
        await copy.open()
        stats = await copy.stats(TENANT, now=NOON)
        (claimed,) = await copy.claim([ClaimRequest(yard.key, None, 10_000)])
        assert len(claimed.works) == stats.pending
        events = await copy.scan(TENANT, EventFilter(), after=0, limit=100_000)
        assert len(events) == stats.pending + stats.delivered
        await copy.close()


def _in_child(answer: "multiprocessing.connection.Connection", store: SqliteStore, held: str) -> None:
    async def use() -> None:
        try:
            await store.revisions()
        except Closed as error:
            answer.send(str(error))
        own = SqliteStore(store.path, SystemClock())
        await own.open()
        await own.append(NOBODY, [route(make_event("from the child"), revision=1)])
        answer.send([row.id for row in await own.dead()])
        await own.close()

    answer.send([name for name in _open_files() if held in name])
    asyncio.run(use())
    answer.send("done")


def _open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208  # links, not paths
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")  # noqa: PTH110
async def test_after_a_fork_the_parent_goes_on_and_the_child_begins_anew(file: SqliteStore) -> None:
    yard = await Yard.make(file)
    await yard.emit(3)
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    busy = [asyncio.ensure_future(yard.emit(1)) for _ in range(20)]
    await asyncio.sleep(0)
    child = context.Process(target=_in_child, args=(theirs, file, str(file.path)))
    child.start()
    theirs.close()
    said = [await asyncio.to_thread(mine.recv) for _ in range(4)]
    child.join(30)
    assert said[0] == []  # it inherited nothing of the parent's files
    assert "before a fork" in said[1]
    assert said[2] == []  # the parent's node lives
    assert (said[3], child.exitcode) == ("done", 0)
    await asyncio.gather(*busy)
    assert await file.event(TENANT, "from the child") is not None
    assert len(await yard.claim()) == 23
    assert await file.settle(yard.node, [outcome(work) for work in await yard.claim()]) == (frozenset(), frozenset())


async def test_many_forks_in_the_middle_of_writing_lose_nothing(file: SqliteStore) -> None:
    yard = await Yard.make(file)
    emitted = 0

    async def load() -> None:
        nonlocal emitted
        for _ in range(40):
            positions = await yard.emit(5)
            emitted += len(positions)

    running = [asyncio.ensure_future(load()) for _ in range(3)]
    for _ in range(8):
        await asyncio.sleep(0.01)
        child = os.fork()
        if child == 0:
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
    await asyncio.gather(*running)
    assert (await file.stats(TENANT, now=NOON)).pending == emitted == 600
    with sqlite3.connect(file.path) as looking:
        assert looking.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    looking.close()


async def test_a_store_that_is_closed_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = SqliteStore(tmp_path / "hookline.db", SystemClock())
    await store.open()
    await store.add_subscription(make_subscription("s"), owner=NOBODY)
    (answer,) = await store.append(NOBODY, [route(make_event(), ("s",), revision=1)])
    assert isinstance(answer, Accepted)
    await store.close()
    left = {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("hookline")}
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)


async def test_threads_that_fork_at_the_same_time_leave_the_store_usable(file: SqliteStore) -> None:
    store_module._before_fork()

    def fork() -> None:
        store_module._before_fork()
        store_module._after_in_parent()

    other = threading.Thread(target=fork)
    other.start()
    other.join(0.5)  # as far as it comes, while this thread forks
    store_module._after_in_parent()
    other.join(60)
    assert not other.is_alive()
    async with asyncio.timeout(60):
        assert await file.revisions() == {}
