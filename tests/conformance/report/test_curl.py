"""A line for the shell sends the same request again."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from conformance.report.samples import request

from hookline_conformance.report.curl import curl_line

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Listener:
    """Takes one connection at a time and keeps what came before the connection went quiet or shut."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/hooks"

    def run(self, line: str, until: bytes) -> bytes:
        received = bytearray()

        def take() -> None:
            connection, _ = self.socket.accept()
            with connection:
                while not received.endswith(until) and (data := connection.recv(65536)):
                    received.extend(data)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        subprocess.run(["bash", "-c", line], check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        thread.join(60)
        return bytes(received)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.socket.close()


def _parts(raw: bytes) -> tuple[bytes, set[bytes], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    return start, {line for line in lines if not line.lower().startswith(b"host:")}, body


@needs_curl
@pytest.mark.parametrize(
    "body",
    [b"{}", b"it's", b"@file", "Zoë 💶".encode(), b"\xff\xfe", b"a\x00b", b"\\x41\n\t", b"$(true)`true`", b""],
    ids=lambda body: body.decode("latin-1").encode("ascii", "backslashreplace").decode().replace("\x00", "NUL") or "empty",
)
def test_a_whole_request_comes_again_with_the_same_headers_and_body(listener, body):
    sent = request(body, b"Content-Type: application/json", b"webhook-id: it's", b"X-Empty:")
    line = curl_line(sent, listener.url)
    assert line is not None
    assert _parts(listener.run(line, b"\r\n\r\n" + body)) == _parts(sent)


@needs_curl
@pytest.mark.parametrize(
    "sent",
    [
        b"POST /hooks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}",
        b"POST /hooks HTTP/1.1\r\nHost: x\r\nX: \xff\r\n\r\n",
        b"POST /hooks HTTP/1.0\r\n\r\n",
        b"POST  /hooks HTTP/1.1\r\nHost : x\r\n\r\nend",
    ],
)
def test_a_request_that_no_client_would_make_comes_again_byte_for_byte(listener, sent):
    line = curl_line(sent, listener.url)
    assert line is not None
    assert listener.run(line, sent) == sent


@needs_curl
def test_a_chunked_body_comes_again_chunked(listener):
    sent = b"POST /hooks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    line = curl_line(sent, listener.url)
    assert line is not None
    received = listener.run(line, b"0\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in received
    assert received.endswith(b"2\r\n{}\r\n0\r\n\r\n")


def test_over_tls_a_request_that_no_client_would_make_goes_through_openssl():
    line = curl_line(b"nonsense", "https://127.0.0.1:8443/hooks")
    assert line is not None
    assert line.endswith("openssl s_client -quiet -connect 127.0.0.1:8443")


def test_nothing_and_what_is_too_long_for_a_command_have_no_line():
    assert curl_line(b"", "http://127.0.0.1/") is None
    assert curl_line(request(b"x" * 70_000), "http://127.0.0.1/") is None
