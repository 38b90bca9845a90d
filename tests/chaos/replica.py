"""A replica: a process that emits and delivers, and writes down what it did, line by line, before it goes on."""

import asyncio
import itertools
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Final

from chaos.sabotage import SABOTAGES
from chaos.shop import TENANT

import hookline
from hookline.clock import SystemClock, micros, moment
from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig
from hookline.errors import HooklineError
from hookline.model import EventSpec
from hookline.store.postgres import Address, PostgresStore
from hookline.store.protocol import Result, Settlement

LEASE: Final = 2.0
"""Seconds."""
CONFIG: Final = EngineConfig(allow_http_loopback=True, lease_ttl=LEASE, floor_poll=0.3, grace=0.2)
PLAIN: Final = 4
"""Events in a batch."""
LATER: Final = 1_500_000
"""Microseconds from their emit before which the events of every fifth batch are not to be delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a replica is told: its name, the database, where it writes, and the file whose presence ends the emitting."""

    name: str
    url: str
    log: Path
    quiet: Path
    off: float = 0.0
    """Seconds by which its wall clock is ahead."""
    sabotage: str = ""
    """A rule that it does not keep (see `sabotage.py`)."""


class Wrong(SystemClock):
    """A wall clock that is off."""

    def __init__(self, off: float) -> None:
        """Ahead by `off` seconds."""
        self._off = off

    def time(self) -> float:  # type: ignore[override]  # a function there, a method here
        """What it shows."""
        return SystemClock.time() + self._off


def run(orders: Orders) -> None:
    """Live until killed, or until the process that started it is gone."""
    if orders.sabotage:
        SABOTAGES[orders.sabotage]()
    asyncio.run(_live(orders))


async def _live(orders: Orders) -> None:
    file = os.open(orders.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    logging.basicConfig(filename=orders.log.with_suffix(".log"), level=logging.WARNING)

    def say(**what: Any) -> None:
        os.write(file, json.dumps(what).encode() + b"\n")

    ended = asyncio.Event()
    parent = parent_process()
    assert parent is not None
    asyncio.get_running_loop().add_reader(parent.sentinel, ended.set)
    client = await _opened(orders, say)
    say(said="open")
    emitting = [asyncio.create_task(emit(client, orders, say)) for emit in (_one_by_one, _many)]
    await ended.wait()
    for task in emitting:
        task.cancel()
    os._exit(1)


async def _opened(orders: Orders, say: Callable[..., None]) -> hookline.Client:
    def attempted(settlement: Settlement) -> None:
        attempt = settlement.attempt
        if attempt is None:
            return
        start = micros(attempt.start_time) - int(orders.off * 1e6)  # all by one clock
        say(
            said="attempt",
            lane=settlement.work.lane,
            epoch=settlement.epoch,
            id=attempt.id,
            event=settlement.work.event.id,
            key=settlement.work.event.ordering_key,
            start=start,
            end=start + int(attempt.duration * 1e6),
            taken=settlement.result is Result.DELIVERED,
            run=settlement.work.run,
        )

    while True:
        clock = Wrong(orders.off)
        client = EmbeddedClient(
            lambda clock=clock: PostgresStore(Address.parse(orders.url), clock),  # type: ignore[misc]  # of this turn
            config=CONFIG,
            deliver=True,
            tenant=TENANT,
            clock=clock,
            observer=attempted,
        )
        try:
            await client.start()
        except HooklineError as error:
            say(said="not open", why=str(error))
            await client.close()
            await asyncio.sleep(0.1)
        else:
            return client


async def _one_by_one(client: hookline.Client, orders: Orders, say: Callable[..., None]) -> None:
    """Each event after the last was acknowledged; one that is not is emitted again, with the same id."""
    for number in itertools.count():
        if orders.quiet.exists():
            return
        await acknowledged(client, f"{orders.name}-{number}", orders.name, say)
        await asyncio.sleep(0.08)


async def acknowledged(client: hookline.Client, name: str, key: str, say: Callable[..., None]) -> None:
    """Emit until it is acknowledged."""
    while True:
        try:
            result = await client.emit("keyed.direct", f'"{name}"'.encode(), id=name, ordering_key=key)
        except HooklineError as error:
            say(said="refused", id=name, why=str(error))
            await asyncio.sleep(0.1)
        else:
            say(said="acknowledged", ids=[result.event_id])
            return


async def _many(client: hookline.Client, orders: Orders, say: Callable[..., None]) -> None:
    for turn in itertools.count():
        if orders.quiet.exists():
            return
        later = moment(time.time_ns() // 1_000 + LATER) if turn % 5 == 0 else None
        specs = [
            EventSpec(type="plain.direct", data=b"1", id=f"{orders.name}p{turn}-{number}", not_before_time=later)
            for number in range(PLAIN)
        ]
        try:
            outcomes = await client.emit_many(specs)
        except HooklineError as error:
            say(said="refused", id=specs[0].id, why=str(error))
        else:
            say(said="acknowledged", ids=[one.event_id for one in outcomes if not isinstance(one, HooklineError)])
        await asyncio.sleep(0.2)
