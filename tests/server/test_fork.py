"""A remote client over a fork: made before and used after it works; used on both sides is an error, not a hang."""

import asyncio
import os
import sys

import pytest

from hookline_server.app import Server

SCRIPT = """
import asyncio, os, sys
from hookline.errors import FailedPrecondition
from hookline.remote import RemoteClient

client = RemoteClient(sys.argv[1], timeout=60.0)

async def emit():
    await client.emit("a", 1)

if sys.argv[2] == "used":
    asyncio.run(emit())
if (child := os.fork()) == 0:
    try:
        asyncio.run(emit())
        os._exit(0)
    except FailedPrecondition:
        os._exit(3)
    finally:
        os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.parametrize(("before", "code"), [("unused", 0), ("used", 3)])
async def test_fork(before: str, code: int, server: Server) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT, server.address, before, env=environment)
    assert await asyncio.wait_for(process.wait(), 110.0) == code
