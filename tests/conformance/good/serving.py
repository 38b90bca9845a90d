"""Serves a receiver in a process of its own, on a socket that outlives its restarts."""

import asyncio
import os
import socket
import subprocess
import sys
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
    "--bind",
    "fd://{fd}",
    "{app}:app",
)
ASGI = ("-m", "uvicorn", "--log-level", "error", "--no-access-log", "--fd", "{fd}", "{app}:app")
NODE = ("{app}.cjs", "{fd}")
MODULES = HERE.parent.parent / "interop"
"""Where the packages for node are."""


class Served:
    """A receiver that runs; `command` starts it, `{fd}` and `{app}` filled in."""

    def __init__(self, app: str, command: tuple[str, ...], secret: str, folder: Path) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(200)
        self._socket.set_inheritable(True)
        self.port = self._socket.getsockname()[1]
        self._command = [
            "node" if command is NODE else sys.executable,
            *(part.format(fd=self._socket.fileno(), app=app, port=self.port) for part in command),
        ]
        self._environment = {**os.environ, "SECRET": secret, "LEDGER": str(folder / "ledger.db"), "MODULES": str(MODULES)}
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220  # its connections wait in the socket meanwhile
            self._command, cwd=HERE, env=self._environment, pass_fds=[self._socket.fileno()]
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
