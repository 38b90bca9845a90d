"""A caller in another language that has the .proto files and nothing else of ours."""

import asyncio
import json
from pathlib import Path

import pytest
from interop.receiving import HERE, Receiver
from standardwebhooks.webhooks import Webhook

from hookline_server.app import Server
from hookline_server.protos import write_protos

pytestmark = [pytest.mark.interop]


async def test_a_node_script_with_the_proto_files_subscribes_emits_and_watches_the_delivery(
    node: str, server: Server, receiver: Receiver, tmp_path: Path
) -> None:
    write_protos(tmp_path)
    process = await asyncio.create_subprocess_exec(
        node,
        str(HERE / "caller.cjs"),
        str(tmp_path),
        server.address,
        receiver.url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(110):
        said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    answer = json.loads(said)
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == answer["event"] == answer["webhook"]
    assert (answer["state"], answer["status"], answer["duplicate"]) == ("DELIVERY_STATE_DELIVERED", 204, True)
    assert request.body.endswith(b'"data":{"amount":12345678901234567890.10}}')
    Webhook(answer["secret"]).verify(request.body, request.headers)
    assert answer["refusal"]["code"] == 3
    assert answer["refusal"]["rich"] == 1
    assert "event.type" in answer["refusal"]["details"]
