"""Flask and stripe."""

import os

import ledger
import stripe
from flask import Flask, request

app = Flask(__name__)


@app.post("/hooks")
def hooks() -> tuple[str, int]:
    try:
        event = stripe.Webhook.construct_event(request.get_data(), request.headers.get("Stripe-Signature"), os.environ["SECRET"])
        ledger.take(event["id"])
    except (ValueError, KeyError, stripe.SignatureVerificationError):
        return "", 400
    return "", 200


@app.get("/effects")
def effects() -> dict[str, object]:
    return ledger.report()
