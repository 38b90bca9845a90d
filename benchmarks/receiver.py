"""The cheap receiver: a process of its own that takes webhooks and costs next to nothing.

    python -m benchmarks.receiver --port 0 --mode ok|count|fail|hang

prints its port on the first line. It parses only as much of HTTP/1.1 as a sender needs (bodies with
Content-Length, keep-alive, pipelining), so that a figure measures the sender and not the receiver.

What it answers stands in the path, or else in the mode:

    /ok/…            200
    /status/503/…    503 (any three digits)
    /hang/…          never
    /drip/…          200, and then the body a byte at a time, so that it never ends in time
    /reset/…         the connection is reset
    /flaky/3/…       503 to every third request (any number), else 200
    /phased/20/…     200 and 503 in turn, for so many seconds each
    anything else    as `--mode` says: ok, count → 200; fail → 503; hang → never

Every mode but `ok` keeps account, by path. The control endpoint reads it, in-band:

    /control/stats?prefix=/a     {"count", "distinct", "first", "last", "latency": {"count", "p50", "p90", "p99", "max"}}
    /control/arrivals?prefix=/a  [[webhook-id, seconds since 1970], …], if `record=arrivals` was set before
    /control/reset               forgets all
    /control/mode?mode=fail&status=500&record=arrivals|counts    changes what is set

Times are in seconds since 1970 by the wall clock; a latency, in seconds, is taken from every body that carries
`"t":<seconds since 1970>` in its JSON.
"""

import argparse
import asyncio
import json
import math
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

try:
    import uvloop
except ImportError:
    fastest_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    fastest_loop = uvloop.new_event_loop

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MODES: Final = ("ok", "count", "fail", "hang")
LARGEST_HEAD: Final = 65_536
"""Bytes; a longer head is not a webhook."""
DRIPPED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
DRIP: Final = 0.25
"""Seconds between two bytes of an answer that drips."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing resets the connection."""


class Refusal(Enum):
    """How a request is not answered."""

    HANG = 1
    DRIP = 2
    RESET = 3


REFUSALS: Final = {b"hang": Refusal.HANG, b"drip": Refusal.DRIP, b"reset": Refusal.RESET}


def reply(status: int, body: bytes = b"", content_type: str = "text/plain") -> bytes:
    """A whole answer."""
    return f"HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(slots=True)
class Account:
    """What came in on one path."""

    count: int = 0
    first: float = math.inf
    last: float = 0.0
    ids: set[bytes] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)
    arrivals: list[tuple[bytes, float]] = field(default_factory=list)


def percentile(ordered: list[float], fraction: float) -> float:
    """The nearest-rank percentile of a sorted list; 0.0 of an empty one."""
    return ordered[max(0, math.ceil(len(ordered) * fraction) - 1)] if ordered else 0.0


class Receiver:
    """The state that all connections share."""

    def __init__(self, mode: str) -> None:
        """Start in `mode`, one of `MODES`."""
        self.mode = mode
        self.status = 503
        self.record_arrivals = False
        self.accounts: dict[bytes, Account] = {}
        self.asked: dict[bytes, int] = {}
        """Requests of each path that is answered by their number."""

    def answer(self, path: bytes, head: bytes, body: bytes) -> bytes | Refusal:
        """The bytes that answer a request, or how it is refused an answer."""
        if path.startswith(b"/control/"):
            return self.control(path.decode("ascii", "replace"))
        mode = self.mode
        if mode != "ok":
            self.note(path, head, body)
        if path.startswith(b"/ok/"):
            return OK
        if (found := self.named(path)) is not None:
            return found
        if mode in {"ok", "count"}:
            return OK
        return reply(self.status) if mode == "fail" else Refusal.HANG

    def named(self, path: bytes) -> bytes | Refusal | None:
        """What the path asks for; None if it leaves it to the mode."""
        match path.split(b"/", 3)[1:]:
            case [b"hang" | b"drip" | b"reset" as how, *_]:
                return REFUSALS[how]
            case [b"status", status, *_]:
                return reply(int(status))
            case [b"flaky", every, *_]:
                self.asked[path] = asked = self.asked.get(path, 0) + 1
                return OK if asked % int(every) else reply(503)
            case [b"phased", seconds, *_]:
                return reply(503) if int(time.time() / float(seconds)) % 2 else OK
        return None

    def note(self, path: bytes, head: bytes, body: bytes) -> None:
        """Keep account of a request."""
        now = time.time()
        account = self.accounts.get(path)
        if account is None:
            account = self.accounts[path] = Account(first=now)
        account.count += 1
        account.last = now
        identity = value_of(head, b"webhook-id")
        if identity:
            account.ids.add(identity)
            if self.record_arrivals:
                account.arrivals.append((identity, now))
        at = body.find(b'"t":')
        if at >= 0:
            end = at + 4
            while body[end] in b" 0123456789.+-eE":
                end += 1
            account.latencies.append(now - float(body[at + 4 : end]))

    def control(self, target: str) -> bytes:
        """Answer a request to the control endpoint."""
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match url.path.removeprefix("/control/"):
            case "stats":
                return as_json(self.stats(query.get("prefix", "/").encode()))
            case "arrivals":
                chosen = self.chosen(query.get("prefix", "/").encode())
                arrivals = sorted((pair for account in chosen for pair in account.arrivals), key=lambda pair: pair[1])
                return as_json([[identity.decode("latin-1"), moment] for identity, moment in arrivals])
            case "reset":
                self.accounts.clear()
            case "mode":
                if query.get("mode", self.mode) not in MODES:
                    return reply(400, f"mode: one of {', '.join(MODES)}\n".encode())
                self.mode = query.get("mode", self.mode)
                self.status = int(query.get("status", self.status))
                self.record_arrivals = query.get("record", "arrivals" if self.record_arrivals else "counts") == "arrivals"
            case _:
                return reply(404)
        return as_json({"mode": self.mode, "status": self.status, "record": "arrivals" if self.record_arrivals else "counts"})

    def chosen(self, prefix: bytes) -> list[Account]:
        """The accounts of all paths that start with `prefix`."""
        return [account for path, account in self.accounts.items() if path.startswith(prefix)]

    def stats(self, prefix: bytes) -> dict[str, object]:
        """The figures of all paths that start with `prefix`."""
        chosen = self.chosen(prefix)
        latencies = sorted(latency for account in chosen for latency in account.latencies)
        return {
            "count": sum(account.count for account in chosen),
            "distinct": len(set[bytes]().union(*(account.ids for account in chosen))),
            "first": min((account.first for account in chosen), default=0.0),
            "last": max((account.last for account in chosen), default=0.0),
            "latency": {
                "count": len(latencies),
                "p50": percentile(latencies, 0.5),
                "p90": percentile(latencies, 0.9),
                "p99": percentile(latencies, 0.99),
                "max": latencies[-1] if latencies else 0.0,
            },
        }


