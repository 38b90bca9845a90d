"""Behind PgBouncer in transaction mode: everything works but the wakes, and polls take their place."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from client.policies import QUICK
from client.receiver import Receiver
from ports import lasting_port
from postgres.server import USER, Server

import hookline
from hookline import EngineConfig, EventSpec, Ordering, SubscriptionSpec
from hookline.model import ReplayState

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, lease_ttl=3.0, floor_poll=0.2)
pytestmark = pytest.mark.slow


class Bouncer:
    """PgBouncer in transaction mode before the tests' server, with fewer sessions than there are clients."""

    def __init__(self, program: str, folder: Path, server: Server) -> None:
        self.port = lasting_port()
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "bouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 3\n"
            f"server_reset_query = DISCARD ALL\nlogfile = {folder}/log\npidfile =\n"
        )
        as_user = {}
        if os.geteuid() == 0:
            as_user = {"user": USER}
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, USER)
        self._process = subprocess.Popen(
            [program, "-q", str(folder / "bouncer.ini")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user,  # type: ignore[call-overload]  # user=
        )  # fmt: skip
        self._log = folder / "log"

    def wait(self) -> None:
        """Until it takes connections."""
        end = time.monotonic() + 30
        while "listening on" not in (self._log.read_text() if self._log.exists() else ""):
            said = self._log.read_text() if self._log.exists() else ""
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def bouncer() -> Iterator[Bouncer]:
    from tempfile import mkdtemp

    from postgres.server import server

    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    folder = Path(mkdtemp(prefix="hookline-bouncer-"))
    folder.chmod(0o755)
    made = Bouncer(program, folder, server())
    try:
        made.wait()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def url(shared: Server, bouncer: Bouncer) -> str:
    """An empty database behind the pooler."""
    return shared.url(shared.empty_database(), port=bouncer.port, query="&pooler=1")


async def test_it_is_transaction_mode_that_is_tested(url: str) -> None:
    sessions = [await asyncpg.connect(url.replace("&pooler=1", ""), statement_cache_size=0) for _ in range(6)]
    assert len({await one.fetchval("SELECT pg_backend_pid()") for one in sessions}) <= 3
    for one in sessions:
        one.terminate()


async def test_behind_a_pooler_a_client_migrates_emits_delivers_and_shows_everything(url: str, receiver: Receiver) -> None:
    async with hookline.open(url, config=CONFIG, tenant="acme") as client:
        made = await client.subscriptions.create(
            SubscriptionSpec(url=receiver.url("/"), retry=QUICK, ordering=Ordering.BY_KEY, event_types=("a.*",))
        )
        receiver.script(500)
        for number in range(20):
            await client.emit("a.b", {}, id=f"one-{number}", ordering_key="k")
        await client.emit_many([EventSpec(type="a.b", data=b"{}", id=f"many-{number}") for number in range(50)])
        await receiver.wait(71)
        accepted = [one.webhook_id for one in receiver.at() if one.webhook_id.startswith("one-")]
        assert accepted == ["one-0", *(f"one-{number}" for number in range(20))]
        async with asyncio.timeout(60):
            while (await client.deliveries.stats()).delivered < 70:  # noqa: ASYNC110  # tasks of the client change it
                await asyncio.sleep(0.02)
        replay = await client.events.replay(made.id)
        async with asyncio.timeout(60):
            while (await client.events.get_replay(replay.id)).state is ReplayState.RUNNING:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.02)
        assert len(await receiver.wait(141)) == 141
        page = await client.events.list(page_size=100)
        assert len(page.items) == 70


async def test_behind_a_pooler_what_one_process_emits_another_delivers_and_a_commit_of_the_callers_own_too(
    url: str, receiver: Receiver
) -> None:
    async with (
        hookline.open(url, config=CONFIG, tenant="acme") as owner,
        hookline.open(url, config=CONFIG, tenant="acme", deliver=False) as emitter,
    ):
        await owner.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=QUICK))
        await emitter.emit("a.b", {}, id="elsewhere")
        await receiver.wait(1)
        caller = await asyncpg.connect(url.replace("&pooler=1", ""), statement_cache_size=0)
        async with caller.transaction():
            await caller.execute("SELECT hookline.emit('acme', 'a.b', '{}', id => 'caller')")
        await caller.close()
        await receiver.wait(2)
        assert {one.webhook_id for one in receiver.received} == {"elsewhere", "caller"}


async def test_behind_a_pooler_the_lanes_of_a_process_that_is_gone_are_taken_over(url: str, receiver: Receiver) -> None:
    first = hookline.open(url, config=CONFIG, tenant="acme")
    await first.start()
    await first.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=QUICK))
    for task in (await first.engine())._tasks:  # as if it had been stopped: it neither beats nor leaves
        task.cancel()
    async with hookline.open(url, config=CONFIG, tenant="acme") as second:
        await second.emit("a.b", {}, id="orphan")
        async with asyncio.timeout(60):
            while not receiver.received:  # noqa: ASYNC110  # a takeover has no signal here
                await asyncio.sleep(0.05)
        assert {one.webhook_id for one in receiver.received} == {"orphan"}
    await first.close()
