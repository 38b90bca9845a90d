"""Two servers on one file, and one of them stands still past its lease. (kill -9 is in tests/crash and tests/chaos.)"""

import signal
from pathlib import Path

import pytest
from crash.processes import stop, until
from server.faults.site import PATIENCE, Site, account, serving, taking

from hookline.model import Ordering

TTL = {"LEASE_TTL": "5"}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


async def test_the_other_server_takes_over_in_order_and_the_late_outcome_changes_nothing(tmp_path: Path) -> None:
    async with taking() as taker, serving(tmp_path, environment=TTL) as sleeper:
        await sleeper.subscribe(taker.url(), ordering=Ordering.BY_KEY, max_in_flight=4)
        taker.open.clear()
        first, *rest = await sleeper.emit(6, ordering_key="one")
        await until(lambda: taker.arrived == [first], within=PATIENCE)
        await stop(sleeper.pid, file=tmp_path / "hookline.db")
        try:
            async with serving(tmp_path, environment=TTL) as other:
                await other.said("has not beaten for 5 s; its lanes are taken over")
                await until(lambda: taker.arrived == [first, first], within=PATIENCE)
                other.acknowledged |= sleeper.acknowledged
                taker.open.set()  # both requests for the first are answered, and the rest follow it
                await other.settled()
                assert taker.arrived == [first, first, *rest]
                sleeper.process.signal(signal.SIGCONT)
                await sleeper.said("was buried by another; it joins anew")
                await until(lambda: _told(sleeper, first), within=PATIENCE)
                last = await other.emit(2, ordering_key="one")
                await other.settled()
                assert taker.arrived == [first, first, *rest, *last]
                account(taker, other.acknowledged)
                (delivery,) = (await other.client.deliveries.list(event_id=first)).items
                attempts = await other.client.deliveries.attempts(delivery.id)
                assert sorted(one.superseded for one in attempts) == [False, True]
                assert delivery.attempts == 1
                await other.stop()
        finally:
            sleeper.process.signal(signal.SIGCONT)
        await sleeper.stop()


async def _told(site: Site, event: str) -> bool:
    """The late outcome of the event's first attempt is written, as one that came too late."""
    (delivery,) = (await site.client.deliveries.list(event_id=event)).items
    return len(await site.client.deliveries.attempts(delivery.id)) == 2
