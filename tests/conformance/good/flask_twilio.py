"""Flask and twilio."""

import os

import ledger
from flask import Flask, request
from twilio.request_validator import RequestValidator

app = Flask(__name__)
validator = RequestValidator(os.environ["SECRET"])


@app.post("/hooks")
def hooks() -> tuple[str, int]:
    signature = request.headers.get("X-Twilio-Signature", "")
    try:
        if request.mimetype == "application/x-www-form-urlencoded":
            genuine = validator.validate(request.url, request.form.to_dict(), signature)
        else:
            # Without the digest the library would leave the body unsigned.
            genuine = "bodySHA256" in request.args and validator.validate(request.url, request.get_data().decode(), signature)
    except ValueError:
        genuine = False
    event_id = request.headers.get("I-Twilio-Idempotency-Token")
    if not genuine or not event_id:
        return "", 403
    ledger.take(event_id)
    return "", 204


@app.get("/effects")
def effects() -> dict[str, object]:
    return ledger.report()
