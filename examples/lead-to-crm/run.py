"""A form makes a lead, the lead is an event, and a receiver keeps it in a CRM, once; all of it on loopback.

python examples/lead-to-crm/run.py
"""

import asyncio
import socket
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import hookline
from hookline import EngineConfig, Exponential, RetryPolicy, SubscriptionSpec
from hookline.errors import Unavailable
from hookline.receiver import ReceivedEvent, Receiver, SqliteTransactions, Verifier, WebhookApp
from hookline.signing import generate_secret

IMPATIENT = RetryPolicy(schedule=Exponential(initial=0.1, cap=1.0), max_attempts=10)
FORMS = (
    {"form": "1", "email": "ada@example.com", "name": "Ada", "company": ""},
    {"form": "2", "email": "alan@example.com", "name": "Alan", "company": "Bletchley"},
    {"form": "1", "email": "ada@example.com", "name": "Ada", "company": ""},  # the button, pressed twice
    {"form": "3", "email": "ada@example.com", "name": "Ada Lovelace", "company": "Analytical Engines"},
)


class Lead(BaseModel):
    email: str
    name: str
    company: str = ""


def site(client: hookline.Client) -> Starlette:
    """The form's side: the lead is on disk before the visitor is thanked. Each form that is shown has a number."""

    async def submit(request: Request) -> PlainTextResponse:
        lead = dict(parse_qsl((await request.body()).decode()))
        form = lead.pop("form")
        await client.emit("lead.created", lead, idempotency_key=f"form-{form}", ordering_key=lead["email"])
        return PlainTextResponse("Thank you", status_code=202)

    return Starlette(routes=[Route("/lead", submit, methods=["POST"])])


def crm(database: Path, secret: str, handled: "asyncio.Queue[str]") -> WebhookApp:
    """The CRM's side. What the handler writes is written exactly once for each event."""
    transactions = SqliteTransactions(database)
    transactions.setup()
    receiver = Receiver(Verifier("standard", secret), transactions=transactions)
    loop = asyncio.get_running_loop()
    away = ["the CRM is away"]

    @receiver.on("lead.created", model=Lead)
    def upsert(event: ReceivedEvent, data: Lead, transaction: sqlite3.Connection) -> None:
        transaction.execute("CREATE TABLE IF NOT EXISTS contact (email TEXT PRIMARY KEY, name TEXT, company TEXT, touches INTEGER)")
        transaction.execute(
            "INSERT INTO contact VALUES (:email, :name, :company, 1) ON CONFLICT (email) DO UPDATE SET name = :name, "
            "company = coalesce(nullif(:company, ''), company), touches = touches + 1",
            data.model_dump(),
        )
        if away:
            # Nothing of this is kept, and hookline sends it again.
            raise Unavailable(away.pop(), retry_after=1)
        loop.call_soon_threadsafe(handled.put_nowait, event.id)

    return WebhookApp(receiver)


@asynccontextmanager
async def served(app: Callable[..., Any]) -> AsyncIterator[str]:
    """Serve an application on a free port of loopback; answers its origin."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


async def main(folder: Path) -> None:
    secret, handled = generate_secret(), asyncio.Queue[str]()
    config = EngineConfig(allow_http_loopback=True)
    async with (
        hookline.open(folder / "leads.db", config=config) as client,
        served(crm(folder / "crm.db", secret, handled)) as crm_origin,
        served(site(client)) as origin,
        httpx.AsyncClient(base_url=origin, timeout=30) as browser,
    ):
        spec = SubscriptionSpec(
            url=crm_origin, event_types=("lead.*",), secret=secret, retry=IMPATIENT, ordering=hookline.Ordering.BY_KEY
        )
        await client.subscriptions.create(spec)
        for form in FORMS:
            (await browser.post("/lead", data=form)).raise_for_status()
        events = (await client.events.list()).items
        for _ in events:
            await handled.get()
        print(f"{len(FORMS)} forms were sent, {len(events)} leads are events")
    for email, name, company, touches in sqlite3.connect(folder / "crm.db").execute("SELECT * FROM contact ORDER BY email"):
        print(f"{email}: {name}, {company or 'no company'}, {touches} times")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
