"""A small receiver of Standard Webhooks with faults to choose from, and its effects."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


@dataclass
class Receiving:
    """`verifies` off: takes anything. `probe`: what `/effects` answers instead of the truth."""

    verifies: bool = True
    probe: bytes | None = None
    effects: dict[str, int] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def effects_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/effects"

    def report(self) -> dict[str, object]:
        return {"effects": self.effects, "total": sum(self.effects.values())}

    def is_signed(self, headers, body: bytes) -> bool:
        found = [headers.get_all(name, []) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
        if any(len(values) != 1 for values in found):
            return False
        (event_id,), (timestamp,), (signatures,) = found
        if not (timestamp.isascii() and timestamp.isdecimal()) or abs(time.time() - int(timestamp)) > 300:
            return False
        mac = hmac.digest(KEY, f"{event_id}.{timestamp}.".encode("latin-1") + body, hashlib.sha256)
        expected = b"v1," + base64.b64encode(mac)
        return any(hmac.compare_digest(expected, given.encode("latin-1")) for given in signatures.split(" "))


@contextmanager
def receiving(**faults: object) -> Iterator[Receiving]:
    app = Receiving(**faults)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, json.dumps(app.report()).encode() if app.probe is None else app.probe)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if app.verifies and not app.is_signed(self.headers, body):
                self._answer(401, b"{}")
                return
            app.effects.setdefault(self.headers.get("webhook-id", ""), 1)
            self._answer(200, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    app.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
