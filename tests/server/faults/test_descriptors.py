"""No file descriptor is left under a server that runs."""

import asyncio
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from crash.processes import until
from grpc import aio
from server.faults.site import PATIENCE, Site, serving, taking

from hookline.model import DeliveryState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("faults"),
    pytest.mark.skipif(sys.platform != "linux", reason="the limits of another process can be set on Linux alone (prlimit)"),
]


@contextmanager
def short_of_descriptors(site: Site) -> Iterator[None]:
    """The server keeps what it has open, and gets nothing more."""
    limits = resource.prlimit(site.pid, resource.RLIMIT_NOFILE)
    open_now = {int(link.name) for link in Path(f"/proc/{site.pid}/fd").iterdir()}
    # The limit is on the number that a new one would have, and that is the lowest that is free.
    lowest = next(number for number in range(len(open_now) + 1) if number not in open_now)
    resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(site.pid, resource.RLIMIT_NOFILE, limits)


def cpu(site: Site) -> float:
    """Seconds of processor time that the server has used."""
    fields = Path(f"/proc/{site.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_requests_wait_for_descriptors_and_count_as_no_attempt_and_all_goes_on_by_itself(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(taking())
        others = [await stack.enter_async_context(taking()) for _ in range(5)]
        site = await stack.enter_async_context(serving(tmp_path))
        await site.subscribe(known.url(), event_types=("known.*",), max_in_flight=1)
        await site.emit(3, type="known.one")
        await until(lambda: len(known.taken) == 3, within=PATIENCE)
        names = [await site.subscribe(other.url(), event_types=(f"other.{number}",)) for number, other in enumerate(others)]
        with short_of_descriptors(site):
            before, loop = cpu(site), asyncio.get_running_loop()
            began = loop.time()
            for number in range(len(others)):
                await site.emit(4, type=f"other.{number}")
            said = await site.said("requests wait", "file descriptors")
            assert "ulimit -n" in said
            assert "LimitNOFILE" in said
            # What has a connection goes on, and so do callers that have one.
            await site.emit(5, type="known.two")
            await until(lambda: len(known.taken) == 8, within=PATIENCE)
            for name in names:
                await until(lambda name=name: _is_told(site, name), within=PATIENCE)
            await _new_callers_wait(site)
            assert (cpu(site) - before) / (loop.time() - began) < 0.7, "the server spins"
            assert not site.lines("Traceback")
        await until(lambda: _answers(site), within=PATIENCE)
        await site.settled()
        assert {one for other in (known, *others) for one in other.taken} == site.acknowledged
        for delivery in (await site.client.deliveries.list(page_size=100)).items:
            assert delivery.attempts == 1, "a request that was not made counts as an attempt"
        await site.said("there are file descriptors again")
        await site.stop()


async def _is_told(site: Site, subscription: str) -> bool:
    """`deliveries show` names the cause and the remedy, and counts no attempt."""
    page = await site.client.deliveries.list(subscription_id=subscription, state=DeliveryState.PENDING)
    held = [one for one in page.items if one.hold is not None and "file descriptors" in one.hold.reason]
    assert all(one.attempts == 0 for one in page.items)
    return bool(held) and "LimitNOFILE" in held[0].hold.reason


async def _new_callers_wait(site: Site) -> None:
    async with aio.insecure_channel(site.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.channel_ready(), 1.0)


async def _answers(site: Site) -> bool:
    async with aio.insecure_channel(site.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            await asyncio.wait_for(channel.channel_ready(), 5.0)
        except TimeoutError:
            return False
    return True


async def test_a_limit_that_is_too_low_for_what_is_set_is_told_at_the_start(tmp_path: Path) -> None:
    wrapper = ("prlimit", "--nofile=200:400")
    async with serving(tmp_path, "--node-concurrency", "300", wrapper=wrapper) as site:
        said = await site.said("fewer file descriptors than it may come to need")
        assert '"limit": 400' in said, "the server raises its soft limit to the hard one"
        assert "LimitNOFILE" in said
        await site.stop()
