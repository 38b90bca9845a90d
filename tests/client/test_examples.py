"""The examples run as they stand."""

import asyncio
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from client.receiver import Receiver
from postgres.server import server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, receiver: Receiver) -> None:
    monkeypatch.setenv("SHOP_STORE", str(tmp_path / "shop.db"))
    monkeypatch.setenv("SHOP_RECEIVER", receiver.url("/shop"))


async def test_the_embedded_example_delivers_its_events(receiver: Receiver, tmp_path: Path) -> None:
    receiver.script(503, path="/example")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(EXAMPLES / "embedded.py"), str(tmp_path / "example.db"), receiver.url("/example")),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"5 events are on disk" in output
    assert len({request.webhook_id for request in receiver.at("/example")}) == 5


async def test_the_outbox_example_delivers_the_events_of_orders_that_were_placed_and_no_others(
    receiver: Receiver, tmp_path: Path
) -> None:
    account = await ended("outbox_sqlite.py", str(tmp_path), receiver.url("/example"))
    assert account == "orders placed: 3, rolled back: 2, events delivered: 3"
    assert len({request.webhook_id for request in receiver.at("/example")}) == 3


@pytest.mark.parametrize("example", ["shop-fastapi/fastapi_shop.py", "shop-django/django_shop.py"])
async def test_the_shops_deliver_the_events_of_orders_that_were_placed_and_no_others(example: str) -> None:
    url = server().url(server().empty_database())
    assert await ended(example, DATABASE_URL=url) == "orders placed: 20, rolled back: 10, events delivered: 20"


@pytest.mark.usefixtures("shop")
async def test_the_flask_example_emits_each_order_once(receiver: Receiver) -> None:
    module = load("flask_app")
    try:
        browser = module.app.test_client()
        first = (await asyncio.to_thread(browser.post, "/orders/7")).get_json()
        again = (await asyncio.to_thread(browser.post, "/orders/7")).get_json()
        assert (first["duplicate"], again) == (False, {"event": first["event"], "duplicate": True})
        (request,) = await receiver.wait(1, path="/shop")
        assert request.webhook_id == first["event"]
        shown = (await asyncio.to_thread(browser.get, f"/orders/7/{first['event']}")).get_json()
        assert len(shown["deliveries"]) == 1
    finally:
        await asyncio.to_thread(module.webhooks.close)


@pytest.mark.usefixtures("shop")
async def test_the_starlette_example_emits_and_refuses_what_is_no_json(receiver: Receiver) -> None:
    application = load("starlette_app").app
    async with application.router.lifespan_context(application) as state:

        async def with_state(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await application({**scope, "state": dict(state)}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://shop") as browser:
            accepted = await browser.post("/orders/7", content=b'{"cents": 1250}')
            refused = await browser.post("/orders/8", content=b"{")
        (request,) = await receiver.wait(1, path="/shop")
    assert (accepted.status_code, refused.status_code) == (202, 422)
    assert accepted.json() == {"event": request.webhook_id, "duplicate": False}


async def ended(example: str, *args: str, **environment: str) -> str:
    """Run an example to its end; the last line that it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / example), *args, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    async with asyncio.timeout(90):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().splitlines()[-1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
