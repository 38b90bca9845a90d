"""The processes of the demonstration: started here, and ended here, by their ids."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hookline.errors import HooklineError

READY_WITHIN: Final = 30.0
"""Seconds for a process to say that it is ready."""
END_WITHIN: Final = 60.0
"""Seconds for a process to end: the server drains for ten, and settles what was on the wire."""
LOOK: Final = 0.02


class DemoError(HooklineError):
    """The demonstration cannot go on: its message says why."""

    reason = "DEMO"


class Child:
    """One process, its output in files of `folder`."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        """Run `hookline ARGUMENTS`; a second one of the same name appends to the same files."""
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        self._read = self.err.stat().st_size if self.err.exists() else 0
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hookline_server.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=_environment(),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self, found: Callable[[str], str | None]) -> str:
        """Wait for the line of standard error in which `found` finds something; what it found. Raises DemoError."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while True:
                    ended = self._process.poll() is not None
                    for line in self._new_lines():
                        answer = found(line)
                        if answer:
                            return answer
                    if ended:
                        raise DemoError(f"the {self.name} ended at once: {self._last_line()}")
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise DemoError(f"the {self.name} was not ready within {READY_WITHIN:.0f} s: {self._last_line()}") from None

    def kill(self) -> None:
        """End it without a chance to tidy up (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end (SIGTERM), and wait; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def _new_lines(self) -> list[str]:
        return self.err.read_bytes()[self._read :].decode("utf-8", "replace").splitlines()

    def _last_line(self) -> str:
        lines = self.err.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def serving_address(line: str) -> str | None:
    """The address in the server's line that it serves."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return str(said["address"]) if isinstance(said, dict) and said.get("event") == "serving" else None


def receiving_url(line: str) -> str | None:
    """The URL in the receiver's line that it receives."""
    _, found, rest = line.partition("receiving at ")
    return rest.split(" ", 1)[0] if found else None


def _environment() -> dict[str, str]:
    """Ours, without what would set the server otherwise than the demonstration wants."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
