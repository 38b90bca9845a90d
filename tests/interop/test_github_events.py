"""Every example event of GitHub goes in by gRPC and arrives byte for byte, as two other people's libraries see it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from interop.receiving import HERE, Receiver, Request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hookline.client import Client
from hookline.errors import HooklineError
from hookline.model import BodyFormat, EventSpec, SubscriptionSpec
from hookline.signing import generate_secret

EXAMPLES = HERE / "node_modules" / "@octokit" / "webhooks-examples" / "api.github.com" / "index.json"
pytestmark = [pytest.mark.interop]


def payloads() -> dict[str, EventSpec]:
    """The examples by event id; as GitHub sends them, some of them with spaces and escapes."""
    found: dict[str, EventSpec] = {}
    for group in json.loads(EXAMPLES.read_text()):
        for number, example in enumerate(group["examples"]):
            layout: dict[str, Any] = (
                {"separators": (",", ":"), "ensure_ascii": False},
                {"indent": 2, "ensure_ascii": False},
                {"ensure_ascii": True},
            )[number % 3]
            spec = EventSpec(
                type=f"github.{group['name']}", data=json.dumps(example, **layout).encode(), id=f"{group['name']}-{number}"
            )
            found[spec.id] = spec
    return found


@asynccontextmanager
async def verifier(node: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One node process that verifies line by line."""
    process = await asyncio.create_subprocess_exec(
        node, str(HERE / "judges" / "judge.cjs"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            await process.wait()


async def verdict(process: asyncio.subprocess.Process, secret: str, request: Request, body: bytes) -> bool:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"library": "standardwebhooks", "operation": "verify", "secret": secret, "headers": request.headers}
    line = {**asked, "body": base64.b64encode(body).decode()}
    process.stdin.write(json.dumps(line).encode() + b"\n")
    async with asyncio.timeout(60):
        return bool(json.loads(await process.stdout.readline())["accepted"])


async def test_every_github_event_arrives_byte_for_byte_and_both_standardwebhooks_libraries_accept_it(
    node: str, client: Client, receiver: Receiver
) -> None:
    secret = generate_secret("standard")
    for format_ in (BodyFormat.RAW, BodyFormat.STANDARD):
        await client.subscriptions.create(
            SubscriptionSpec(url=f"{receiver.url}/{format_.value}", event_types=("github.*",), body_format=format_, secret=secret)
        )
    events = payloads()
    assert len(events) > 300
    specs = list(events.values())
    for start in range(0, len(specs), 50):
        outcomes = await client.emit_many(specs[start : start + 50])
        assert [outcome for outcome in outcomes if isinstance(outcome, HooklineError)] == []
    requests = await receiver.have(2 * len(events))
    assert {(request.path, request.headers["webhook-id"]) for request in requests} == {
        (path, name) for path in ("/raw", "/standard") for name in events
    }
    judge = Webhook(secret)
    async with verifier(node) as process:
        for request in requests:
            event = events[request.headers["webhook-id"]]
            if request.path == "/raw":
                assert request.body == event.data
            else:
                assert request.body.startswith(b'{"type":"%b"' % event.type.encode())
                assert request.body.endswith(b'"data":%b}' % event.data)
            assert request.headers["content-type"] == "application/json"
            judge.verify(request.body, request.headers)
            assert await verdict(process, secret, request, request.body)


async def test_both_libraries_refuse_what_was_changed_on_the_way(node: str, client: Client, receiver: Receiver) -> None:
    secret = generate_secret("standard")
    await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=secret))
    await client.emit("invoice.paid", {"amount": 1})
    (request,) = await receiver.have(1)
    changed = request.body.replace(b'"amount":1', b'"amount":2')
    assert changed != request.body
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(changed, request.headers)
    async with verifier(node) as process:
        assert await verdict(process, secret, request, request.body)
        assert not await verdict(process, secret, request, changed)
        assert not await verdict(process, generate_secret("standard"), request, request.body)


async def test_both_secrets_are_accepted_while_one_follows_the_other(node: str, client: Client, receiver: Receiver) -> None:
    first = generate_secret("standard")
    subscription = await client.subscriptions.create(SubscriptionSpec(url=receiver.url, secret=first))
    second = (await client.subscriptions.rotate_secret(subscription.id, overlap=3_600.0)).value
    await client.emit("invoice.paid", {"amount": 1})
    (request,) = await receiver.have(1)
    async with verifier(node) as process:
        for secret in (first, second):
            Webhook(secret).verify(request.body, request.headers)
            assert await verdict(process, secret, request, request.body)
