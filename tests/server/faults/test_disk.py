"""A disk that is full, or that nobody may write any more, under a server that runs."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from crash.processes import until
from grpc import aio
from server.faults.disks import fill, immutable, small_disk
from server.faults.site import PATIENCE, Site, account, serving, taking

from hookline import wire
from hookline.errors import HooklineError, ResourceExhausted, Unavailable
from hookline_proto.v1.event_pb2 import EventSpec
from hookline_proto.v1.event_service_pb2 import EmitEventRequest
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


async def refused(site: Site, error: type[HooklineError], *words: str) -> None:
    """Emit until a call is refused with these words; what was acknowledged before counts."""
    request = EmitEventRequest(event=EventSpec(type="a.b", data=b'"%s"' % (b"x" * 4_000)))
    async with aio.insecure_channel(site.address) as channel:  # a client of hookline's would come back again and again
        emit = EventServiceStub(channel).EmitEvent
        for _ in range(2_000):
            try:
                site.acknowledged.add((await emit(request, timeout=PATIENCE, wait_for_ready=True)).event_id)
            except aio.AioRpcError as caught:
                refusal = wire.from_rpc(caught)
                break
        else:
            raise AssertionError("nothing was refused")
    assert isinstance(refusal, error)
    assert all(word in str(refusal) for word in words), refusal
    assert refusal.retry_after


async def taken_again(site: Site) -> None:
    async def emitted() -> bool:
        try:
            await site.emit()
        except (Unavailable, ResourceExhausted):
            return False
        return True

    await until(emitted, within=PATIENCE, step=0.2)


async def test_a_full_disk_refuses_events_holds_outcomes_and_goes_on_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        async with taking() as taker, serving(disk, "--disk-margin-mb", "0") as site:
            await site.subscribe(taker.url())
            taker.open.clear()
            await site.emit(5)
            await until(lambda: len(taker.arrived) == 5, within=PATIENCE)
            fill(disk / "ballast")
            taker.open.set()  # five outcomes for which there is no room
            said = await site.said("outcomes cannot be written", "full")
            assert "make room" in said
            assert str(disk / "hookline.db") in said
            await refused(site, Unavailable, "full", "make room", "hookline.db")
            (disk / "ballast").unlink()
            await taken_again(site)
            await site.settled()
            account(taker, site.acknowledged)
            await site.stop()


async def test_a_disk_below_its_margin_takes_no_event_and_delivers_what_it_has(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        async with taking() as taker, serving(disk, "--disk-margin-mb", "8") as site:
            await site.subscribe(taker.url())
            taker.open.clear()
            await site.emit(5)
            (disk / "ballast").write_bytes(b"x" * (17 * 1024 * 1024))
            assert str(disk) in await site.said("no event is taken until then", "disk_margin_mb")
            await refused(site, ResourceExhausted, "disk_margin_mb", "make room")
            taker.open.set()
            await site.settled()
            (disk / "ballast").unlink()
            await taken_again(site)
            await site.settled()
            account(taker, site.acknowledged)
            await site.stop()


async def test_a_file_that_becomes_read_only_refuses_events_holds_outcomes_and_goes_on_by_itself(tmp_path: Path) -> None:
    async with taking() as taker, serving(tmp_path) as site:
        await site.subscribe(taker.url())
        taker.open.clear()
        await site.emit(5)
        await until(lambda: len(taker.arrived) == 5, within=PATIENCE)
        with ExitStack() as fault:
            fault.enter_context(immutable(tmp_path / "hookline.db", tmp_path / "hookline.db-wal"))
            taker.open.set()
            assert "read-only" in await site.said("outcomes cannot be written", "hookline.db")
            await refused(site, Unavailable, "read-only", "hookline.db")
        await taken_again(site)
        await site.settled()
        account(taker, site.acknowledged)
        await site.stop()
