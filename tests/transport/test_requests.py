"""What goes out on the wire."""

import asyncio

import aiohttp.web
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport.scripted import Peer, receiver

from hookline.model import ErrorClass
from hookline.transport import AiohttpTransport, GuardPolicy, Poster
from hookline.transport.failure import RequestFailure
from hookline.transport.request import fields, split

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def keeping(requests: list[tuple[bytes, bytes]]):
    async def script(peer: Peer) -> None:
        while True:
            requests.append(await peer.request())
            await peer.say(OK)

    return script


@pytest.mark.parametrize(
    "target",
    ["/a%41b?x=%2f", "/%7Euser/%c3%a9?q=a+b&q=%20", "/a/../b/./c", "//double//", "/?", "/a?b?c", "/a:b@c;d,e='f'*(g)!$&[]|"],
)
async def test_the_url_goes_out_byte_for_byte(poster: Poster, target: str):
    requests: list[tuple[bytes, bytes]] = []
    async with receiver(keeping(requests)) as server:
        answer = await poster.post(server.url + target, [], b"", timeout=60)
    assert (answer.status, answer.body, answer.error, answer.detail, answer.address) == (200, b"ok", None, "", server.address)
    assert requests[0][0].split(b"\r\n")[0] == b"POST %s HTTP/1.1" % target.encode()


async def test_a_url_without_a_path_asks_for_the_root_and_its_fragment_stays_here(poster: Poster):
    requests: list[tuple[bytes, bytes]] = []
    async with receiver(keeping(requests)) as server:
        await poster.post(server.url, [], b"", timeout=60)
        await poster.post(f"{server.url}?a=b#c", [], b"", timeout=60)
    assert [head.split()[1] for head, _ in requests] == [b"/", b"/?a=b"]


async def test_headers_keep_their_order_and_case_and_the_body_its_bytes(poster: Poster):
    requests: list[tuple[bytes, bytes]] = []
    body = bytes(range(256)) * 512
    headers = [("Webhook-ID", "a"), ("x-lower", "ü"), ("X-UPPER", ""), ("x-twice", "1"), ("x-twice", "2")]
    async with receiver(keeping(requests)) as server:
        await poster.post(f"{server.url}/", headers, body, timeout=60)
    head, sent = requests[0]
    lines = head.split(b"\r\n")[1:]
    given_lines = [line for line in lines if line.lower().startswith((b"webhook-id", b"x-"))]
    assert given_lines == [b"Webhook-ID: a", "x-lower: ü".encode(), b"X-UPPER: ", b"x-twice: 1", b"x-twice: 2"]
    rest = sorted(line.lower() for line in lines if line not in given_lines)
    assert rest == [b"content-length: 131072", b"host: " + server.address.encode(), b"user-agent: hookline-test"]
    assert sent == body


async def test_a_user_agent_that_is_given_replaces_ours(poster: Poster):
    requests: list[tuple[bytes, bytes]] = []
    async with receiver(keeping(requests)) as server:
        for _ in range(2):
            await poster.post(server.url, [("user-AGENT", "theirs")], b"", timeout=60)
    for head, _ in requests:
        assert head.lower().count(b"user-agent") == 1
        assert b"user-AGENT: theirs" in head


@pytest.mark.parametrize(
    "header",
    [
        ("x", "a\r\nEvil: 1"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x\r\nEvil", "1"),
        ("x:", "1"),
        ("", "1"),
        ("é", "1"),
        ("x", "\ud800"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("HOST", "elsewhere"),
        ("Connection", "close"),
    ],
)
async def test_a_header_that_would_break_the_message_is_not_sent(poster: Poster, header: tuple[str, str]):
    requests: list[tuple[bytes, bytes]] = []
    async with receiver(keeping(requests)) as server:
        answer = await poster.post(server.url, [("ok", "1"), header], b"", timeout=60)
    assert answer.error is ErrorClass.PROTOCOL
    assert answer.detail.endswith("nothing was sent")
    assert "Evil: 1" not in answer.detail
    assert requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://h/",
        "http://",
        "http:///a",
        "http://h:99999/",
        "http://user:hunter2@h/",
        "http://h\\@x/",
        "http://h\tx/",
        "http://h x/",
        "http://[::1/",
        "http://h:x/",
    ],
)
async def test_a_url_that_cannot_be_dialled_is_an_answer_and_not_an_exception(poster: Poster, url: str):
    answer = await poster.post(url, [], b"", timeout=60)
    assert answer.error is ErrorClass.PROTOCOL
    assert answer.detail.endswith("nothing was sent")
    assert "hunter2" not in answer.detail


@given(st.text())
def test_any_text_is_a_url_or_is_refused_and_its_target_is_one_printable_word(text: str):
    for url in (text, f"http://{text}", f"http://h/{text}", f"https://h?{text}"):
        try:
            _, target = split(url)
        except RequestFailure:
            continue
        assert target.startswith("/")
        assert all("!" <= character <= "~" for character in target)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=5))
def test_any_headers_make_exactly_one_line_each_or_are_refused(headers: list[tuple[str, str]]):
    try:
        text = fields(headers, "agent")
    except RequestFailure:
        return
    lines = text.split("\r\n")
    assert lines.pop() == ""
    assert [line for line in lines if line != "User-Agent: agent"] == [f"{name}: {value}" for name, value in headers]
    assert not {"\r", "\n", "\0"} & set("".join(lines))


async def test_connections_are_kept_alive_and_cookies_are_not_kept(poster: Poster):
    seen: list[str | None] = []

    async def handle(request: aiohttp.web.Request) -> aiohttp.web.Response:
        seen.append(request.headers.get("Cookie"))
        answer = aiohttp.web.Response(text="ok")
        answer.set_cookie("who", "me")
        return answer

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(handle))
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        answers = [await poster.post(url, [], b"{}", timeout=60) for _ in range(3)]
        assert len(runner.server.connections) == 1
    finally:
        await runner.cleanup()
    assert seen == [None, None, None]
    assert {answer.headers["SET-COOKIE"].partition(";")[0] for answer in answers} == {"who=me"}


async def test_a_closed_transport_answers_that_it_is_closed(transport: AiohttpTransport, poster: Poster):
    async def hang(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.gone()

    arrived = asyncio.Event()
    async with receiver(hang) as server:
        under_way = asyncio.ensure_future(poster.post(server.url, [], b"", timeout=60))
        await arrived.wait()
        await transport.aclose()
        assert (await under_way).error is ErrorClass.CONNECTION
        after = await poster.post(server.url, [], b"", timeout=60)
    assert (after.error, after.detail) == (ErrorClass.CONNECTION, "the transport is closed")


async def test_the_transport_serves_an_httpx_client_too(transport: AiohttpTransport):
    requests: list[tuple[bytes, bytes]] = []

    async def chunks():
        yield b"a"
        yield b"b"

    async with receiver(keeping(requests)) as server, httpx.AsyncClient(transport=transport) as client:
        answer = await client.put(f"{server.url}/x?y=z", content=chunks())
    assert answer.text == "ok"
    head, body = requests[0]
    assert head.startswith(b"PUT /x?y=z HTTP/1.1\r\n")
    assert body == b"ab"
    assert b"transfer-encoding" not in head.lower()


def test_a_context_that_does_not_verify_is_refused():
    import ssl

    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    with pytest.raises(ValueError, match="must verify"):
        AiohttpTransport(guard=GuardPolicy(), tls=blind)
