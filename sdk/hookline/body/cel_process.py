"""A process that evaluates what may be slow, for a parent that may kill it at any moment; `main` is all it runs.

It talks over the socket that is its standard input. A frame is its length in four bytes, most significant
first, and MessagePack. The first frame says that it is ready; from then on each task is answered.
"""

import contextlib
import socket
import struct
from datetime import datetime
from typing import Final, Literal

import msgspec

from hookline.body.cel import compile_filter, compile_transform
from hookline.body.fields import allow
from hookline.errors import HooklineError
from hookline.model.event import Event

try:
    import resource
    import signal
except ImportError:  # Windows: the parent's deadline is the only bound
    resource = None  # type: ignore[assignment]  # what is missing is None

Kind = Literal["filter", "transform", "fields"]
LENGTH: Final = struct.Struct(">I")
MEMORY: Final = 256 * 1024 * 1024
"""Bytes that evaluations may take, beside what the process has when it begins."""


class Task(msgspec.Struct, array_like=True):
    """What is to be done with an event: a `filter` or a `transform` by its source, or `fields` by their paths."""

    kind: Kind
    sources: tuple[str, ...]
    seconds: float
    """Until the parent gives up; should it be gone by then, the process ends by itself a little later."""
    id: str
    type: str
    source: str
    subject: str
    time: datetime
    labels: dict[str, str]
    data: bytes
    data_content_type: str


class Done(msgspec.Struct, array_like=True):
    """What came of it: the filter's answer, the new data, or why there is neither."""

    admitted: bool = False
    data: bytes = b""
    fault: str | None = None


def task(kind: Kind, sources: tuple[str, ...], seconds: float, event: Event) -> bytes:
    """The frame of a task."""
    return frame(
        Task(
            kind,
            sources,
            seconds,
            event.id,
            event.type,
            event.source,
            event.subject,
            event.time,
            dict(event.labels),
            event.data,
            event.data_content_type,
        )
    )


def frame(message: Task | Done) -> bytes:
    """A message with its length."""
    payload = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(payload)) + payload


def perform(asked: Task) -> Done:
    """Do it; whatever goes wrong is the answer."""
    event = Event(
        tenant="",
        id=asked.id,
        type=asked.type,
        source=asked.source,
        subject=asked.subject,
        time=asked.time,
        data=asked.data,
        data_content_type=asked.data_content_type,
        data_schema="",
        labels=asked.labels,
        idempotency_key="",
        ordering_key="",
        not_before_time=None,
        traceparent="",
        accept_time=asked.time,
    )
    try:
        match asked.kind:
            case "filter":
                return Done(admitted=compile_filter(asked.sources[0]).admits(event))
            case "transform":
                return Done(data=compile_transform(asked.sources[0]).transform(event))
            case "fields":
                return Done(data=allow(asked.sources).select(event))
    except HooklineError as error:
        return Done(fault=error.message)
    except MemoryError:
        return Done(fault=f"more than {MEMORY // 2**20} MiB are needed for it")
    except RecursionError:
        return Done(fault="its value is nested too deep")


def serve(connection: socket.socket) -> None:
    """Answer tasks until the parent is gone."""
    stream = connection.makefile("rb")
    connection.sendall(frame(Done()))
    while len(head := stream.read(LENGTH.size)) == LENGTH.size:
        payload = stream.read(*LENGTH.unpack(head))
        asked = msgspec.msgpack.decode(payload, type=Task)
        if resource is not None:
            signal.setitimer(signal.ITIMER_REAL, 2 * asked.seconds + 1)  # ends the process, wherever it is
        answer = frame(perform(asked))
        if resource is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        connection.sendall(answer)


def bound_memory() -> None:
    """Let the process grow by `MEMORY` and no more. Where the system has no such bound there is only the deadline."""
    if resource is None:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel's
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        taken = 1024 * 1024 * 1024
    with contextlib.suppress(ValueError, OSError):  # a stricter bound stands already
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve the parent on standard input."""
    bound_memory()
    if resource is not None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is for the parent, which will close the socket
    with contextlib.suppress(ConnectionError), socket.socket(fileno=0) as parent:
        serve(parent)
