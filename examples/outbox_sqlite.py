"""An application's own SQLite file: an order and its event commit together, or neither does.

hookline receive --port 8931
python examples/outbox_sqlite.py [FOLDER] [URL]
"""

import asyncio
import contextlib
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

import hookline
from hookline import Change, DeliveryState, EngineConfig, EventSpec, SubscriptionSpec, outbox

STOCK = 3
ORDERS = 5


def place(shop: sqlite3.Connection, number: int) -> bool:
    """One transaction: the order, its event, one item less. False if nothing is left: then none of it happened."""
    try:
        with shop:
            shop.execute("INSERT INTO orders VALUES (?)", (number,))
            event = EventSpec(type="order.placed", data=json.dumps({"order": number}).encode())
            shop.execute(*outbox.statement(event, "sqlite3"))
            shop.execute("UPDATE stock SET items = items - 1")
    except sqlite3.IntegrityError:
        return False
    return True


def sell(path: Path) -> int:
    """What the shop does, in its own file and without hookline's store; how many orders it took."""
    with contextlib.closing(sqlite3.connect(path)) as shop:
        shop.execute("CREATE TABLE IF NOT EXISTS orders (number INTEGER)")
        shop.execute("CREATE TABLE IF NOT EXISTS stock (items INTEGER CHECK (items >= 0))")
        shop.execute(outbox.SCHEMA)
        with shop:
            shop.execute("DELETE FROM stock")
            shop.execute("INSERT INTO stock VALUES (?)", (STOCK,))
        return sum(place(shop, number) for number in range(ORDERS))


async def main(folder: str, url: str = "http://127.0.0.1:8931/") -> None:
    shop = Path(folder) / "shop.db"
    config = EngineConfig(allow_http_loopback=True)
    # This may run in another process than the shop: it takes what commits in the shop's file.
    async with hookline.open(Path(folder) / "hookline.db", config=config, outbox=shop) as client:
        subscription = await client.subscriptions.create(SubscriptionSpec(url=url, event_types=("order.*",)))
        changes = client.watch(subscription_id=subscription.id)
        await anext(changes)  # a checkpoint: from here on nothing is missed
        placed = await asyncio.to_thread(sell, shop)
        delivered = 0
        while delivered < placed:
            change = await anext(changes)
            if isinstance(change, Change):
                delivered += change.delivery.state is DeliveryState.DELIVERED
        print(f"orders placed: {placed}, rolled back: {ORDERS - placed}, events delivered: {delivered}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(*sys.argv[1:]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(main(folder))
