"""Every way in which no whole answer comes, produced for real."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import Callable

import pytest
import trustme
from transport.scripted import Peer, receiver

from hookline.model import ErrorClass
from hookline.transport import LONGEST_BODY, AiohttpTransport, Answer, GuardPolicy, Poster

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def saying(data: bytes):
    """Answer each connection's first request with `data`, then close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)

    return script


def saying_and_staying(data: bytes):
    """Answer with `data`, and leave the connection open."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)
        await peer.gone()

    return script


async def test_a_refused_port(poster: Poster):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = await poster.post(f"http://{address}/", [], b"", timeout=60)
    assert (answer.error, answer.status, answer.address) == (ErrorClass.REFUSED, 0, address)
    assert answer.detail == f"{address} refused the connection"


async def test_a_name_that_does_not_exist(poster: Poster):
    answer = await poster.post("http://nobody.invalid/", [], b"", timeout=60)
    assert (answer.error, answer.address) == (ErrorClass.DNS, "")
    assert "'nobody.invalid' was not resolved" in answer.detail


async def test_a_name_that_no_name_can_be(poster: Poster):
    answer = await poster.post(f"http://{'a' * 70}.example/", [], b"", timeout=60)
    assert answer.error is ErrorClass.DNS


async def test_a_trusted_certificate_is_accepted(poster: Poster, authority: trustme.CA):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with receiver(saying(OK), context) as server:
        answer = await poster.post(f"https://{server.address}/", [], b"x", timeout=60)
    assert (answer.status, answer.error, answer.address) == (200, None, server.address)


@pytest.mark.parametrize(("issuer", "name"), [("other", "127.0.0.1"), ("ours", "127.0.0.2")])
async def test_a_certificate_of_somebody_else(poster: Poster, authority: trustme.CA, issuer: str, name: str):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (trustme.CA() if issuer == "other" else authority).issue_cert(name).configure_cert(context)
    async with receiver(saying(OK), context) as server:
        answer = await poster.post(f"https://{server.address}/", [], b"x", timeout=60)
    assert (answer.error, answer.status, answer.address) == (ErrorClass.TLS, 0, server.address)
    assert answer.detail.startswith(f"TLS with {server.address} failed: ")


async def test_no_tls_behind_an_https_url(poster: Poster):
    async def script(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 this is not TLS\r\n\r\n")
        await peer.gone()

    async with receiver(script) as server:
        answer = await poster.post(f"https://{server.address}/", [], b"x", timeout=60)
    assert answer.error is ErrorClass.TLS


async def test_a_handshake_that_hangs(poster: Poster):
    async with receiver(Peer.gone) as server:
        answer = await poster.post(f"https://{server.address}/", [], b"x", timeout=0.1)
    assert answer.error is ErrorClass.TIMEOUT
    assert answer.detail == f"no answer within 0.1 s (connecting to {server.address})"


async def _late(poster: Poster, url: str, got_so_far: Callable[[Answer], bool]) -> tuple[Answer, int]:
    """An answer that is cut off after that many seconds: few, more if the machine stood still before the request was out."""
    for timeout in (1, 10):
        answer = await poster.post(url, [], b"x", timeout=timeout)
        if got_so_far(answer):
            break
    return answer, timeout


async def test_a_receiver_that_hangs_before_it_answers(poster: Poster):
    async with receiver(saying_and_staying(b"")) as server:
        answer, timeout = await _late(poster, server.url, lambda answer: "waiting for" in answer.detail)
        assert (answer.error, answer.status, answer.address) == (ErrorClass.TIMEOUT, 0, server.address)
        assert answer.detail == f"no answer within {timeout} s (waiting for {server.address} to answer)"
        assert 0.9 * timeout <= answer.duration < 60


async def test_a_body_that_drips_beyond_the_deadline(poster: Poster):
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.01)

    async with receiver(drip) as server:
        answer, timeout = await _late(poster, server.url, lambda answer: answer.status != 0)
    assert (answer.error, answer.status) == (ErrorClass.TIMEOUT, 200)
    assert set(answer.body) <= {ord("x")}
    assert answer.detail.startswith(f"no complete answer within {timeout} s (status 200 and ")
    assert answer.duration < 60


async def test_an_endless_body_is_cut_and_its_connection_closed(poster: Poster):
    closed = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await peer.say(b"x" * 65_536)
        finally:
            closed.set()

    async with receiver(endless) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
        await asyncio.wait_for(closed.wait(), 60)
    assert (answer.status, answer.error, answer.body) == (200, None, b"x" * LONGEST_BODY)


async def test_a_body_of_just_the_limit_keeps_its_connection(poster: Poster):
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"x" * LONGEST_BODY)

    async with receiver(script) as server:
        answers = [await poster.post(server.url, [], b"x", timeout=60) for _ in range(3)]
        assert server.connections == 1
    assert all(answer.error is None and len(answer.body) == LONGEST_BODY for answer in answers)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "head", "body", "chunk"],
)
@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_connection_that_breaks(poster: Poster, part: bytes, how: str):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(part)
        peer.reset() if how == "reset" else peer.close()

    async with receiver(script) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
    assert answer.error is ErrorClass.CONNECTION
    assert answer.detail.startswith(f"{server.address} closed the connection before ")
    assert answer.status in ({0, 200} if b"\r\n\r\n" in part else {0})


@pytest.mark.parametrize(
    "answer_bytes",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
    ids=["ssh", "tls", "status", "length", "lengths", "long header", "many headers", "chunk", "interim flood"],
)
async def test_what_is_not_http(poster: Poster, answer_bytes: bytes):
    async with receiver(saying_and_staying(answer_bytes)) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
    assert answer.error is ErrorClass.PROTOCOL
    assert server.address in answer.detail
    assert len(answer.detail) < 200


async def test_a_body_that_turns_out_to_be_malformed_ends_at_once(poster: Poster):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.1)  # the head is to come alone; it is on its way by now, and read in this very loop
        await peer.say(b"zz\r\n")
        await peer.gone()

    async with receiver(script) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
    assert (answer.error, answer.status, answer.body) == (ErrorClass.PROTOCOL, 200, b"ab")
    assert answer.duration < 50


async def test_interim_answers_are_skipped(poster: Poster):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3
    async with receiver(saying_and_staying(interim + OK)) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
    assert (answer.status, answer.body, answer.error) == (200, b"ok", None)


async def test_a_compressed_body_stays_compressed(poster: Poster):
    bomb = gzip.compress(bytes(10_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with receiver(saying_and_staying(head + bomb)) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
    assert (answer.error, answer.body) == (None, bomb[:LONGEST_BODY])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(poster: Poster, status: int):
    async def script(peer: Peer) -> None:
        await peer.request()
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: /b\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        await peer.say(head.encode())
        await peer.gone()

    async with receiver(script) as server:
        answer = await poster.post(f"{server.url}/a", [], b"x", timeout=60)
        assert server.connections == 1
    assert (answer.status, answer.error) == (status, None)
    assert answer.headers.get("retry-after") == answer.headers.get("RETRY-After") == "7"


async def test_a_connection_that_was_closed_while_idle_is_not_used_again(poster: Poster, transport: AiohttpTransport):
    said = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        said.set()

    async with receiver(script) as server:
        for number in range(1, 4):
            answer = await poster.post(server.url, [], b"x", timeout=60)
            assert (answer.status, answer.error, server.connections) == (200, None, number)
            await asyncio.wait_for(all_closed(transport), 60)


async def all_closed(transport: AiohttpTransport) -> None:
    """Wait until the loop knows that every idle connection was closed by its receiver."""
    connector = transport._connector
    assert connector is not None
    transport._let_go()
    for protocol, _ in [pair for pairs in connector._conns.values() for pair in pairs]:
        closed = protocol.closed
        if closed is not None:
            await asyncio.wait([closed])


async def test_a_connection_that_is_closed_when_it_is_used_again_fails_the_attempt_once(poster: Poster):
    requests = 0

    async def script(peer: Peer) -> None:
        nonlocal requests
        await peer.request()
        requests += 1
        await peer.say(OK)
        await peer.request()
        requests += 1
        peer.reset()

    async with receiver(script) as server:
        outcomes = [(await poster.post(server.url, [], b"x", timeout=60)).error for _ in range(3)]
        assert server.connections == 2
    assert outcomes == [None, ErrorClass.CONNECTION, None]
    assert requests == 3, "the request that may have been taken is not sent twice"


async def test_bytes_that_nobody_asked_for_are_no_answer(poster: Poster):
    late = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK + b"HTTP/1.1 500 Not yours\r\nContent-Length: 0\r\n\r\n")
        late.set()
        await peer.gone()

    async with receiver(script) as server:
        answers = [await poster.post(server.url, [], b"x", timeout=60) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.example ESMTP\r\n"])
async def test_a_receiver_that_speaks_first_is_dialled_once(poster: Poster, banner: bytes):
    async def script(peer: Peer) -> None:
        await peer.say(banner)
        await peer.gone()

    async with receiver(script) as server:
        answer = await poster.post(server.url, [], b"x", timeout=60)
        assert server.connections == 1
    assert answer.error is ErrorClass.PROTOCOL


async def test_an_answer_before_the_request_was_taken_closes_the_connection(poster: Poster):
    async def script(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")
        await peer.gone()

    async with receiver(script) as server:
        answer = await poster.post(server.url, [], bytes(20_000_000), timeout=60)
    assert answer.status == 413 or answer.error is ErrorClass.CONNECTION


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://127.0.0.1:9/", "127.0.0.1:9"), ("http://localhost:9/", "127.0.0.1:9"), ("http://[::ffff:7f00:1]:9/", ":9")],
)
async def test_the_guard_sees_the_address_that_is_dialled(url: str, address: str):
    transport = AiohttpTransport()
    try:
        answer = await Poster(transport, user_agent="x").post(url, [], b"x", timeout=60)
    finally:
        await transport.aclose()
    assert answer.error is ErrorClass.BLOCKED
    assert answer.address.endswith(address)
    assert answer.address in answer.detail
    assert "loopback addresses are not allowed" in answer.detail


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "169.254.169.254", "[fe80::1%25lo]", "0.0.0.0"]
)
async def test_no_way_of_writing_an_address_gets_past_the_guard(host: str):
    transport = AiohttpTransport(guard=GuardPolicy(allow_private=True))
    try:
        answer = await Poster(transport, user_agent="x").post(f"http://{host}:9/", [], b"x", timeout=60)
    finally:
        await transport.aclose()
    assert answer.error in {ErrorClass.BLOCKED, ErrorClass.DNS}


async def test_a_cancelled_post_is_cancelled_and_gives_its_connection_up(poster: Poster):
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.gone()
        left.set()

    async with receiver(script) as server:
        under_way = asyncio.ensure_future(poster.post(server.url, [], b"x", timeout=30))
        await arrived.wait()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        await asyncio.wait_for(left.wait(), 60)
