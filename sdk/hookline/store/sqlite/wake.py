"""Wakes between processes: one Unix datagram socket a node. A hint: what gets lost costs latency only."""

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hookline.store.protocol import LaneKey, Wake, WakeKind

LONGEST_PATH: Final = 100
"""A socket's path must fit into 108 bytes on Linux, 104 elsewhere."""
LONGEST_MESSAGE: Final = 8192
"""Bytes; what is longer is sent as LOOK."""
AT_ONCE: Final = 64
"""Messages read before the loop gets its turn again."""

HAS_SOCKETS: Final = hasattr(socket, "AF_UNIX") and hasattr(asyncio.SelectorEventLoop, "add_reader")


def encode(wake: Wake) -> bytes:
    """A wake as it travels."""
    text = json.dumps({"kind": wake.kind, "lanes": wake.lanes, "ids": wake.ids}, separators=(",", ":")).encode()
    return text if len(text) <= LONGEST_MESSAGE else encode(Wake(WakeKind.LOOK))


def decode(message: bytes) -> Wake:
    """A wake as it arrived; what cannot be read says at least that there is something to look at."""
    try:
        said = json.loads(message)
        lanes = tuple(LaneKey(str(tenant), str(lane)) for tenant, lane in said["lanes"])
        return Wake(WakeKind(said["kind"]), lanes, tuple(str(name) for name in said["ids"]))
    except (ValueError, KeyError, TypeError):
        return Wake(WakeKind.LOOK)


class Ear:
    """The socket on which one node hears."""

    def __init__(self, directory: Path, node: int) -> None:
        """Bind `<node>.sock` in the directory, or in a temporary one if that path is too long. Raises OSError."""
        self._temporary: Path | None = None
        path = directory / f"{node}.sock"
        if len(str(path.absolute()).encode()) > LONGEST_PATH:
            self._temporary = Path(tempfile.mkdtemp(prefix="hookline-"))
            path = self._temporary / f"{node}.sock"
        self._path = path.absolute()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path.unlink(missing_ok=True)
        self._socket.bind(self.address)

    @property
    def address(self) -> str:
        """What others send to."""
        return str(self._path)

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the loop for every message, those that came before included."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._read, heard)

    def _read(self, heard: Callable[[Wake], None]) -> None:
        for _ in range(AT_ONCE):
            try:
                message = self._socket.recv(2 * LONGEST_MESSAGE)
            except BlockingIOError:
                return
            heard(decode(message))

    def abandon(self) -> None:
        """Close the descriptor and touch nothing else: in a forked child, where the socket is the parent's."""
        self._socket.close()

    def close(self) -> None:
        """Stop hearing and remove the socket. Safe to repeat."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._path.unlink(missing_ok=True)
        if self._temporary is not None:
            with contextlib.suppress(FileNotFoundError):  # closed twice
                self._temporary.rmdir()


class Mouth:
    """Sends wakes; never waits."""

    def __init__(self) -> None:
        """Open a socket without a name."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def say(self, address: str, wake: Wake) -> None:
        """Send a wake. A node that is dead, or has too much to hear already, does not hear it: it is a hint."""
        with contextlib.suppress(OSError):
            self._socket.sendto(encode(wake), address)

    def close(self) -> None:
        """Close the socket. Safe to repeat."""
        self._socket.close()
