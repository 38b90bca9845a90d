"""A real `hookline serve`, over gRPC, killed and restarted, passes everything that binds a sender or an API."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from conformance.sender.stored import MODE, options
from crash.processes import ending, serve
from ports import lasting_port
from postgres import server as shared

from hookline_conformance.api import ApiTarget
from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.sender.adapters.hookline_v1 import HooklineAdapter, Restart
from hookline_conformance.sender.certificates import trusted
from hookline_conformance.verdict import Report, Status

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash"), pytest.mark.timeout(600)]
NEEDS_VIRTUAL_TIME = {"RTY-103", "RTY-110"}
NEEDS_PRODUCTION = {"SAF-105", "SAF-106", "SAF-107", "SAF-109"}
"""A server that delivers to loopback has no guard against it; see test_hookline_embedded.py."""


@asynccontextmanager
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> AsyncIterator[tuple[str, Restart]]:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(trusted().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    port = lasting_port()
    async with ending([await serve(tmp_path, port, *options)]) as processes:

        async def restart(kill: bool) -> None:
            process = processes.pop()
            if kill:
                await process.kill()
            else:
                process.signal(signal.SIGTERM)
                await process.ended(within=60.0)
            processes.append(await serve(tmp_path, port, *options))

        yield f"127.0.0.1:{port}", restart


def faults(report: Report) -> dict[str, str]:
    assert report.no_verdict == ""
    return {one.requirement.id: one.detail for one in report.verdicts if one.status in {Status.FAILED, Status.NOT_CHECKED}}


async def test_the_server_passes_everything_that_binds_a_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(tmp_path, monkeypatch) as (address, restart):
        adapter = HooklineAdapter(address, restart=restart, trusts_authority=True)
        report = await run(SenderTarget(adapter, name="hookline"), Options(seed=4))
    assert faults(report) == {}
    unsupported = {one.requirement.id for one in report.verdicts if one.status is Status.UNSUPPORTED}
    assert unsupported == NEEDS_VIRTUAL_TIME | NEEDS_PRODUCTION


async def test_the_server_passes_everything_that_binds_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(tmp_path, monkeypatch) as (address, _):
        report = await run(ApiTarget(address), Options(seed=4))
    assert faults(report) == {}
    assert {one.status for one in report.verdicts} == {Status.PASSED}


async def test_the_server_on_postgresql_passes_everything_that_binds_a_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shared.server()
    async with server(tmp_path, monkeypatch, "--store", store.url(store.database())) as (address, restart):
        adapter = HooklineAdapter(address, restart=restart, trusts_authority=True)
        report = await run(SenderTarget(adapter, name="hookline"), options(seed=4))
    assert {name: detail for name, detail in faults(report).items() if "quick mode" not in detail} == {}
    unsupported = {one.requirement.id for one in report.verdicts if one.status is Status.UNSUPPORTED}
    assert unsupported <= NEEDS_VIRTUAL_TIME | NEEDS_PRODUCTION


async def test_the_server_on_postgresql_passes_everything_that_binds_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shared.server()
    async with server(tmp_path, monkeypatch, "--store", store.url(store.database())) as (address, _):
        report = await run(ApiTarget(address), Options(seed=4, mode=MODE))
    assert {name: detail for name, detail in faults(report).items() if "quick mode" not in detail} == {}


async def test_a_server_that_is_not_there_reaches_no_verdict() -> None:
    report = await run(ApiTarget("127.0.0.1:1"), Options())
    assert report.exit_code == 2
    assert "127.0.0.1:1" in report.no_verdict
