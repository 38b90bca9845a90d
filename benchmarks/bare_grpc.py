"""The calibration of the gRPC door: EmitEvent answered at once, with nothing behind it. `python -m benchmarks.bare_grpc`.

The server is a process of its own, with grpc.aio on the same event loop as the real one; it prints its port and ends
when its standard input does. What it answers a second is what no server of that call can exceed here.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from benchmarks.receiver import fastest_loop
from benchmarks.server import Load
from hookline_proto.v1 import event_pb2, event_service_pb2

ROOT: Final = Path(__file__).parent.parent


async def echo(request: event_service_pb2.EmitEventRequest, context: Any) -> event_service_pb2.EmitEventResponse:
    """Accept everything and do nothing."""
    return event_service_pb2.EmitEventResponse(result=event_pb2.EmitResult(event_id=request.event.id))


async def serve() -> None:
    """Answer until standard input ends."""
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=event_service_pb2.EmitEventRequest.FromString,
        response_serializer=event_service_pb2.EmitEventResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hookline.v1.EventService", {"EmitEvent": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Such a server while the block runs; its port."""
    command = [sys.executable, "-m", "benchmarks.bare_grpc"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        if server.stdout is None or not (port := server.stdout.readline()):
            raise RuntimeError("the bare gRPC server did not start")
        yield int(port)
    finally:
        server.communicate()


async def run(count: int, *, in_flight: int = 64) -> float:
    """Calls a second, one event each."""
    with serving() as port:
        load = Load(f"127.0.0.1:{port}")
        try:
            await load.ready()
            await load.many("bench.bare", count // 10, in_flight=in_flight)
            started = time.perf_counter()
            await load.many("bench.bare", count, in_flight=in_flight)
            return count / (time.perf_counter() - started)
        finally:
            await load.channel.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        runner.run(serve())
