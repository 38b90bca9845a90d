"""Processes that fork with a client in hand: nothing that was acknowledged is lost, and nothing hangs."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from client.policies import QUICK
from client.receiver import Receiver

import hookline
from hookline import EngineConfig, SubscriptionSpec
from hookline_server.app import Server
from hookline_server.settings import Settings

HERE = Path(__file__).parent
WORKERS = 4
REQUESTS = 200
AT_ONCE = 16

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"), pytest.mark.timeout(300)]


@pytest.fixture
async def store(tmp_path: Path, receiver: Receiver) -> Path:
    """A store with a subscription that nobody delivers yet."""
    path = tmp_path / "hookline.db"
    async with hookline.open(path, deliver=False, config=EngineConfig(allow_http_loopback=True)) as client:
        await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), retry=QUICK))
    return path


async def arrived(receiver: Receiver, ids: set[str]) -> None:
    """Wait until every one of `ids` came in."""
    async with asyncio.timeout(60):
        while not ids <= (found := {request.webhook_id for request in receiver.received}):
            await receiver.wait(len(receiver.received) + 1)
    assert ids <= found


QUIET = ("-W", "ignore::DeprecationWarning")
"""From 3.12 on, Python warns of any fork in a process that has threads; that such a fork is survived is what is shown."""


@pytest.mark.parametrize("opened", ["opened", "unopened"])
async def test_a_client_that_was_made_before_a_fork_works_on_both_sides(receiver: Receiver, store: Path, opened: str) -> None:
    command = (sys.executable, *QUIET, str(HERE / "forking.py"), str(store), opened)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(90):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert errors.decode() == ("closed\n" if opened == "opened" else "")
    acknowledged = set(output.decode().split())
    assert len(acknowledged) == (240 if opened == "opened" else 180)
    # Both processes are gone; what they left behind is delivered by whoever comes next.
    async with hookline.open(store, config=EngineConfig(allow_http_loopback=True, lease_ttl=2.0)):
        await arrived(receiver, acknowledged)


REMOTE = """
import os, sys, hookline.sync
from hookline.errors import FailedPrecondition

def emit(client, who):
    try:
        client.emit("a", {}, id=who)
        os.write(1, f"{who}: accepted\\n".encode())
    except FailedPrecondition as error:
        os.write(1, f"{who}: {error.code}\\n".encode())

client = hookline.sync.connect(sys.argv[1], timeout=60.0)
if sys.argv[2] == "connected":
    emit(client, "before")
child = os.fork()
if child:
    os.waitpid(child, 0)
emit(client, "parent" if child else "child")
"""


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("unconnected", {"child: accepted", "parent: accepted"}),
        ("connected", {"before: accepted", "child: FORKED_IN_USE", "parent: accepted"}),
    ],
)
async def test_a_remote_client_works_after_a_fork_unless_it_was_connected(tmp_path: Path, state: str, said: set[str]) -> None:
    async with hookline.open("memory:") as core:
        server = Server(Settings.load(port=0, data_dir=tmp_path), core)
        await server.start()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", REMOTE, server.address, state), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(90):
            output, _ = await process.communicate()
        await server.stop(0.2)
    assert process.returncode == 0
    assert set(output.decode().splitlines()) == said


@pytest.mark.parametrize(
    ("preload", "opened"), [(False, False), (True, False), (True, True)], ids=["plain", "preload", "preload-opened"]
)
async def test_no_event_of_a_flask_application_under_gunicorn_is_lost(
    receiver: Receiver, store: Path, tmp_path: Path, preload: bool, opened: bool
) -> None:
    socket = tmp_path / "g.sock"
    arguments = ["--bind", f"unix:{socket}", "--workers", str(WORKERS), "--threads", "4", "--worker-class", "gthread"]
    arguments += ["--chdir", str(HERE), "--log-level", "warning", "--graceful-timeout", "10", "--no-control-socket"]
    environment = {**os.environ, "EMIT_STORE": str(store), "EMIT_OPENED": "yes" if opened else "no"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gunicorn", *arguments, *(["--preload"] if preload else []), "gunicorn_app:app"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        acknowledged = await _emit(socket)
        await arrived(receiver, acknowledged)
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors, errors.decode()
    assert len(acknowledged) >= REQUESTS


async def _emit(socket: Path) -> set[str]:
    """Post every event, to more than one process; the ids that were acknowledged."""
    room = asyncio.Semaphore(AT_ONCE)
    # A connection each, so that the workers share them.
    connector = aiohttp.UnixConnector(str(socket), force_close=True)
    async with aiohttp.ClientSession(connector=connector, base_url="http://application") as session:
        ready: set[str] = set()
        async with asyncio.timeout(60):
            while len(ready) < 2:  # gunicorn tells nobody when it is ready
                ready |= await _answers(session)
                await asyncio.sleep(0.05)

        async def one(index: int) -> tuple[str, int]:
            async with room, session.post("/emit", params={"id": f"order-{index}"}, data=b'{"n": 1}') as response:
                assert response.status == 200, await response.text()
                answer = await response.json()
                return answer["id"], answer["process"]

        answers = await asyncio.gather(*(one(index) for index in range(REQUESTS)))
        async with asyncio.timeout(60):
            while len({process for _, process in answers}) < 2:  # one may have taken all while the others stood still
                answers.append(await one(len(answers)))
    return {event_id for event_id, _ in answers}


async def _answers(session: aiohttp.ClientSession) -> set[str]:
    """The process that answers, if one does."""
    try:
        async with session.get("/") as response:
            return {await response.text()} if response.status == 200 else set()
    except aiohttp.ClientConnectionError:
        return set()
