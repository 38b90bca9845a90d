"""What keeps a server from listening is said with the setting that mends it."""

import errno
import os
import re
from pathlib import Path

import pytest
import trustme

from hookline.client import Client
from hookline_server.app import Server
from hookline_server.listening import CannotListen, cannot
from hookline_server.settings import Settings


async def test_a_port_in_use_is_a_clear_error(server: Server, embedded: Client) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{server.port}"):
        await Server(Settings(port=server.port), embedded).start()


async def test_a_certificate_that_cannot_be_read_is_a_clear_error(embedded: Client, tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="tls_cert: cannot read"):
        await Server(Settings(port=0, tls_cert=tmp_path / "no", tls_key=tmp_path / "no"), embedded).start()


async def test_a_certificate_and_a_key_that_do_not_serve_are_told_apart(embedded: Client, tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("one", "two"):
        made = authority.issue_cert("localhost")
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    (tmp_path / "junk").write_text("junk")
    for certificate, key, said in (
        ("junk", "one.key", "tls_cert: .*junk holds no certificate"),
        ("one.key", "one.key", "tls_cert: .*one.key holds no certificate"),
        ("one.pem", "junk", "tls_key: .*junk holds no private key"),
        ("one.pem", "two.key", "tls_key: .*two.key is not the key of the certificate in .*one.pem"),
    ):
        settings = Settings(port=0, tls_cert=tmp_path / certificate, tls_key=tmp_path / key)
        with pytest.raises(CannotListen, match=said):
            await Server(settings, embedded).start()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EADDRINUSE, "the port is in use; .*--port"),
        (errno.EACCES, "this user may not listen on port 80 .*from 1024 on .*--port"),
        (errno.EPERM, "this user may not listen on port 80"),
        (errno.EADDRNOTAVAIL, "this machine has no address '192.0.2.1'; .*--host"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_what_a_bind_has_met_is_said_with_its_remedy(number: int, said: str) -> None:
    refused = cannot("192.0.2.1", 80, OSError(number, os.strerror(number)))
    assert re.fullmatch(f"cannot listen on 192.0.2.1:80: {said}.*", refused.message)


async def test_an_address_of_another_machine_is_no_port_in_use(embedded: Client) -> None:
    with pytest.raises(CannotListen, match=r"this machine has no address '192\.0\.2\.1'"):
        await Server(Settings(host="192.0.2.1", port=0, insecure=True), embedded).start()
