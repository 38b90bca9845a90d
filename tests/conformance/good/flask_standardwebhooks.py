"""Flask and standardwebhooks."""

import os

import ledger
from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["SECRET"])


@app.post("/hooks")
def hooks() -> tuple[str, int]:
    try:
        # A malformed signature makes the library raise ValueError, not its own error.
        webhook.verify(request.get_data(), dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return "", 400
    ledger.take(request.headers["webhook-id"])
    return "", 204


@app.get("/effects")
def effects() -> dict[str, object]:
    return ledger.report()
