"""Servers that only look like hookline.v1 are told from those that keep its contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from hookline_conformance.api import ApiTarget
from hookline_conformance.requirement import Binds, load_catalogue
from hookline_conformance.runner import Options, run
from hookline_conformance.verdict import Status
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import event_service_pb2_grpc as evtg


class Forgetful(evtg.EventServiceServicer):
    """Accepts everything and keeps nothing."""

    async def ListEvents(self, request: Any, context: Any) -> evts.ListEventsResponse:
        return evts.ListEventsResponse()

    async def EmitEvent(self, request: Any, context: Any) -> evts.EmitEventResponse:
        return evts.EmitEventResponse(result=evt.EmitResult(event_id="evt_1"))

    async def BatchEmitEvents(self, request: Any, context: Any) -> evts.BatchEmitEventsResponse:
        return evts.BatchEmitEventsResponse()

    async def GetEvent(self, request: Any, context: Any) -> evts.GetEventResponse:
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing is kept")
        raise AssertionError("abort raises")


@asynccontextmanager
async def serving(servicer: evtg.EventServiceServicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    evtg.add_EventServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


BROKEN = {"EMI-203", "EMI-204", "EMI-205", "EMI-208", "EMI-209", "EMI-210", "EMI-211", "EMI-212", "EMI-213", "EMI-214", "EMI-217"}


async def test_a_server_that_keeps_nothing_fails_what_it_breaks() -> None:
    async with serving(Forgetful()) as address:
        report = await run(ApiTarget(address, patience=1.0), Options(only=frozenset(BROKEN)))
    assert report.no_verdict == ""
    assert {one.requirement.id for one in report.verdicts if one.status is Status.FAILED} == BROKEN
    assert report.exit_code == 1
    assert all(one.expected and one.got for one in report.verdicts)


async def test_another_grpc_server_reaches_no_verdict() -> None:
    async with serving(evtg.EventServiceServicer()) as address:
        report = await run(ApiTarget(address), Options())
    assert report.exit_code == 2
    assert "does not answer hookline.v1" in report.no_verdict


def test_every_requirement_of_senders_and_apis_has_a_check() -> None:
    from hookline_conformance import sender
    from hookline_conformance.check import checks_binding

    assert sender
    for binds in (Binds.SENDER, Binds.API):
        checked = {name for check in checks_binding(binds) for name in check.requirements}
        assert checked == {requirement.id for requirement in load_catalogue().binding(binds)}
