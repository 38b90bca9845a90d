"""PostgreSQL goes away under a real server: callers are told when to come back, and nothing is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from client.receiver import Receiver
from crash.processes import Process, ending, serve, until
from deadlines import at_last
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ports import lasting_port
from postgres.server import Server, new_server

import hookline
from hookline import RetryPolicy, Steps, SubscriptionSpec
from hookline.errors import DeadlineExceeded, HooklineError, Unavailable
from hookline_proto.v1.event_pb2 import EventSpec
from hookline_proto.v1.event_service_pb2 import EmitEventRequest
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub
from hookline_server.app import SERVICE_NAMES

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PATIENT = RetryPolicy(schedule=Steps(delays=(0.2,)), max_attempts=100, jitter=0.0)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that the tests of this module may stop."""
    made = new_server()
    yield made
    made.remove()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


async def until_health(channel: aio.Channel, service: str, status: int) -> None:
    async with asyncio.timeout(60):
        async for said in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service)):
            if said.status == status:
                return


def retry_info(error: aio.AioRpcError) -> RetryInfo:
    """The google.rpc.RetryInfo among the details of an error."""
    found = next(value for name, value in error.trailing_metadata() or () if name == "grpc-status-details-bin")
    info = RetryInfo()
    assert any(detail.Unpack(info) for detail in Status.FromString(found).details)
    return info


async def nothing_pending(client: hookline.Client) -> bool:
    return (await client.deliveries.stats()).pending == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_while_the_database_is_away_calls_are_refused_with_retry_info_and_health_says_so_and_all_comes_back_by_itself(
    own: Server, receiver: Receiver, tmp_path: Path, how: signal.Signals
) -> None:
    port = lasting_port()
    async with ending([await serve(tmp_path, port, "--store", own.url(own.empty_database()))]) as processes:
        async with (
            hookline.connect(f"127.0.0.1:{port}", timeout=60.0) as client,
            hookline.connect(f"127.0.0.1:{port}", timeout=3.0) as hasty,
            aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            await client.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=PATIENT))
            receiver.always(500)
            acknowledged = {(await client.emit("a.b", {})).event_id for _ in range(10)}
            await until_health(channel, "", SERVING)
            await asyncio.to_thread(own.stop, how)
            with pytest.raises(aio.AioRpcError) as refused:
                await EventServiceStub(channel).EmitEvent(EmitEventRequest(event=EventSpec(type="a.b", data=b"{}")))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert retry_info(refused.value).retry_delay.ToTimedelta()
            with pytest.raises(Unavailable):
                await at_last(hasty.deliveries.stats)
            for service in ("", *SERVICE_NAMES):
                await until_health(channel, service, NOT_SERVING)
            await until_health(channel, "grpc.health.v1.Health", SERVING)
            receiver.always(204)
            await asyncio.to_thread(own.start)
            for service in ("", *SERVICE_NAMES):
                await until_health(channel, service, SERVING)
            acknowledged.add((await client.emit("a.b", {})).event_id)
            await until(lambda: nothing_pending(client), within=60.0, step=0.1)
        assert {one.webhook_id for one in receiver.received} == acknowledged
        await ended_well(processes[0])


async def test_what_fails_in_the_middle_of_a_flow_is_either_acknowledged_and_delivered_or_refused(
    own: Server, receiver: Receiver, tmp_path: Path
) -> None:
    port = lasting_port()
    acknowledged: set[str] = set()
    refused: list[HooklineError] = []
    running = True

    async def emit(client: hookline.Client, emitter: int) -> None:
        number, unknown = 0, False
        while running or unknown:
            try:
                acknowledged.add((await client.emit("a.b", {}, id=f"{emitter}-{number}")).event_id)
                number, unknown = number + 1, False
            except DeadlineExceeded:  # its last try was slower than the time that was left
                unknown = True
            except Unavailable as error:
                unknown = True
                refused.append(error)
                await asyncio.sleep(min(error.retry_after or 0.1, 0.2))

    async with ending([await serve(tmp_path, port, "--store", own.url(own.empty_database()))]) as processes:
        async with (
            hookline.connect(f"127.0.0.1:{port}", timeout=60.0) as client,
            hookline.connect(f"127.0.0.1:{port}", timeout=3.0) as hasty,
        ):
            await client.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=PATIENT))
            emitting = [asyncio.create_task(emit(hasty, emitter)) for emitter in range(4)]
            for how in (signal.SIGQUIT, signal.SIGINT):
                count = len(acknowledged)
                await until(lambda count=count: len(acknowledged) > count + 100, within=60.0)
                failed = len(refused)
                await asyncio.to_thread(own.stop, how)
                await until(lambda failed=failed: len(refused) > failed, within=60.0)
                await asyncio.to_thread(own.start)
            count = len(acknowledged)
            await until(lambda: len(acknowledged) > count + 100, within=60.0)
            running = False
            await asyncio.gather(*emitting)
            await until(lambda: nothing_pending(client), within=60.0, step=0.1)
        assert all(error.retry_after for error in refused)
        assert {one.webhook_id for one in receiver.received} == acknowledged
        await ended_well(processes[0])


async def ended_well(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert await process.ended(within=60.0) == 0
    assert "Traceback" not in "".join(process.raw)
