"""The adapters for other people's servers make the calls that their API references show, and understand the answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hookline_conformance.sender.adapter import AdapterError, Change, DeliveryState, Emission, Refused, SenderAdapter, TargetSpec
from hookline_conformance.sender.adapters.convoy import ConvoyAdapter
from hookline_conformance.sender.adapters.outpost import OutpostAdapter
from hookline_conformance.sender.adapters.svix import SvixAdapter
from hookline_conformance.sender.endpoint import Endpoint, Request
from hookline_conformance.sender.reply import Reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATA = b'{"n": 9007199254740993, "f": 1.10}'


class Server:
    """Answers each call by the first route whose beginning fits; a list is answered in turn."""

    def __init__(self, routes: dict[str, Any]) -> None:
        self.routes = routes
        self.endpoint = Endpoint(self._answer)

    def _answer(self, request: Request) -> Reply:
        line = f"{request.method} {request.path}"
        for route, answer in self.routes.items():
            if line.startswith(route):
                said = answer(request) if callable(answer) else answer
                status, content = said if isinstance(said, tuple) else (200, said)
                return Reply(status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(content).encode())
        return Reply(status=500, body=f"not foreseen: {line}".encode())

    def called(self, line: str) -> Request:
        """The last call whose request line begins so."""
        return [one for one in self.endpoint.requests if f"{one.method} {one.path}".startswith(line)][-1]

    def content(self, line: str) -> Any:
        return json.loads(self.called(line).body)


async def drive(adapter: SenderAdapter, spec: TargetSpec) -> str:
    """What every adapter can do."""
    await adapter.open()
    target = await adapter.configure(spec)
    await adapter.secret(target)
    await adapter.update(target, Change(url="https://example.com/new", event_types=("a.c",)))
    return target


SPEC = TargetSpec(url="https://example.com/hook", secret=SECRET, event_types=("a.b",), headers=(("X-A", "1"),))


async def test_svix_is_driven_by_its_api() -> None:
    attempts = {
        "data": [
            {
                "id": "atmpt_1",
                "msgId": "msg_1",
                "endpointId": "ep_1",
                "timestamp": "2026-01-02T03:04:05.123456Z",
                "status": 2,
                "responseStatusCode": 500,
                "response": "",
                "triggerType": 0,
            },
            {
                "id": "atmpt_2",
                "msgId": "msg_1",
                "endpointId": "ep_1",
                "timestamp": "2026-01-02T03:04:10.123456Z",
                "status": 0,
                "responseStatusCode": 200,
                "response": "",
                "triggerType": 0,
            },
        ],
        "done": True,
        "iterator": None,
    }
    server = Server(
        {
            "POST /api/v1/event-type": (409, {"code": "event_type_exists", "detail": "it exists"}),
            "POST /api/v1/app/app_1/endpoint/ep_1/secret/rotate": (204, None),
            "GET /api/v1/app/app_1/endpoint/ep_1/secret": {"key": SECRET},
            "PUT /api/v1/app/app_1/endpoint/ep_1/headers": (204, None),
            "PATCH /api/v1/app/app_1/endpoint/ep_1": {"id": "ep_1"},
            "POST /api/v1/app/app_1/endpoint": (201, {"id": "ep_1", "url": SPEC.url, "version": 1, "disabled": False}),
            "POST /api/v1/app/app_1/msg": (202, {"id": "msg_1", "eventType": "a.b", "timestamp": "2026-01-02T03:04:05Z"}),
            "GET /api/v1/app/app_1/attempt/endpoint/ep_1": attempts,
            "POST /api/v1/app": (201, {"id": "app_1", "uid": "conformance", "name": "conformance"}),
            "DELETE /api/v1/app/app_1": (204, None),
        }
    )
    async with server.endpoint as endpoint:
        adapter = SvixAdapter(endpoint.at(""), "token")
        target = await drive(adapter, SPEC)
        emitted = await adapter.emit(Emission(type="a.b", data=DATA))
        records = await adapter.attempts(target)
        assert await adapter.rotate(target, SECRET, 3_600.0) == SECRET
        with pytest.raises(Refused):
            await adapter.rotate(target, SECRET, 0.0)
        await adapter.close()
    assert emitted.event_id == "msg_1"
    assert server.called("POST /api/v1/app").header("authorization") == "Bearer token"
    (made,) = [json.loads(one.body) for one in server.endpoint.requests if one.path == "/api/v1/app/app_1/endpoint"]
    assert (made["url"], made["secret"], made["filterTypes"]) == (SPEC.url, SECRET, ["a.b"])
    assert DATA in server.called("POST /api/v1/app/app_1/msg").body
    assert server.content("PATCH /api/v1/app/app_1/endpoint/ep_1") == {"url": "https://example.com/new", "filterTypes": ["a.c"]}
    assert [(one.number, one.status, one.failed, one.state) for one in records] == [
        (1, 500, True, DeliveryState.EXHAUSTED),
        (2, 200, False, DeliveryState.DELIVERED),
    ]
    assert server.called("DELETE /api/v1/app/app_1")


async def test_convoy_is_driven_by_its_api() -> None:
    def said(data: Any) -> dict[str, Any]:
        return {"status": True, "message": "done", "data": data}

    project = "/api/v1/projects/p1"
    server = Server(
        {
            f"GET {project}/endpoints": said({"content": [], "pagination": {}}),
            f"PUT {project}/endpoints/e1/pause": (202, said({"uid": "e1", "status": "paused"})),
            f"PUT {project}/endpoints/e1": (202, said({"uid": "e1"})),
            f"POST {project}/endpoints": (201, said({"uid": "e1", "url": SPEC.url, "status": "active"})),
            f"PUT {project}/subscriptions/s1": (202, said({"uid": "s1"})),
            f"POST {project}/subscriptions": (201, said({"uid": "s1", "endpoint_metadata": {"uid": "e1"}})),
            f"POST {project}/events/fanout": (201, said({"uid": "ev1"})),
            f"DELETE {project}": said(None),
        }
    )
    async with server.endpoint as endpoint:
        adapter = ConvoyAdapter(endpoint.at(""), "p1", "key")
        target = await drive(adapter, SPEC)
        emitted = await adapter.emit(Emission(type="a.b", data=DATA, key="k1"))
        with pytest.raises(Refused):
            await adapter.emit(Emission(type="a.b", data=b"{"))
        await adapter.pause(target)
        await adapter.resume(target)
        await adapter.close()
    assert emitted.event_id == "ev1"
    asked = server.content(f"POST {project}/endpoints")
    assert (asked["url"], asked["secret"], asked["advanced_signatures"]) == (SPEC.url, SECRET, True)
    assert server.content(f"POST {project}/subscriptions")["filter_config"] == {"event_types": ["a.b"]}
    event = server.called(f"POST {project}/events/fanout")
    assert DATA in event.body
    assert json.loads(event.body)["idempotency_key"] == "k1"
    assert json.loads(event.body)["owner_id"] == asked["owner_id"]
    assert server.called(f"DELETE {project}/endpoints/e1")


async def test_outpost_is_driven_by_its_api() -> None:
    made = {"id": "des_1", "type": "webhook", "topics": ["a.b"], "config": {"url": SPEC.url}, "credentials": {"secret": SECRET}}

    def patched(request: Request) -> Any:
        rotated = "rotate_secret" in json.loads(request.body).get("credentials", {})
        return {**made, "credentials": {"secret": "whsec_bmV3"}} if rotated else made

    server = Server(
        {
            "POST /api/v1/publish": (202, {"id": "evt_1"}),
            "PATCH /api/v1/conformance-": patched,
            "POST /api/v1/conformance-": (201, made),
            "PUT /api/v1/conformance-": (201, {"id": "conformance"}),
            "DELETE /api/v1/conformance-": {"success": True},
        }
    )
    async with server.endpoint as endpoint:
        adapter = OutpostAdapter(endpoint.at("/api/v1"), "key")
        target = await drive(adapter, SPEC)
        assert await adapter.secret(target) == SECRET
        emitted = await adapter.emit(Emission(type="a.b", data=DATA))
        with pytest.raises(Refused):
            await adapter.emit(Emission(type="a.b", data=b"[]"))
        assert await adapter.rotate(target, "", 3_600.0) == "whsec_bmV3"
        await adapter.close()
    assert emitted.event_id == "evt_1"
    asked = server.content("POST /api/v1/conformance-")
    assert asked == {
        "type": "webhook",
        "topics": ["a.b"],
        "config": {"url": SPEC.url},
        "credentials": {"secret": SECRET},
    }
    event = server.called("POST /api/v1/publish")
    assert DATA in event.body
    assert json.loads(event.body)["topic"] == "a.b"


MAKERS: dict[str, Callable[[str], SenderAdapter]] = {
    "svix": lambda base: SvixAdapter(base, "token"),
    "convoy": lambda base: ConvoyAdapter(base, "p1", "key"),
    "outpost": lambda base: OutpostAdapter(base, "key"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "answer", [(401, {"detail": "no"}), (503, {}), (200, "<html>")], ids=["wrong key", "away", "another program"]
)
async def test_what_cannot_be_driven_is_said_in_one_line(name: str, answer: tuple[int, Any]) -> None:
    server = Server({"": answer})
    if answer[1] == "<html>":
        server.endpoint.script = lambda _: Reply(status=200, body=b"<html>")
    async with server.endpoint as endpoint:
        with pytest.raises(AdapterError) as caught:
            await MAKERS[name](endpoint.at("")).open()
    assert endpoint.at("") in str(caught.value)
    assert "\n" not in str(caught.value)
