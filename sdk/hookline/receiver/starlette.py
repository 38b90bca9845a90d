"""A receiver in a Starlette or FastAPI application."""

from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hookline.receiver.asgi import GONE, url_of
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.receiver import Receiver


def webhook_endpoint(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for one POST route.

    Starlette: `Route("/webhooks", webhook_endpoint(receiver), methods=["POST"])`. FastAPI:
    `app.add_route("/webhooks", webhook_endpoint(receiver), methods=["POST"])`. A receiver with an inbox needs
    its worker in the application's lifespan, or in another process.
    """

    async def webhooks(request: Request) -> Response:
        answer = await receiver.receive(
            method=request.method, url=url_of(request.scope), headers=request.headers, chunks=_chunks(request)
        )
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))

    return webhooks


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise MalformedEvent(GONE) from error
