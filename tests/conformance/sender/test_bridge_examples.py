"""The examples of bridges are bridges: the one for Node is run, those for Go and Java are compiled where their tools are."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hookline_conformance.explore import Mode
from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.sender.adapters.bridge import BridgeAdapter
from hookline_conformance.verdict import Status

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "bridge"
MODULES = ROOT / "tests" / "interop" / "node_modules"
AREAS = frozenset({"HDR", "PAY", "RTY", "SIG", "TIM"})
"""What the smallest bridge is said to be enough for."""

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(300)]


@asynccontextmanager
async def node() -> AsyncIterator[str]:
    """The address of examples/bridge/node."""
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    process = await asyncio.create_subprocess_exec(
        "node", str(EXAMPLES / "node" / "bridge.js"), stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def test_the_sender_behind_the_bridge_for_node_passes_what_it_declares() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (MODULES / "@grpc" / "grpc-js").is_dir():
        pytest.skip("the packages for node are not installed; `make interop` installs them")
    async with node() as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="node"), Options(mode=Mode.QUICK, areas=AREAS))
    assert report.no_verdict == ""
    assert {one.requirement.id: one.detail for one in report.verdicts if one.status is Status.FAILED} == {}
    passed = {one.requirement.id for one in report.verdicts if one.status is Status.PASSED}
    assert {"SIG-101", "HDR-102", "PAY-102", "RTY-101", "TIM-101"} <= passed


COMPILERS = {"go": ("go", "make", "protoc", "protoc-gen-go", "protoc-gen-go-grpc"), "java": ("java", "mvn")}
COMMANDS = {"go": ("make", "bridge"), "java": ("mvn", "--batch-mode", "--quiet", "--offline", "compile")}


@pytest.mark.parametrize("language", COMPILERS)
async def test_the_skeleton_of_a_bridge_compiles(language: str, tmp_path: Path) -> None:
    if missing := [tool for tool in COMPILERS[language] if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if language == "java" and not (Path.home() / ".m2/repository/io/grpc/grpc-netty-shaded").is_dir():
        pytest.skip("maven has not fetched io.grpc:grpc-netty-shaded; `mvn compile` in examples/bridge/java does")
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    folder = tmp_path / "examples" / "bridge" / language
    shutil.copytree(EXAMPLES / language, folder)
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[language], cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-2000:]
