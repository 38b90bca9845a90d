"""A Flask application that emits an event with each order.

    hookline receive --port 8931
    flask --app examples/flask_app.py run
    curl -X POST http://127.0.0.1:5000/orders/7

Under gunicorn it works as it stands, with `--preload` or without: each worker opens the store for itself, and the
workers share the deliveries.
"""

import os

from flask import Flask

import hookline.sync
from hookline import EngineConfig, SubscriptionSpec

app = Flask(__name__)
# Nothing is opened before the first call, so this line may run before workers are forked.
webhooks = hookline.sync.open(os.environ.get("SHOP_STORE", "shop.db"), config=EngineConfig(allow_http_loopback=True))
receiver = SubscriptionSpec(url=os.environ.get("SHOP_RECEIVER", "http://127.0.0.1:8931/"), event_types=("order.*",))


@app.post("/orders/<int:number>")
def place(number: int) -> dict[str, object]:
    # Workers may all do this: the request id finds the subscription that the first of them made.
    webhooks.subscriptions.create(receiver, request_id="shop-receiver")
    # A customer who clicks twice places one order, and its receivers hear of it once.
    result = webhooks.emit("order.placed", {"order": number}, idempotency_key=f"order-{number}-placed")
    return {"event": result.event_id, "duplicate": result.duplicate}


@app.get("/orders/<int:number>/<event>")
def deliveries(number: int, event: str) -> dict[str, object]:
    found = webhooks.deliveries.list(event_id=event).items
    return {"order": number, "deliveries": [{"state": each.state, "attempts": each.attempts} for each in found]}
