"""The wall clock is set under a server that runs."""

from pathlib import Path

import pytest
from crash.processes import until
from server.faults.launcher import SHIFT
from server.faults.site import PATIENCE, account, serving, taking

from hookline.model import DeliveryState, HoldKind, RetryPolicy, Steps

HOUR = 3_600.0
SLOW = RetryPolicy(schedule=Steps(delays=(HOUR,)), max_attempts=100, jitter=0.0)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


class Shift:
    """By how much a server's clock is wrong."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.to(0.0)

    def to(self, seconds: float) -> None:
        mode = "r+b" if self.file.exists() else "wb"  # in place: the server has it mapped
        with self.file.open(mode) as opened:
            opened.write(SHIFT.pack(seconds))


async def test_a_clock_set_forward_makes_due_what_waited_and_loses_nothing(tmp_path: Path) -> None:
    shift = Shift(tmp_path / "shift")
    async with taking() as taker, serving(tmp_path / "data", environment={"CLOCK_SHIFT": str(shift.file)}) as site:
        subscription = await site.subscribe(taker.url(), retry=SLOW)
        taker.status = 500
        await site.emit(3)
        await until(lambda: len(taker.arrived) == 3, within=PATIENCE)
        taker.status = 204
        await site.emit(2)
        await until(lambda: len(taker.taken) == 2, within=PATIENCE)
        await until(lambda: _waiting(site, subscription, 3), within=PATIENCE)
        shift.to(2 * HOUR)
        assert '"seconds": 7200' in await site.said("the wall clock was set forward", "due now")
        await site.settled()
        account(taker, site.acknowledged)
        await site.stop()


async def test_a_clock_set_back_stops_nothing_new_and_says_until_when_the_rest_waits(tmp_path: Path) -> None:
    shift = Shift(tmp_path / "shift")
    async with taking() as taker, serving(tmp_path / "data", environment={"CLOCK_SHIFT": str(shift.file)}) as site:
        subscription = await site.subscribe(taker.url(), retry=SLOW, rate=None)
        taker.status = 500
        await site.emit(3)
        await until(lambda: _waiting(site, subscription, 3), within=PATIENCE)
        taker.status = 204
        shift.to(-2 * HOUR)
        said = await site.said("the wall clock was set back", "waits for so much longer")
        assert "hookline deliveries retry" in said
        assert '"seconds": -7200' in said
        await site.emit(10)
        await until(lambda: len(taker.taken) == 10, within=PATIENCE)
        await until(lambda: _waiting(site, subscription, 3), within=PATIENCE)  # the outcomes of the ten are written
        for held in (await site.client.deliveries.list(subscription_id=subscription, state=DeliveryState.PENDING)).items:
            assert held.hold is not None
            assert held.hold.kind is HoldKind.RETRY
            assert held.hold.until == held.next_attempt_time
            await site.client.deliveries.retry(held.id)
        await site.settled()
        account(taker, site.acknowledged)
        await site.stop()


async def _waiting(site, subscription: str, number: int) -> bool:
    page = await site.client.deliveries.list(subscription_id=subscription, state=DeliveryState.PENDING)
    return [one.hold is not None and one.hold.kind is HoldKind.RETRY for one in page.items] == [True] * number
