"""Receivers as an ASGI application of their own: one a path, nothing else needed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import quote

from hookline.receiver.answer import Answer
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.receiver import Receiver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

_NOT_FOUND: Final = Answer(status=404)
GONE: Final = "the other side went away before its request was complete"
_SAFE: Final = "/:@!$&'()*+,;=~-._"


class WebhookApp:
    """An ASGI 3 application. `receivers` is one for every path, or a mapping of paths to receivers.

    With the lifespan protocol, tables are made at the start; with `work`, what inboxes hold is handled in this
    process, too.
    """

    def __init__(self, receivers: Receiver | Mapping[str, Receiver], *, work: bool = True) -> None:
        self._receivers: Final = receivers
        self._work: Final = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the application's lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            raise NotImplementedError(f"webhooks come over HTTP, not {scope['type']!r}")

    def _all(self) -> list[Receiver]:
        return [self._receivers] if isinstance(self._receivers, Receiver) else list(self._receivers.values())

    def _at(self, path: str) -> Receiver | None:
        return self._receivers if isinstance(self._receivers, Receiver) else self._receivers.get(path)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        receiver = self._at(scope["path"].removeprefix(scope.get("root_path", "")))
        if receiver is None:
            await _send(send, _NOT_FOUND)
            return
        answer = await receiver.receive(
            method=scope["method"], url=url_of(scope), headers=scope["headers"], chunks=_chunks(receive)
        )
        await _send(send, answer)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as open_ones:
            await receive()
            try:
                for receiver in self._all():
                    open_ones.push_async_callback(receiver.close)
                    await receiver.setup()
                    if receiver.inbox is not None:
                        open_ones.push_async_callback(receiver.inbox.close)
                        if self._work:
                            await open_ones.enter_async_context(receiver.worker())
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedEvent(GONE)
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def url_of(scope: Scope) -> str:
    """The URL that was called, as it came over the wire: some platforms sign it."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")
    if not host and scope.get("server"):
        name, port = scope["server"]
        host = f"{name}:{port}" if port else name
    raw = scope.get("raw_path")
    path = quote(scope["path"], safe=_SAFE) if raw is None else raw.partition(b"?")[0].decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}{path}" + (f"?{query}" if query else "")
