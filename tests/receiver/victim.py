"""A process that receives webhooks, to be killed: `python -m tests.receiver.victim MODE DATABASE`.

It says in JSON lines where it listens and what it does; the parent kills it where it stands.
"""

import asyncio
import json
import socket
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import uvicorn

from hookline.model import Exponential, RetryPolicy
from hookline.receiver import ReceivedEvent, Receiver, SqliteInbox, SqliteTransactions, Verifier, WebhookApp
from hookline.receiver.inbox.postgres import PostgresInbox
from hookline.receiver.transactions.psycopg import PsycopgTransactions

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example secret of the Standard Webhooks specification."""
STUCK = threading.Event()
"""Never set."""


def say(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


def transactions(database: str) -> Any:
    if database.startswith("postgresql"):
        return PsycopgTransactions(lambda: psycopg.connect(database))
    return SqliteTransactions(Path(database))


def stopping_after_commit(made: Any) -> Any:
    """The same transactions, but the process goes no further once the first effect is on disk."""
    once = made.once

    def once_and_stop(*arguments: Any) -> bool:
        done: bool = once(*arguments)
        if done:
            say("committed")
            STUCK.wait()
        return done

    made.once = once_and_stop
    return made


def write(transaction: Any, event_id: str) -> None:
    mark = "?" if isinstance(transaction, sqlite3.Connection) else "%s"
    transaction.execute(f"INSERT INTO effect (id) VALUES ({mark})", (event_id,))


def application(mode: str, database: str) -> WebhookApp:
    made = transactions(database)
    made.setup()
    inbox: Any = None
    if mode.startswith("stored"):
        inbox = PostgresInbox(database) if database.startswith("postgresql") else SqliteInbox(database + ".inbox")
    receiver = Receiver(
        Verifier("standard", SECRET),
        transactions=stopping_after_commit(made) if mode == "after-commit" else made,
        inbox=inbox,
        deadline=60,
        retry=RetryPolicy(schedule=Exponential(initial=0.1, cap=1.0), max_attempts=20),
    )
    handled = 0

    @receiver.default
    def handle(event: ReceivedEvent, transaction: Any) -> None:
        nonlocal handled
        write(transaction, event.id)
        handled += 1
        if mode == "before-commit" or (mode == "stored-stuck" and handled > 5):
            say("effect")
            STUCK.wait()

    return WebhookApp(receiver, work=mode != "stored-idle")


async def serve(mode: str, database: str) -> None:
    server = uvicorn.Server(uvicorn.Config(application(mode, database), log_level="error", ws="none"))
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
        say("listening", port=listening.getsockname()[1])
        await server.serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
