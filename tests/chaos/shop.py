"""Callers who emit in SQL transactions of their own: quick ones, ones held open for seconds, and ones rolled back."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

GONE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""The database went away."""
TENANT: Final = "acme"


class Shop:
    """What became of the events of its transactions."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Nothing was sold yet. The first way to the database is one that nobody cuts."""
        self._urls = urls
        self.committed: set[str] = set()
        self.rolled_back: set[str] = set()
        self.unknown: list[tuple[str, ...]] = []
        """The events of transactions whose COMMIT was not answered."""
        self.held = 0
        """Transactions that stayed open for a second or more."""

    async def open(self) -> None:
        """Make the shop's own table."""
        connection = await asyncpg.connect(self._urls[0])
        await connection.execute("CREATE TABLE sale (id text)")
        await connection.close()

    async def trade(self, till: str, seed: str, quiet: asyncio.Event) -> None:
        """One transaction after the other, each with a few events of the till's ordering key and one without, until `quiet`."""
        dice = random.Random(seed)
        url = dice.choice(self._urls)
        number = 0
        connection: Any = None
        while not quiet.is_set():
            names = tuple(f"{till}-{number + i}" for i in range(dice.randint(1, 3)))
            number += len(names)
            commit = dice.random() < 0.75
            stays = dice.choices((0.0, dice.uniform(0.0, 0.3), dice.uniform(1.0, 4.0)), (60, 30, 10))[0]
            self.held += stays >= 1.0
            try:
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(url, timeout=5)
            except GONE:
                await asyncio.sleep(0.1)
                continue
            await self._sell(connection, names, commit=commit, stays=stays)
            await asyncio.sleep(dice.uniform(0.05, 0.3))
        if connection is not None:
            connection.terminate()

    async def _sell(self, connection: Any, names: tuple[str, ...], *, commit: bool, stays: float) -> None:
        plain = f"{names[0]}p-0"
        every = (*names, plain)
        asked = False
        try:
            await connection.execute("BEGIN")
            await connection.executemany("INSERT INTO sale VALUES ($1)", [(name,) for name in every])
            for name in names:
                await connection.execute(
                    "SELECT hookline.emit($1, 'keyed.sql', '1'::text, id => $2, ordering_key => $3)",
                    TENANT,
                    name,
                    name.split("-")[0],
                )
            await connection.execute("SELECT hookline.emit($1, 'plain.sql', '1'::text, id => $2)", TENANT, plain)
            await asyncio.sleep(stays)
            asked = commit
            await connection.execute("COMMIT" if commit else "ROLLBACK")
        except GONE:
            connection.terminate()
            if asked:
                self.unknown.append(every)
            else:
                self.rolled_back.update(every)
            return
        (self.committed if commit else self.rolled_back).update(every)

    async def sold(self) -> set[str]:
        """The events whose transactions are on disk, by the shop's own table."""
        connection = await asyncpg.connect(self._urls[0])
        try:
            return {row[0] for row in await connection.fetch("SELECT id FROM sale")}
        finally:
            await connection.close()
