"""For those who receive webhooks: verify, read, take once, handle, and answer in time.

    receiver = Receiver(Verifier("stripe", [secret]))

    @receiver.on("invoice.paid")
    async def paid(event: ReceivedEvent) -> None: ...

    app = WebhookApp(receiver)

`hookline.receiver.starlette` (FastAPI too), `.django` and `.flask` put a receiver into an application;
`hookline.receiver.transactions.*` give handlers a transaction of the database library that they use;
`hookline.receiver.inbox.postgres` keeps events in PostgreSQL until they are handled.
"""

from hookline.receiver.answer import Answer
from hookline.receiver.asgi import WebhookApp
from hookline.receiver.envelopes import ENVELOPE_NAMES, Envelope
from hookline.receiver.errors import BodyTooLarge, MalformedEvent, StillHandled
from hookline.receiver.event import ReceivedEvent
from hookline.receiver.inbox import DeadLetter, Inbox, SqliteInbox, Worker
from hookline.receiver.ingest import forward_to, normalised
from hookline.receiver.receiver import Receiver
from hookline.receiver.transactions import AsyncTransactions, EventKey, SqliteTransactions, Transactions
from hookline.receiver.verifier import Verifier
from hookline.signing import InvalidSignature, SignatureFault

__all__ = [
    "ENVELOPE_NAMES",
    "Answer",
    "AsyncTransactions",
    "BodyTooLarge",
    "DeadLetter",
    "Envelope",
    "EventKey",
    "Inbox",
    "InvalidSignature",
    "MalformedEvent",
    "ReceivedEvent",
    "Receiver",
    "SignatureFault",
    "SqliteInbox",
    "SqliteTransactions",
    "StillHandled",
    "Transactions",
    "Verifier",
    "WebhookApp",
    "Worker",
    "forward_to",
    "normalised",
]
