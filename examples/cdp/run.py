"""Events of Stripe, GitHub and Segment become one stream, of which two tools are notified; all of it on loopback.

python examples/cdp/run.py
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

sys.path.insert(0, str(Path(__file__).parent))

from hub import hub  # type: ignore[import-not-found]  # beside this file, which is run by its path

import hookline
from hookline import EngineConfig, SubscriptionSpec
from hookline.receiver import ReceivedEvent, Receiver, Verifier, WebhookApp
from hookline.signing import SignableRequest, generate_secret, scheme

HAPPENED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("stripe", "", "", {"id": "evt_1", "type": "invoice.paid", "created": 1764000000, "data": {"object": {"amount": 1250}}}),
    ("stripe", "", "", {"id": "evt_2", "type": "customer.created", "created": 1764000001, "data": {"object": {"id": "cus_1"}}}),
    ("github", "7d3c", "issues", {"action": "opened", "repository": {"html_url": "https://github.com/acme/shop"}}),
    ("segment", "", "", {"messageId": "m-1", "type": "track", "event": "Order Completed", "userId": "u-7"}),
)
"""What happens on the platforms: who says it, the id and type that stand in headers, and the body."""


@asynccontextmanager
async def served(app: Callable[..., Any]) -> AsyncIterator[str]:
    """Serve an application on a free port of loopback; answers its origin."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


def tool(secret: str, heard: asyncio.Queue[ReceivedEvent]) -> WebhookApp:
    """A tool that is notified: it verifies hookline's own signatures."""
    receiver = Receiver(Verifier("standard", secret))
    receiver.default(heard.put)
    return WebhookApp(receiver)


async def play(origin: str, secrets: dict[str, str]) -> None:
    """Be the platforms, each of which sends everything twice."""
    async with httpx.AsyncClient(timeout=30) as browser:
        for platform, id, type, body in [*HAPPENED, *HAPPENED]:
            said = SignableRequest(
                url=f"{origin}/{platform}",
                headers=(("Content-Type", "application/json"),),
                body=json.dumps(body).encode(),
                id=id,
                event_type=type,
            )
            signed = scheme(platform).sign(said, [secrets[platform]], int(time.time()))
            (await browser.post(signed.url, headers=list(signed.headers), content=signed.body)).raise_for_status()


async def main() -> None:
    secrets = {platform: generate_secret(platform) for platform in ("stripe", "github", "segment")}
    wanted = {"warehouse": ("*",), "support": ("stripe.customer.*", "github.issues.*")}
    async with AsyncExitStack() as running:
        client = await running.enter_async_context(hookline.open("memory:", config=EngineConfig(allow_http_loopback=True)))
        heard: dict[str, asyncio.Queue[ReceivedEvent]] = {name: asyncio.Queue() for name in wanted}
        for name, types in wanted.items():
            secret = generate_secret()
            url = await running.enter_async_context(served(tool(secret, heard[name])))
            await client.subscriptions.create(SubscriptionSpec(url=url, event_types=types, secret=secret))
        origin = await running.enter_async_context(served(hub(client, secrets)))
        await play(origin, secrets)
        print(f"{2 * len(HAPPENED)} requests of {len(secrets)} platforms are {len((await client.events.list()).items)} events")
        for name, count in (("warehouse", 4), ("support", 2)):
            types = tuple(sorted([(await heard[name].get()).type for _ in range(count)]))
            print(f"{name} was notified of {', '.join(types)}")


if __name__ == "__main__":
    asyncio.run(main())
