"""A connection that was just used is at hand for the next request to the same URL, and in nobody's way."""

import asyncio

import httpx
import pytest
from transport.scripted import Peer, receiver

from hookline.transport import AiohttpTransport, GuardPolicy, Poster, aiohttp_transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEVER = 3_600.0
"""Seconds after which a connection would be given back, in tests that must not need it."""


async def answering(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.say(OK)


def at_hand(transport: AiohttpTransport) -> int:
    return sum(len(target.kept) for target in transport._keeping)


def narrow() -> AiohttpTransport:
    """With room for one connection in use."""
    return AiohttpTransport(guard=GuardPolicy(allow_loopback=True), limit=1)


async def test_it_is_given_back_after_a_moment(transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", 0.01)
    poster = Poster(transport, user_agent="hookline-test")
    async with receiver(answering) as server:
        for _ in range(3):
            assert (await poster.post(server.url, [], b"x", timeout=60)).status == 200
            assert at_hand(transport) == 1
            async with asyncio.timeout(60):
                while at_hand(transport):  # noqa: ASYNC110  # a timer gives it back
                    await asyncio.sleep(0.01)
        assert server.connections == 1


async def test_it_is_taken_without_asking_for_one(transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", NEVER)
    poster = Poster(transport, user_agent="hookline-test")
    async with receiver(answering) as server:
        assert (await poster.post(server.url, [], b"x", timeout=60)).status == 200
        assert transport._connector is not None
        monkeypatch.setattr(transport._connector, "connect", None)
        answers = [await poster.post(server.url, [], b"x", timeout=60) for _ in range(3)]
        assert [(answer.status, answer.address) for answer in answers] == [(200, server.address)] * 3
        assert server.connections == 1


async def test_those_of_others_do_not_use_up_the_connections_that_may_be_open(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", NEVER)
    transport = narrow()
    poster = Poster(transport, user_agent="hookline-test")
    try:
        async with receiver(answering) as one, receiver(answering) as other:
            for _ in range(3):
                for server in (one, other):
                    assert (await poster.post(server.url, [], b"x", timeout=60)).status == 200
            assert (one.connections, other.connections) == (1, 1)
    finally:
        await transport.aclose()


async def test_who_waits_for_a_connection_gets_the_next_that_is_done_with(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", NEVER)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slowly(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await answered.wait()
        await peer.say(OK)
        await peer.gone()

    transport = narrow()
    poster = Poster(transport, user_agent="hookline-test")
    try:
        async with receiver(slowly) as slow, receiver(answering) as quick:
            first = asyncio.create_task(poster.post(slow.url, [], b"x", timeout=60))
            await asyncio.wait_for(asked.wait(), 60)
            second = asyncio.create_task(poster.post(quick.url, [], b"x", timeout=60))
            while transport._under_way < 2:  # noqa: ASYNC110  # the other task is about to
                await asyncio.sleep(0)
            answered.set()
            assert [(await one).status for one in (first, second)] == [200, 200]
    finally:
        await transport.aclose()


async def test_one_that_was_closed_meanwhile_is_not_used(transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", NEVER)
    poster = Poster(transport, user_agent="hookline-test")

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)

    async with receiver(once) as server:
        for number in range(1, 4):
            answer = await poster.post(server.url, [], b"x", timeout=60)
            assert (answer.status, answer.error, server.connections) == (200, None, number)
            (connection,) = [connection for target in transport._keeping for connection in target.kept]
            if connection.protocol is not None and connection.protocol.closed is not None:
                await asyncio.wait_for(asyncio.wait([connection.protocol.closed]), 60)


async def test_it_is_closed_with_the_transport(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aiohttp_transport, "AT_HAND", NEVER)
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.gone()
        gone.set()

    transport = AiohttpTransport(guard=GuardPolicy(allow_loopback=True))
    async with receiver(script) as server:
        assert (await Poster(transport, user_agent="hookline-test").post(server.url, [], b"x", timeout=60)).status == 200
        assert at_hand(transport) == 1
        await transport.aclose()
        assert at_hand(transport) == 0
        await asyncio.wait_for(gone.wait(), 60)


async def test_nothing_is_kept_at_hand_where_answers_may_be_read_slowly(transport: AiohttpTransport):
    async with receiver(answering) as server, httpx.AsyncClient(transport=transport) as client:
        assert (await client.post(server.url)).status_code == 200
        assert (await Poster(transport, user_agent="hookline-test").post(server.url, [], b"x", timeout=60)).status == 200
        assert at_hand(transport) == 0
        assert server.connections == 1
