"""A node whose clock is wrong signs with the right time, and keeps its own for everything else."""

import time
from datetime import UTC, datetime

import pytest
from client.receiver import Receiver
from postgres.server import server

from hookline.clock import SystemClock
from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig
from hookline.model import SubscriptionSpec
from hookline.store.postgres import Address, PostgresStore

TOLERANCE = 60.0
"""Seconds; what is wrong here is wrong by ten times as many, and the machine may be busy."""


class Wrong(SystemClock):
    """A wall clock that is off by so many seconds."""

    def __init__(self, off: float) -> None:
        self.off = off

    def time(self) -> float:  # type: ignore[override]  # a function there, a method here
        return SystemClock.time() + self.off


@pytest.mark.parametrize("off", [-600.0, 600.0])
async def test_signatures_have_the_databases_time_and_records_the_nodes_own(off: float) -> None:
    clock = Wrong(off)
    receiver = Receiver()
    await receiver.start()
    url = server().url(server().database())
    client = EmbeddedClient(
        lambda: PostgresStore(Address.parse(url), clock),
        config=EngineConfig(allow_http_loopback=True),
        deliver=True,
        tenant="acme",
        clock=clock,
    )
    try:
        async with client:
            made = await client.subscriptions.create(SubscriptionSpec(url=receiver.url()))
            (secret,) = await client.subscriptions.get_secret(made.id)
            await client.emit("a.b", {}, id="first")
            (request,) = await receiver.wait(1)
            request.verified(secret.value)  # which refuses what is older, or younger, than five minutes
            assert abs(float(request.headers["webhook-timestamp"]) - time.time()) < TOLERANCE
            shown = dict((await client.subscriptions.test(made.id, dry_run=True)).headers)
            assert abs(float(shown["webhook-timestamp"]) - time.time()) < TOLERANCE
            accepted = (await client.events.get("first")).accept_time
            (delivery,) = (await client.deliveries.list()).items
            recorded = [attempt.start_time for attempt in await client.deliveries.attempts(delivery.id)]
            for moment in (accepted, delivery.create_time, *recorded):
                assert abs((moment - datetime.now(UTC)).total_seconds() - off) < TOLERANCE
            clock.off = -off  # the clock is set, and the node has not asked again since
            await client.emit("a.b", {}, id="second")
            _, request = await receiver.wait(2)
            assert abs(float(request.headers["webhook-timestamp"]) - time.time()) < TOLERANCE
    finally:
        await receiver.stop()
