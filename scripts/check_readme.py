"""Runs the commands and programs of README.md, in the order in which they stand there.

Blocks marked `sh` run in the top folder of the project, with .venv/bin in front of PATH; blocks marked
`python` run in one fresh folder. A comment on the line before a block directs it:

    <!-- ci: skip (reason) -->                  not run; the reason is printed
    <!-- ci: background 127.0.0.1:50051 -->     started, waited for until the port answers, ended at the end

A command that is a gate of its own is not run a second time.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BLOCK_SECONDS: Final = 120.0
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 10.0

ELSEWHERE: Final = {"make test": "it is a gate of its own", "make bench": "it measures, and its results are committed"}

_BLOCK: Final = re.compile(
    r"^(?:<!-- ci: (?P<directive>skip|background)(?: (?P<detail>.*?))? -->\n+)?```(?P<language>sh|python)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its first line in the file, what it is written in, and how it is to be run."""

    line: int
    language: str
    code: str
    directive: str | None
    detail: str

    @property
    def command(self) -> list[str]:
        """The interpreter, with the block as its program; a shell stops at the first command that fails."""
        interpreter = ["bash", "-euo", "pipefail", "-c"] if self.language == "sh" else [sys.executable, "-c"]
        return [*interpreter, self.code]


def blocks(text: str) -> list[Block]:
    """Every block of `text` that can be run."""
    return [
        Block(
            line=text.count("\n", 0, found.start("code")) + 1,
            language=found["language"],
            code=_without_gates(found["code"]),
            directive=found["directive"],
            detail=found["detail"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def run(block: Block, folder: Path, environment: Mapping[str, str]) -> None:
    """Run `block` to its end; raise `SystemExit` if it fails or takes longer than `BLOCK_SECONDS`."""
    process = _start(block, folder, environment)
    try:
        code = process.wait(BLOCK_SECONDS)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"README.md:{block.line}: not done after {BLOCK_SECONDS:.0f} s") from None
    finally:
        _stop(process)
    if code:
        raise SystemExit(f"README.md:{block.line}: exit code {code}")


def start_background(block: Block, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `block` and wait until its port answers; raise `SystemExit` if that takes `START_SECONDS`."""
    host, _, port = block.detail.rpartition(":")
    if not (host and port.isdecimal()):
        raise SystemExit(f"README.md:{block.line}: `ci: background` needs host:port, not {block.detail!r}")
    if _answers(host, int(port)):
        raise SystemExit(f"README.md:{block.line}: something else listens on {block.detail}")
    process = _start(block, folder, environment)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(host, int(port)):
        if process.poll() is not None or time.monotonic() > deadline:
            _stop(process)
            raise SystemExit(f"README.md:{block.line}: nothing listens on {block.detail}")
        time.sleep(0.1)
    return process


def _without_gates(code: str) -> str:
    lines = []
    for line in code.splitlines(keepends=True):
        command = line.partition("#")[0].strip()
        lines.append(f"echo 'not run here: {command}; {ELSEWHERE[command]}'\n" if command in ELSEWHERE else line)
    return "".join(lines)


def _start(block: Block, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    where = ROOT if block.language == "sh" else folder
    # A session of its own, so that whatever the block starts can be ended with it.
    return subprocess.Popen(block.command, cwd=where, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def main() -> None:
    readme = ROOT / "README.md"
    found = blocks(readme.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit("README.md has no block marked sh or python")
    background: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_DATA_HOME": scratch,  # a server's default data directory is not the user's own
            "XDG_STATE_HOME": scratch,
        }
        try:
            for block in found:
                how = " ".join(filter(None, (block.directive, block.detail)))
                print(f"-- README.md:{block.line} ({block.language}) {how}".rstrip(), flush=True)
                if block.directive == "background":
                    background.append(start_background(block, Path(scratch), environment))
                elif block.directive is None:
                    run(block, Path(scratch), environment)
        finally:
            for process in reversed(background):
                _stop(process)
    print(f"README.md: {len(found)} blocks, {sum(block.directive == 'skip' for block in found)} of them skipped")


if __name__ == "__main__":
    main()
