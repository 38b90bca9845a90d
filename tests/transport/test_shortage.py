"""There is no file descriptor for a new connection: requests wait for one, and what was never made says nothing."""

import asyncio
import errno
import logging
import os
import socket
import types
from collections.abc import Iterator

import pytest
import trustme
from transport.scripted import Peer, receiver

from hookline.model import ClientCertificate, ErrorClass
from hookline.transport import AiohttpTransport, Poster, aiohttp_transport, room

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Shortage:
    """Whether descriptors are short, as this process's transports see it."""

    def __init__(self) -> None:
        self.lasts = True
        self.met = asyncio.Event()

    def socket(self, *arguments: int) -> socket.socket:
        if self.lasts:
            self.met.set()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return socket.socket(*arguments)

    def are_short(self) -> bool:
        if self.lasts:
            self.met.set()
        return self.lasts


@pytest.fixture
def shortage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shortage]:
    short = Shortage()
    stand_in = types.SimpleNamespace(**{**vars(socket), "socket": short.socket})
    monkeypatch.setattr(aiohttp_transport, "socket", stand_in)
    monkeypatch.setattr(aiohttp_transport, "are_short", short.are_short)
    monkeypatch.setattr(room, "are_short", short.are_short)
    monkeypatch.setattr(room, "LOOK", 0.01)
    return short


class Told(logging.Handler):
    """What is logged of it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []
        self.over = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        if record.levelno == logging.INFO:
            self.over.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler, level = Told(), room.LOGGER.level
    room.LOGGER.addHandler(handler)
    room.LOGGER.setLevel(logging.INFO)
    yield handler
    room.LOGGER.setLevel(level)
    room.LOGGER.removeHandler(handler)


async def answering(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.say(OK)


async def test_requests_wait_until_there_are_descriptors_and_it_is_told_once(
    poster: Poster, shortage: Shortage, told: Told
) -> None:
    async with receiver(answering) as server:
        posts = [asyncio.create_task(poster.post(f"http://{server.address}/", [], b"x", timeout=60)) for _ in range(50)]
        await shortage.met.wait()
        shortage.lasts = False
        answers = await asyncio.gather(*posts)
        assert {(answer.status, answer.error, answer.unmade) for answer in answers} == {(200, None, False)}
        assert {answer.address for answer in answers} == {server.address}
        await asyncio.wait_for(told.over.wait(), 30)
    first, last = told.messages
    assert "LimitNOFILE" in first
    assert last == "there are file descriptors again; no request waits for one"


async def test_a_request_that_found_none_in_its_time_was_not_made_and_says_why(poster: Poster, shortage: Shortage) -> None:
    async with receiver(answering) as server:
        answer = await poster.post(f"http://{server.address}/", [], b"x", timeout=0.2)
        assert (answer.unmade, answer.error, answer.status, answer.address) == (True, ErrorClass.CONNECTION, 0, "")
        assert "no file descriptors left" in answer.detail
        assert answer.detail.endswith("; nothing was sent")
        assert server.connections == 0


async def test_a_request_with_a_connection_needs_no_descriptor(poster: Poster, shortage: Shortage) -> None:
    async with receiver(answering) as server:
        shortage.lasts = False
        await poster.post(f"http://{server.address}/", [], b"x", timeout=60)
        shortage.lasts = True
        answer = await poster.post(f"http://{server.address}/", [], b"x", timeout=60)
        assert (answer.status, server.connections) == (200, 1)


async def test_a_certificate_is_made_ready_only_when_the_authorities_can_be_read(
    transport: AiohttpTransport, shortage: Shortage
) -> None:
    poster = Poster(transport, user_agent="hookline-test")
    leaf = trustme.CA().issue_cert("client.example")
    certificate = ClientCertificate(
        certificate=leaf.cert_chain_pems[0].bytes().decode(), private_key=leaf.private_key_pem.bytes().decode()
    )
    async with receiver(answering) as server:
        url = f"http://{server.address}/"
        assert (await poster.post(url, [], b"x", timeout=0.1, certificate=certificate)).unmade
        shortage.lasts = False
        assert (await poster.post(url, [], b"x", timeout=60, certificate=certificate)).status == 200


async def test_a_transport_that_is_closed_lets_go_who_waits(transport: AiohttpTransport, shortage: Shortage) -> None:
    poster = Poster(transport, user_agent="hookline-test")
    async with receiver(answering) as server:
        post = asyncio.create_task(poster.post(f"http://{server.address}/", [], b"x", timeout=60))
        await shortage.met.wait()
        await transport.aclose()
        shortage.lasts = False
        assert (await asyncio.wait_for(post, 30)).status != 200
