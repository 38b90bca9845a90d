"""Mutual TLS: a receiver that demands a certificate gets it, and nobody else's connection is used for it."""

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from transport.scripted import Peer, Receiver

from hookline.model import ClientCertificate, ErrorClass
from hookline.transport import AiohttpTransport, GuardPolicy, Poster
from hookline.transport.certificate import load

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def certificate(authority: trustme.CA, name: str) -> ClientCertificate:
    issued = authority.issue_cert(f"{name}@example.com", common_name=name)
    return ClientCertificate(
        certificate="".join(pem.bytes().decode() for pem in issued.cert_chain_pems),
        private_key=issued.private_key_pem.bytes().decode(),
    )


@pytest.fixture
def demanding(authority: trustme.CA) -> ssl.SSLContext:
    """A receiver's context that lets nobody in who has no certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class Names:
    """A receiver's script that keeps who called, and answers them all."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            shown = peer.certificate() or {}
            parts = dict(part[0] for part in shown.get("subject", ()))
            self.seen.append(parts.get("commonName", ""))
            await peer.say(OK)


async def test_a_receiver_that_demands_a_certificate_sees_that_of_the_subscription(
    transport: AiohttpTransport, authority: trustme.CA, demanding: ssl.SSLContext
) -> None:
    poster = Poster(transport, user_agent="hookline-test")
    ann, bob = certificate(authority, "ann"), certificate(authority, "bob")
    names = Names()
    async with Receiver(names).running(demanding) as receiver:
        for who in (ann, bob, ann, bob):
            answer = await poster.post(f"https://{receiver.address}", [], b"{}", timeout=30.0, certificate=who)
            assert (answer.status, answer.error) == (200, None)
        assert names.seen == ["ann", "bob", "ann", "bob"]
        assert receiver.connections == 2, "each certificate keeps a connection of its own"


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_a_certificate_or_with_a_stranger_s_the_attempt_fails(
    transport: AiohttpTransport, demanding: ssl.SSLContext, authority: trustme.CA, highest: ssl.TLSVersion
) -> None:
    demanding.maximum_version = highest
    poster = Poster(transport, user_agent="hookline-test")

    def turn_away(listening: socket.socket) -> None:
        """As most servers do it: with an alert, which asyncio's own do not send."""
        for _ in range(2):
            accepted, _ = listening.accept()
            with accepted, suppress(ssl.SSLError), demanding.wrap_socket(accepted, server_side=True) as peer:
                peer.recv(1)
            accepted.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        turning_away = asyncio.create_task(asyncio.to_thread(turn_away, listening))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        for who in (None, certificate(trustme.CA(), "stranger")):
            answer = await poster.post(url, [], b"{}", timeout=30.0, certificate=who)
            assert answer.status == 0
            # With TLS 1.3 the alert comes after the request has left, and a reset may overtake it.
            late = highest is ssl.TLSVersion.TLSv1_3
            assert answer.error is ErrorClass.TLS or (late and answer.error is ErrorClass.CONNECTION)
        await turning_away


async def test_a_certificate_does_not_make_a_sender_trust_anybody_else(authority: trustme.CA) -> None:
    other = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    other.issue_cert("127.0.0.1").configure_cert(context)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    made = AiohttpTransport(guard=GuardPolicy(allow_loopback=True), tls=trusted)
    try:
        async with Receiver(Names()).running(context) as receiver:
            answer = await Poster(made, user_agent="t").post(
                f"https://{receiver.address}", [], b"{}", timeout=30.0, certificate=certificate(authority, "ann")
            )
            assert answer.error is ErrorClass.TLS
    finally:
        await made.aclose()


async def test_the_guard_judges_requests_with_a_certificate_too(authority: trustme.CA) -> None:
    made = AiohttpTransport()
    try:
        answer = await Poster(made, user_agent="t").post(
            "https://127.0.0.1:1/", [], b"{}", timeout=30.0, certificate=certificate(authority, "ann")
        )
        assert answer.error is ErrorClass.BLOCKED
    finally:
        await made.aclose()


async def test_a_certificate_that_cannot_be_used_fails_the_attempt_without_showing_it(transport: AiohttpTransport) -> None:
    broken = ClientCertificate(certificate="no certificate", private_key="very-secret")
    answer = await Poster(transport, user_agent="t").post("https://127.0.0.1:1/", [], b"{}", timeout=30.0, certificate=broken)
    assert answer.error is ErrorClass.TLS
    assert "very-secret" not in answer.detail


async def test_a_transport_that_cannot_show_a_certificate_sends_nothing(authority: trustme.CA, transport: AiohttpTransport) -> None:
    from transport.conftest import Plain

    answer = await Poster(Plain(transport), user_agent="t").post(
        "https://127.0.0.1:1/", [], b"{}", timeout=30.0, certificate=certificate(authority, "ann")
    )
    assert answer.error is ErrorClass.TLS
    assert "nothing was sent" in answer.detail


def test_a_key_is_loaded_by_way_of_a_private_file_that_is_gone_where_there_is_no_memory_file(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    import os
    import tempfile

    modes: list[int] = []
    make = tempfile.mkstemp

    def mkstemp(prefix: str) -> tuple[int, str]:
        descriptor, path = make(prefix=prefix, dir=tmp_path)
        modes.append(Path(path).stat().st_mode & 0o777)
        return descriptor, path

    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    context = ssl.create_default_context()
    load(context, certificate(authority, "ann"))
    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []
