"""A dump restored into a cluster with fewer transactions is refused until these are made up for."""

import asyncpg
import pytest
from postgres.server import server
from store.making import NOON, Yard, make_event, outcome

from hookline.clock import SystemClock
from hookline.errors import StoreError
from hookline.store.postgres import Address, PostgresStore
from hookline.store.protocol import NOBODY, Result

AHEAD = 5_000
"""Transactions; few enough to be used up in a moment, and more than a busy test server makes in the meantime."""
SHIFT = AHEAD << 20


async def a_store_with_something_everywhere(url: str) -> None:
    store = PostgresStore(Address.parse(url), SystemClock(), floor=None)
    await store.open()
    yard = await Yard.make(store)
    await yard.emit(3)
    work, other, _ = await yard.claim()
    await store.settle(yard.node, [outcome(work), outcome(other, Result.WAIT, due=NOON)])
    await store.leave(yard.node)
    await store.close()


@pytest.mark.parametrize(
    "shifted",
    [
        f"UPDATE hookline.event SET pos = pos + {SHIFT}",
        f"UPDATE hookline.change SET pos = pos + {SHIFT}",
        f"UPDATE hookline.fresh SET pos = pos + {SHIFT}",
        f"UPDATE hookline.later SET pos = pos + {SHIFT}",
        f"UPDATE hookline.outbox SET xid = xid + {AHEAD}",
    ],
    ids=["events", "changes", "fresh", "later", "outbox"],
)
async def test_positions_of_the_future_are_refused_in_one_line_whose_remedy_helps(shifted: str) -> None:
    url = server().url(server().database())
    await a_store_with_something_everywhere(url)
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT hookline.emit('acme', 'a.b', '{}')")
    assert await connection.execute(shifted) != "UPDATE 0"
    store = PostgresStore(Address.parse(url), SystemClock(), floor=None)
    with pytest.raises(StoreError, match="restored from a dump of another cluster") as refused:
        await store.open()
    assert "\n" not in refused.value.message
    for statement in refused.value.message.partition("start again: ")[2].split("; ", 1):
        await connection.execute(statement)
    await store.open()
    assert await store.append(NOBODY, []) == ()
    yard = Yard(store, await store.join(), [], "acme")
    await yard.append(make_event())
    await store.close()
    await connection.close()


async def test_a_store_whose_positions_are_of_the_past_opens_however_often() -> None:
    url = server().url(server().database())
    await a_store_with_something_everywhere(url)
    await a_store_with_something_everywhere(url)
