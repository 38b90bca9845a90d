"""FastAPI and svix."""

import os

import ledger
from fastapi import FastAPI, Request, Response
from svix.webhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["SECRET"])


@app.post("/hooks")
async def hooks(request: Request) -> Response:
    body = await request.body()
    try:
        webhook.verify(body, dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status_code=400)
    ledger.take(request.headers["svix-id"])
    return Response(status_code=204)


@app.get("/effects")
def effects() -> dict[str, object]:
    return ledger.report()
