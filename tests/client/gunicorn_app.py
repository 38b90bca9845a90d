"""A Flask application that emits, for gunicorn. Its store and whether to open it on import stand in the environment."""

import os

from flask import Flask, request

import hookline.sync
from hookline import EngineConfig

app = Flask(__name__)
client = hookline.sync.open(os.environ["EMIT_STORE"], config=EngineConfig(allow_http_loopback=True, lease_ttl=2.0))
if os.environ["EMIT_OPENED"] == "yes":
    client.start()


@app.post("/emit")
def emit() -> dict[str, object]:
    result = client.emit("order.placed", request.get_data(), id=request.args["id"])
    return {"id": result.event_id, "process": os.getpid()}


@app.get("/")
def ready() -> str:
    return str(os.getpid())
