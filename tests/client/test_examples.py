"""The examples run as they stand."""

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from client.receiver import Receiver

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
    async with asyncio.timeout(20):
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"5 events are on disk" in output
    assert len({request.webhook_id for request in receiver.at("/example")}) == 5


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


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
