"""A receiver that hostile input ends has failed, and what was found before stands."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conformance.mutants.receivers.http_server import HttpServer, Refused, Request
from conformance.mutants.receivers.reference import SECRETS, Standard
from ports import lasting_port

from hookline_conformance import Mode, Options, Report, Status, run
from hookline_conformance.receiver import ReceiverTarget, UrlProbe
from hookline_conformance.schemes import scheme_named

DYING = Path(__file__).parent / "dying.py"
TESTS = Path(__file__).parents[2]


class Process:
    """The receiver of dying.py, on one port whenever it is started."""

    def __init__(self) -> None:
        self.port = lasting_port()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(DYING), str(self.port), stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(TESTS)}
        )
        self.port = int(await self._process.stdout.readline())

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def restart(self) -> None:
        await self.end()
        await self.start()


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process()
    await process.start()
    yield process
    await process.end()


async def judged(process: Process, *only: str, restart: object = None) -> Report:
    target = ReceiverTarget(
        url=f"http://127.0.0.1:{process.port}/hooks",
        scheme=scheme_named("standard"),
        secrets=SECRETS,
        effects=UrlProbe(f"http://127.0.0.1:{process.port}/effects"),
        restart=restart,
    )
    return await run(target, Options(mode=Mode.QUICK, only=frozenset(only)))


async def test_a_receiver_whose_process_ends_fails_and_keeps_its_verdicts(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookline_conformance.receiver.target._REVIVAL_SECONDS", 0.3)
    report = await judged(process, "HDR-001", "SAF-003", "SAF-014", "SAF-016", "SIG-001")
    assert report.no_verdict == ""
    assert report.exit_code == 1
    found = {verdict.requirement.id: verdict for verdict in report.verdicts}
    assert {name: verdict.status for name, verdict in found.items()} == {
        "HDR-001": Status.PASSED,
        "SAF-003": Status.FAILED,
        "SAF-014": Status.NOT_CHECKED,
        "SAF-016": Status.FAILED,
        "SIG-001": Status.NOT_CHECKED,
    }
    (exchange,) = found["SAF-003"].exchanges
    assert b"\r\n\r\n\xff\xfe" in exchange.sent
    assert "since the check receiver.an_unsigned_body_that_is_not_utf_8_is_refused" in found["SIG-001"].detail
    assert "--only SAF-016" in found["SAF-016"].repeat


async def test_a_receiver_that_can_be_restarted_is_held_to_the_rest(process: Process) -> None:
    report = await judged(process, "HDR-001", "SAF-003", "SAF-012", "SIG-001", restart=process.restart)
    assert report.exit_code == 1
    assert {v.requirement.id: v.detail for v in report.failures if v.requirement.id != "SAF-003"} == {}
    assert {verdict.status for verdict in report.verdicts if verdict.requirement.id != "SAF-003"} == {Status.PASSED}


async def test_a_receiver_that_ends_where_its_effects_are_read_fails(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline_conformance.receiver.target._REVIVAL_SECONDS", 0.3)
    report = await judged(process, "SAF-014")
    assert report.no_verdict == ""
    assert [verdict.requirement.id for verdict in report.failures] == ["SAF-014"]


class Hanging(Standard):
    """Answers nothing any more once a line was too long."""

    slow_seconds = 3.0

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
        if self.__dict__.get("stopped"):
            await asyncio.Event().wait()
        try:
            return await HttpServer.read(self, reader, writer)
        except Refused as refusal:
            if refusal.status == 431:
                self.__dict__["stopped"] = True
                self.stops()
            raise

    def stops(self) -> None:
        """It has begun to hang."""


async def test_a_receiver_that_hangs_fails_and_keeps_its_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline_conformance.receiver.target._REVIVAL_SECONDS", 0.3)
    receiver = Hanging()
    await receiver.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{receiver.port}/hooks",
            scheme=scheme_named("standard"),
            secrets=SECRETS,
            effects=UrlProbe(f"http://127.0.0.1:{receiver.port}/effects"),
            deadline=60.0,
        )

        def hurry() -> None:  # from here on it is waited for in vain
            target.deadline = 0.5
            monkeypatch.setattr("hookline_conformance.receiver.effects._SECONDS", 0.5)

        monkeypatch.setattr(Hanging, "stops", staticmethod(hurry))
        report = await run(target, Options(mode=Mode.QUICK, only=frozenset({"HDR-001", "SAF-005", "SAF-014"})))
    finally:
        await receiver.stop()
    assert report.no_verdict == ""
    assert {verdict.requirement.id: verdict.status for verdict in report.verdicts} == {
        "HDR-001": Status.PASSED,
        "SAF-005": Status.FAILED,
        "SAF-014": Status.NOT_CHECKED,
    }
