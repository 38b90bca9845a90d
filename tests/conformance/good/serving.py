"""Serves a receiver in a process of its own, on a socket that outlives its restarts."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
WSGI = (
    "-m",
    "gunicorn",
    "--worker-class",
    "gthread",
    "--threads",
    "40",
    "--log-level",
    "error",
    "--keep-alive",
    "60",
    "--bind",
    "fd://{fd}",
    "{app}:app",
)
ASGI = ("-m", "uvicorn", "--log-level", "error", "--no-access-log", "--timeout-keep-alive", "60", "--fd", "{fd}", "{app}:app")
NODE = ("{app}.cjs", "{fd}")
COMPILED = ("{fd}",)
MODULES = HERE.parent.parent / "interop"
"""Where the packages for node are."""
PROGRAMS = {
    "go_standardwebhooks": MODULES / "judges" / "go" / "bin" / "receiver",
    "rust_standardwebhooks": MODULES / "judges" / "rust" / "target" / "debug" / "receiver",
}
"""Where `make interop` puts what is compiled; its sources are beside the judges of signatures."""


def why_not(app: str, command: tuple[str, ...]) -> str:
    """Why this receiver cannot be served on this machine; nothing if it can."""
    if command is NODE:
        if shutil.which("node") is None:
            return "node is not installed"
        if not (MODULES / "node_modules").is_dir():
            return "the packages for node are not installed; `make interop` installs them"
    if command is COMPILED and not PROGRAMS[app].exists():
        return f"{app} is not built; `make interop` builds it, and says what it lacks"
    return ""


class Served:
    """A receiver that runs; `command` starts it in `where`, `{fd}` and `{app}` filled in; `told` is added to its environment."""

    def __init__(self, app: str, command: tuple[str, ...], told: Mapping[str, str], *, where: Path = HERE) -> None:
        self._socket = socket.socket()
        # Connections inherit it. Servers set it for sockets that they open, and not for one that they are handed.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(200)
        self._socket.set_inheritable(True)
        self.port = self._socket.getsockname()[1]
        program = "node" if command is NODE else str(PROGRAMS[app]) if command is COMPILED else sys.executable
        self._command = [
            program,
            *(part.format(fd=self._socket.fileno(), app=app, port=self.port) for part in command),
        ]
        self._environment = {**os.environ, "MODULES": str(MODULES), **told}
        self._where = where
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220  # its connections wait in the socket meanwhile
            self._command, cwd=self._where, env=self._environment, pass_fds=[self._socket.fileno()]
        )

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def close(self) -> None:
        self._socket.close()
