"""A name server that is up, says SERVFAIL, or keeps silent, and a command that makes it a process's only one."""

import asyncio
import os
import shutil
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
A = 1


class NameServer(asyncio.DatagramProtocol):
    """Answers every name with 127.0.0.1 (RFC 1035), but those that end otherwise."""

    def __init__(self) -> None:
        self.code: int | None = NOERROR
        """What it answers; None: nothing at all."""
        self.silent_for: tuple[str, ...] = ()
        self.asked: Counter[str] = Counter()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        end, labels = 12, []
        while length := data[end]:
            labels.append(data[end + 1 : end + 1 + length].decode())
            end += 1 + length
        name = ".".join(labels)
        self.asked[name] += 1
        (kind,) = struct.unpack_from(">H", data, end + 1)
        if self.code is None or name.endswith(self.silent_for or ("\0",)):
            return
        found = self.code == NOERROR and kind == A
        head = data[:2] + struct.pack(">HHHHH", 0x8180 | self.code, 1, int(found), 0, 0)
        record = struct.pack(">HHHIH", 0xC00C, A, 1, 1, 4) + socket.inet_aton("127.0.0.1") if found else b""
        self.transport.sendto(head + data[12 : end + 5] + record, address)


@asynccontextmanager
async def name_server(folder: Path) -> AsyncIterator[tuple[NameServer, tuple[str, ...]]]:
    """A name server, and the command under which a process asks it alone; skips where that cannot be had."""
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None or os.geteuid() != 0:
        pytest.skip("a process can only be given a resolv.conf of its own by root on Linux")
    address = f"127.{os.getpid() >> 16 & 127}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    (folder / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n")
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    mounts = " && ".join(f"mount --bind {folder}/{name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf"))
    wrapper = (unshare, "--mount", "--propagation", "private", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    tried = await asyncio.create_subprocess_exec(*wrapper, "true", stderr=asyncio.subprocess.PIPE)
    _, said = await tried.communicate()
    if tried.returncode:
        pytest.skip(f"a process cannot be given a resolv.conf of its own here: {said.decode().strip()}")
    loop = asyncio.get_running_loop()
    try:
        transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=(address, 53))
    except OSError as error:
        pytest.skip(f"there can be no name server on {address}:53 here: {error}")
    try:
        yield server, wrapper
    finally:
        transport.close()
