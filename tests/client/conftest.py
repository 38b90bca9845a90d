"""One behaviour suite for all doors: a test that asks for `client` runs once with each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from client.changes import Changes
from client.doors import DOORS, Door
from client.policies import QUICK
from client.receiver import Receiver

from hookline import Client, Subscription, SubscriptionSpec


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=DOORS)
async def door(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> AsyncIterator[Door]:
    made = DOORS[request.param](tmp_path)
    await made.open()
    yield made
    receiver.release()
    await made.close()


@pytest.fixture
async def client(door: Door) -> Client:
    return door.client


@pytest.fixture
async def changes(client: Client) -> AsyncIterator[Changes]:
    """What happens to deliveries from here on."""
    async with Changes(client) as made:
        yield made


Subscribe = Callable[..., Awaitable[Subscription]]


@pytest.fixture
async def subscribe(client: Client, receiver: Receiver) -> Subscribe:
    """Makes a subscription of a path of the receiver that is retried quickly."""

    async def make(path: str = "/", **fields: Any) -> Subscription:
        return await client.subscriptions.create(
            SubscriptionSpec(**{"url": receiver.url(path), "retry": QUICK, "timeout": 60.0, **fields})
        )

    return make
