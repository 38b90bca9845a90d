"""kill -9 of a real process: no effect is had twice, and nothing that was answered is lost."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

import httpx
import psycopg
import pytest
from crash.processes import ROOT, Process, clean_environment, until
from receiver.sending import JSON, text
from receiver.victim import SECRET

from hookline.signing import SignableRequest, scheme


@asynccontextmanager
async def victim(mode: str, database: str) -> AsyncIterator[tuple[Process, str]]:
    """A receiving process, and its address. It is killed at the end, if it was not before."""
    inner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.receiver.victim", mode, database),
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert inner.stdout is not None
    process = Process(inner, inner.stdout)
    try:
        listening = await process.heard("listening", within=60)
        yield process, f"http://127.0.0.1:{listening['port']}/"
    finally:
        await process.kill()


def signed(id: str) -> SignableRequest:
    body = text({"type": "invoice.paid", "data": {"id": id}})
    return scheme("standard").sign(SignableRequest(url="http://a/", headers=JSON, body=body, id=id), [SECRET], int(time()))


async def send(client: httpx.AsyncClient, url: str, id: str) -> int:
    request = signed(id)
    return (await client.post(url, headers=list(request.headers), content=request.body, timeout=60)).status_code


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[], list[str]]]:
    """A database with a table of effects, and how to list these."""
    if request.param == "sqlite":
        path = str(tmp_path / "a.db")
        return path, listed(lambda: sqlite3.connect(path, timeout=60))
    uri: str = request.getfixturevalue("postgres")
    return uri, listed(lambda: psycopg.connect(uri))


def listed(connect: Callable[[], sqlite3.Connection | psycopg.Connection]) -> Callable[[], list[str]]:
    def effects() -> list[str]:
        connection = connect()
        try:
            return sorted(row[0] for row in connection.execute("SELECT id FROM effect").fetchall())
        finally:
            connection.close()

    connection = connect()
    connection.execute("CREATE TABLE effect (id text)")
    connection.commit()
    connection.close()
    return effects


def end_leases(database: str) -> None:
    if database.startswith("postgresql"):
        with psycopg.connect(database) as postgres:
            postgres.execute("UPDATE hookline_inbox SET due_time = clock_timestamp() WHERE state = 0")
    else:
        with sqlite3.connect(database + ".inbox", timeout=60) as sqlite:
            sqlite.execute("UPDATE hookline_inbox SET due_time = 0 WHERE state = 0")


@pytest.mark.parametrize(("mode", "news", "left"), [("after-commit", "committed", ["msg_1"]), ("before-commit", "effect", [])])
async def test_killed_between_the_effect_and_the_answer_there_is_one_effect(
    database: tuple[str, Callable[[], list[str]]], mode: str, news: str, left: list[str]
) -> None:
    name, effects = database
    async with httpx.AsyncClient() as client:
        async with victim(mode, name) as (process, url):
            unanswered = asyncio.create_task(send(client, url, "msg_1"))
            await process.heard(news)
            await process.kill()
            with pytest.raises(httpx.HTTPError):
                await unanswered
        assert effects() == left, "an effect without its record is taken back, one with it stays"
        async with victim("handle", name) as (_, url):

            async def taken() -> bool:
                status = await send(client, url, "msg_1")
                assert status in {200, 503}
                return status == 200

            await until(taken, within=60.0)  # the database may learn only after a moment that the other is dead
            assert [await send(client, url, "msg_1") for _ in range(2)] == [200, 200]
    assert effects() == ["msg_1"]


async def test_what_was_stored_and_answered_survives_a_kill_and_is_handled_once(
    database: tuple[str, Callable[[], list[str]]],
) -> None:
    name, effects = database
    answered: list[str] = []

    async def send_until_it_dies(client: httpx.AsyncClient, url: str, worker: int) -> None:
        for number in range(1_000):
            id = f"msg_{worker}_{number}"
            try:
                status = await send(client, url, id)
            except httpx.HTTPError:
                return
            assert status == 202
            answered.append(id)

    async with httpx.AsyncClient() as client:
        async with victim("stored-stuck", name) as (process, url):
            sending = [asyncio.create_task(send_until_it_dies(client, url, worker)) for worker in range(4)]
            await process.heard("effect")
            await until(lambda: len(answered) >= 40, within=60)
            await process.kill()
            await asyncio.gather(*sending)
        assert len(effects()) < len(answered)
        # The leases of the dead process end by themselves; here nobody waits a minute for that.
        end_leases(name)
        async with victim("stored", name) as (_, url):
            await until(lambda: set(answered) <= set(effects()), within=60)
            assert {await send(client, url, id) for id in answered[:5]} == {200}
    had = effects()
    assert len(had) == len(set(had)), "each once, those that had been handled when it died included"
    assert len(set(had) - set(answered)) <= 4, "at most what was on its way when it died"
