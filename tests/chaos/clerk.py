"""Somebody who cancels deliveries and pauses subscriptions now and then, and at the end makes wait for nothing."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from chaos.replica import Wrong
from chaos.shop import TENANT

import hookline
from hookline import DeliveryState
from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig
from hookline.errors import HooklineError
from hookline.store.postgres import Address, PostgresStore

PAUSE: Final = (0.2, 1.5)
"""Seconds for which a subscription is paused."""
CALLS: Final = 5
"""For how many calls, a second apart, something waits before it is hurried: longer than any answer takes."""


class Clerk:
    """What was asked, and what was answered."""

    def __init__(self, url: str, config: EngineConfig) -> None:
        """By this way to the database, that nobody cuts."""
        self._url = url
        self._config = config
        self.asked: set[str] = set()
        self.answered: set[str] = set()
        self.pauses = 0
        self._waits: Counter[str] = Counter()

    def client(self) -> hookline.Client:
        """One that delivers nothing."""
        return hookline.open(self._url, tenant=TENANT, deliver=False, config=self._config)

    async def work(self, seed: str, subscriptions: Sequence[str], quiet: asyncio.Event) -> None:
        """Until `quiet`."""
        dice = random.Random(seed)
        async with self.client() as client:
            while not quiet.is_set():
                with contextlib.suppress(HooklineError):
                    if dice.random() < 0.6:
                        await self._cancel(client, dice)
                    else:
                        await self._pause(client, dice.choice(subscriptions), dice.uniform(*PAUSE))
                await asyncio.sleep(dice.uniform(0.2, 1.5))
            for one in subscriptions:
                await self._resume(client, one)

    async def _cancel(self, client: hookline.Client, dice: random.Random) -> None:
        pending = (await client.deliveries.list(state=DeliveryState.PENDING, page_size=20)).items
        if pending:
            one = dice.choice(pending).id
            self.asked.add(one)
            await client.deliveries.cancel(one, reason="the clerk says so")
            self.answered.add(one)

    async def _pause(self, client: hookline.Client, one: str, seconds: float) -> None:
        await client.subscriptions.pause(one, reason="the clerk says so")
        self.pauses += 1
        await asyncio.sleep(seconds)
        await client.subscriptions.resume(one)

    async def _resume(self, client: hookline.Client, one: str) -> None:
        while True:
            with contextlib.suppress(HooklineError):
                await client.subscriptions.resume(one)
                return
            await asyncio.sleep(0.1)

    async def hurry(self, waiting: set[str], slowest: float) -> None:
        """Have tried now what has waited over several calls: somebody whose clock is behind has it.

        Asked with the time of the `slowest` clock (seconds ahead), so that it is due for everybody. What was delivered since
        it was seen to wait is delivered once more, in a run of its own.
        """
        self._waits = Counter({one: self._waits[one] + 1 for one in waiting})
        late = sorted(one for one, calls in self._waits.items() if calls >= CALLS)
        if late:
            clock = Wrong(slowest)
            async with EmbeddedClient(
                lambda: PostgresStore(Address.parse(self._url), clock),
                config=self._config,
                deliver=False,
                tenant=TENANT,
                clock=clock,
            ) as client:
                await client.deliveries.retry_many(late)
