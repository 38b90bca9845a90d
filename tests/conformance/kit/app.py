"""The receiving kit as an application of its own: uvicorn app:app, told by its environment what it verifies and how it keeps.

SCHEME and PARAMETERS (JSON), SECRETS (JSON), KEEPING (`inbox`: store, answer, handle later; `transaction`: handle
before the answer) and FOLDER, where its databases are.
"""

import json
import logging
import os
import sqlite3
from collections.abc import MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

from hookline.receiver import ReceivedEvent, Receiver, SqliteInbox, SqliteTransactions, Verifier, WebhookApp
from hookline.signing.parameters import make

logging.getLogger("hookline.receiver").setLevel(logging.CRITICAL)  # it says of every forgery what was wrong with it
FOLDER = Path(os.environ["FOLDER"])
LEDGER = FOLDER / "ledger.db"
LARGEST_BODY = 4 * 1024 * 1024

with closing(sqlite3.connect(LEDGER)) as connection:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS effects (event TEXT)")

parameters = json.loads(os.environ["PARAMETERS"])
name = os.environ["SCHEME"]
receiver = Receiver(
    Verifier(make(name, parameters) if parameters else name, json.loads(os.environ["SECRETS"])),
    transactions=SqliteTransactions(LEDGER),
    inbox=SqliteInbox(FOLDER / "inbox.db") if os.environ["KEEPING"] == "inbox" else None,
    max_body=LARGEST_BODY,
    deadline=60,
)


@receiver.default
def effect(event: ReceivedEvent, transaction: sqlite3.Connection) -> None:
    """A row each time, so that a second effect shows."""
    transaction.execute("INSERT INTO effects VALUES (?)", (event.id,))


hooks = WebhookApp({"/hooks": receiver})


async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """The receiver, and beside it what it did."""
    if scope["type"] == "http" and scope["path"] == "/effects":
        with closing(sqlite3.connect(LEDGER, timeout=30)) as reading:
            counts = dict(reading.execute("SELECT event, count(*) FROM effects GROUP BY event").fetchall())
        body = json.dumps({"effects": counts, "total": sum(counts.values())}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
    else:
        await hooks(scope, receive, send)
