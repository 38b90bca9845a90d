"""The adapters: each framework as its users have it, over its own test client or a real server."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import fastapi
import flask
import httpx
import pytest
import starlette.applications
import starlette.routing
import uvicorn
from receiver import django_site
from receiver.sending import FORM, JSON, STANDARD, sender, standard

from hookline.receiver import ReceivedEvent, Receiver, WebhookApp
from hookline.receiver.flask import webhook_view as flask_view
from hookline.receiver.starlette import webhook_endpoint
from hookline.signing import SignableRequest

PATH = "/webhooks"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@contextmanager
def wsgi(app: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(20)


@contextmanager
def asgi(app: Any) -> Iterator[str]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def tell(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(30)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def own(made: Receiver, at: str = PATH) -> Any:
    return asgi(WebhookApp({at: made}))


def in_starlette(made: Receiver, at: str = PATH) -> Any:
    route = starlette.routing.Route(at, webhook_endpoint(made), methods=["POST"])
    return asgi(starlette.applications.Starlette(routes=[route]))


def in_fastapi(made: Receiver, at: str = PATH) -> Any:
    app = fastapi.FastAPI()
    app.add_route(at, webhook_endpoint(made), methods=["POST"])
    return asgi(app)


def in_flask(made: Receiver, at: str = PATH) -> Any:
    app = flask.Flask(__name__)
    app.add_url_rule(at, view_func=flask_view(made), methods=["POST"])
    return wsgi(app)


def in_django(made: Receiver, at: str = PATH) -> Any:
    from django.core.wsgi import get_wsgi_application

    return _django(made, at, lambda: wsgi(get_wsgi_application()))


def in_django_over_asgi(made: Receiver, at: str = PATH) -> Any:
    from django.core.asgi import get_asgi_application

    return _django(made, at, lambda: asgi(get_asgi_application()))


def _django(made: Receiver, at: str, server: Callable[[], Any]) -> Any:
    from django.test import override_settings
    from django.urls import path

    from hookline.receiver.django import webhook_view

    class Urls:
        urlpatterns = [path(at[1:], webhook_view(made))]  # noqa: RUF012  # as Django has it

    @contextmanager
    def served() -> Iterator[str]:
        with override_settings(ROOT_URLCONF=Urls), server() as origin:
            yield origin

    return served()


FRAMEWORKS: dict[str, Callable[..., Any]] = {
    "its own application": own,
    "Starlette": in_starlette,
    "FastAPI": in_fastapi,
    "Flask": in_flask,
    "Django": in_django,
    "Django over ASGI": in_django_over_asgi,
}


@pytest.fixture(params=FRAMEWORKS.values(), ids=FRAMEWORKS.keys())
def serve(request: pytest.FixtureRequest) -> Callable[..., Any]:
    made: Callable[..., Any] = request.param
    return made


def send(origin: str, request: SignableRequest) -> httpx.Response:
    return httpx.post(origin + PATH, headers=list(request.headers), content=request.body, timeout=60)


def test_a_framework_takes_an_event_once_and_gives_the_answers_of_the_table(serve: Callable[..., Any]) -> None:
    made = Receiver(STANDARD.verifier(), max_body=10_000)
    taken: list[tuple[str, bytes, str]] = []

    @made.on("invoice.*")
    async def take(event: ReceivedEvent) -> None:
        await asyncio.sleep(0)
        taken.append((event.id, event.data, event.header("Webhook-Id")))

    @made.on("order.*")
    def fail(event: ReceivedEvent) -> None:
        raise RuntimeError("a handler's own fault")

    body = '{"type":"invoice.paid","data":{"name": "Zoë"}}'.encode()
    request = STANDARD.signed(body, id="msg_framework")
    with serve(made) as origin:
        assert [send(origin, request).status_code for _ in range(2)] == [200, 200]
        assert taken == [("msg_framework", '{"name": "Zoë"}'.encode(), "msg_framework")]
        failed = send(origin, standard("order.placed"))
        assert (failed.status_code, failed.headers["retry-after"], failed.content) == (503, "10", b"")
        forged = send(origin, sender("standard").signed(body, id="a"))
        assert (forged.status_code, forged.content, forged.headers["www-authenticate"]) == (401, b"", "Signature")
        assert send(origin, STANDARD.signed(b"{}", id="b")).status_code == 400
        assert send(origin, STANDARD.signed(body, id="c", headers=FORM)).status_code == 415
        assert send(origin, STANDARD.signed(b'"' + b"x" * 10_000 + b'"', id="d")).status_code == 413
        assert httpx.get(origin + PATH, timeout=60).status_code == 405
        assert send(origin, standard("nobody.asked")).status_code == 200
    assert len(taken) == 1


@pytest.mark.parametrize("query", ["", "?a=b%20c&d=%41", "?x"])
def test_a_framework_hands_on_the_url_that_was_called_and_signed(serve: Callable[..., Any], query: str) -> None:
    hubspot = sender("hubspot")
    made = Receiver(hubspot.verifier(), deadline=60)
    taken: list[str] = []
    made.default(lambda event: taken.append(event.id))
    with serve(made) as origin:
        url = origin + PATH + query
        request = hubspot.signed(b'[{"eventId":1,"subscriptionType":"contact.creation"}]', url=url)
        # By hand, since clients write URLs their own way.
        answer = raw_post(url, request)
    assert (answer, taken) == (200, ["1"])


@pytest.mark.parametrize("name", ["hubspot", "twilio"])
def test_a_framework_hands_on_a_path_beyond_ascii_as_it_was_called(serve: Callable[..., Any], name: str) -> None:
    signing = sender(name)
    made = Receiver(signing.verifier(), deadline=60)
    taken: list[str] = []
    made.default(lambda event: taken.append(event.id))
    form = {"body": b"MessageSid=1&MessageStatus=sent", "headers": FORM}
    listed = {"body": b'[{"eventId":1,"subscriptionType":"contact.creation"}]'}
    with serve(made, "/hü/日 x") as origin:
        request = signing.signed(url=f"{origin}/h%C3%BC/%E6%97%A5%20x?a=%C3%BC", **(form if name == "twilio" else listed))
        assert raw_post(request.url, request) == 200
    assert taken == ["1"]


@pytest.mark.parametrize("header", ["webhook-id", "webhook-signature"])
def test_a_framework_does_not_hide_that_a_header_is_repeated(serve: Callable[..., Any], header: str) -> None:
    made = Receiver(STANDARD.verifier())
    made.default(lambda event: None)
    request = standard()
    twice = replace(request, headers=(*request.headers, (header, dict(request.headers)[header])))
    with serve(made) as origin:
        assert [send(origin, each).status_code for each in (twice, request)] == [401, 200]


def raw_post(url: str, request: SignableRequest) -> int:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("POST", url.partition(parts.netloc)[2], body=request.body, headers=dict(request.headers))
    status = connection.getresponse().status
    connection.close()
    return status


def test_behind_a_proxy_the_public_origin_is_the_one_that_was_signed(serve: Callable[..., Any]) -> None:
    twilio = sender("twilio")
    made = Receiver(twilio.verifier(), public_origin="https://example.com")
    taken: list[str] = []
    made.default(lambda event: taken.append(event.id))
    request = twilio.signed(b"MessageSid=SM1&MessageStatus=sent", url=f"https://example.com{PATH}?a=1", headers=FORM)
    with serve(made) as origin:
        assert raw_post(f"{origin}{PATH}?a=1", request) == 200
    assert taken == ["SM1"]


def test_django_handles_in_the_transaction_of_its_own_models_and_without_csrf() -> None:
    django_site.setup()
    request = standard()
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    headers = {name: value for name, value in request.headers if name.lower() != "content-type"}
    answers = [client.post(PATH, data=request.body, content_type="application/json", headers=headers).status_code for _ in range(2)]
    assert answers == [200, 200]
    assert django_site.effects(dict(request.headers)["webhook-id"]) == 1


def test_flask_hands_on_a_body_that_something_has_read_before() -> None:
    made = Receiver(STANDARD.verifier())
    app = flask.Flask(__name__)
    app.add_url_rule(PATH, view_func=flask_view(made), methods=["POST"])

    @app.before_request
    def read() -> None:
        flask.request.get_data()

    request = standard()
    assert app.test_client().post(PATH, data=request.body, headers=dict(request.headers)).status_code == 200


def test_a_body_in_chunks_without_a_length_is_bounded_too(serve: Callable[..., Any], request: pytest.FixtureRequest) -> None:
    if "Flask" in request.node.name or "Django" in request.node.name:
        return  # their test server knows no chunks (PEP 3333 has none)
    made = Receiver(STANDARD.verifier(), max_body=1_000)
    made.default(lambda event: None)
    good = standard()

    def chunks(times: int) -> Iterator[bytes]:
        yield from [good.body] if times == 1 else [b"x" * 500] * times

    with serve(made) as origin:
        assert httpx.post(origin + PATH, headers=list(good.headers), content=chunks(1), timeout=60).status_code == 200
        assert httpx.post(origin + PATH, headers=list(JSON), content=chunks(5), timeout=60).status_code == 413
