"""A Starlette application that opens and closes hookline with itself.

hookline receive --port 8931
uvicorn --app-dir examples starlette_app:app
curl -X POST http://127.0.0.1:8000/orders/7
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import hookline
from hookline import EngineConfig, SubscriptionSpec
from hookline.errors import InvalidArgument


class State(TypedDict):
    webhooks: hookline.Client


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[State]:
    config = EngineConfig(allow_http_loopback=True)
    async with hookline.open(os.environ.get("SHOP_STORE", "shop.db"), config=config) as webhooks:
        url = os.environ.get("SHOP_RECEIVER", "http://127.0.0.1:8931/")
        await webhooks.subscriptions.create(SubscriptionSpec(url=url, event_types=("order.*",)), request_id="shop-receiver")
        yield {"webhooks": webhooks}


async def place(request: Request) -> JSONResponse:
    webhooks: hookline.Client = request.state.webhooks
    number = request.path_params["number"]
    try:
        result = await webhooks.emit("order.placed", await request.body() or b"{}", idempotency_key=f"order-{number}-placed")
    except InvalidArgument as error:  # the body is no JSON, say
        return JSONResponse({"error": error.message}, status_code=422)
    return JSONResponse({"event": result.event_id, "duplicate": result.duplicate}, status_code=202)


app = Starlette(routes=[Route("/orders/{number:int}", place, methods=["POST"])], lifespan=lifespan)