def as_json(value: object) -> bytes:
    """An answer with a JSON body."""
    return reply(200, json.dumps(value).encode() + b"\n", "application/json")


def value_of(head: bytes, name: bytes) -> bytes:
    """The value of a header, `name` in lower case; empty if there is none."""
    at = head.find(b"\n" + name + b":")
    if at < 0:
        at = head.lower().find(b"\n" + name + b":")
        if at < 0:
            return b""
    at += len(name) + 2
    end = head.find(b"\r", at)
    return head[at : end if end >= 0 else len(head)].strip()


class Connection(asyncio.Protocol):
    """One connection; requests are answered in the order in which they come."""

    def __init__(self, receiver: Receiver) -> None:
        """Answer as `receiver` says."""
        self._receiver = receiver
        self._rest = b""
        self._hangs = False
        self._drip: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender is here."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not derive from it

    def connection_lost(self, error: Exception | None) -> None:
        """The sender has gone, or was cut off."""
        if self._drip is not None:
            self._drip.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        if self._hangs:
            return
        if self._rest:
            data = self._rest + data
        start, size = 0, len(data)
        answers: list[bytes] = []
        while start < size:
            end = data.find(b"\r\n\r\n", start)
            if end < 0:
                if size - start > LARGEST_HEAD:
                    self._transport.abort()
                    return
                break
            head = data[start:end]
            at = head.find(b"\nContent-Length: ")
            if at >= 0:
                stop = head.find(b"\r", at)
                length = int(head[at + 17 : stop if stop >= 0 else len(head)])
            else:
                length = int(value_of(head, b"content-length") or 0)
            body_end = end + 4 + length
            if body_end > size:
                break
            path_start = head.index(b" ") + 1
            answer = self._receiver.answer(head[path_start : head.index(b" ", path_start)], head, data[end + 4 : body_end])
            if isinstance(answer, Refusal):
                self._hangs = True
                self._refuse(answer)
                break
            answers.append(answer)
            start = body_end
        self._rest = data[start:] if start < size and not self._hangs else b""
        if answers:
            self._transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def _refuse(self, how: Refusal) -> None:
        if how is Refusal.DRIP:
            self._transport.write(DRIPPED)
            self._next_drop()
        elif how is Refusal.RESET:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def _next_drop(self) -> None:
        self._transport.write(b".")
        self._drip = asyncio.get_running_loop().call_later(DRIP, self._next_drop)


async def serve(host: str, port: int, mode: str) -> None:
    """Listen until SIGTERM or SIGINT; the port goes to standard output first."""
    loop = asyncio.get_running_loop()
    receiver = Receiver(mode)
    server = await loop.create_server(lambda: Connection(receiver), host, port, backlog=4096)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


class ReceiverProcess:
    """A receiver in a process of its own, as a context manager; `url` has no slash at its end."""

    def __init__(self, *, mode: str = "count", port: int = 0) -> None:
        """Start it in `mode`, one of `MODES`; port 0 takes a free one."""
        self._command = [sys.executable, "-m", "benchmarks.receiver", "--mode", mode, "--port", str(port)]

    def __enter__(self) -> "ReceiverProcess":
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        line = self.process.stdout.readline() if self.process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the receiver ended with {self.process.wait()} before it listened")
        self.url = f"http://127.0.0.1:{int(line)}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self.process.terminate()
        self.process.communicate()


def main() -> None:
    """Run the receiver from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receiver", description="A receiver that costs next to nothing.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", choices=MODES, default="count")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        runner.run(serve(arguments.host, arguments.port, arguments.mode))


if __name__ == "__main__":
    main()
