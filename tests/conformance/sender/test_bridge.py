"""A sender behind a bridge is judged as one in this process; a bridge that lies is no sender at all."""

from typing import Any

import pytest
from conformance.mutants.senders.making import make, mutants
from conformance.sender.bridge import Bridge, serving

from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.sender.adapter import Feature, SenderAdapter
from hookline_conformance.sender.adapters.bridge import BridgeAdapter
from hookline_conformance.verdict import Status
from hookline_proto.conformance.v1 import sender_bridge_pb2 as pb
from hookline_proto.conformance.v1 import sender_bridge_pb2_grpc as pb_grpc

pytestmark = pytest.mark.timeout(300)  # two are whole runs


async def test_a_good_sender_passes_everything_through_a_bridge() -> None:
    adapter = make()
    async with serving(Bridge(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="bridge"), Options(seed=3))
    await adapter.close()
    assert report.no_verdict == ""
    assert {verdict.requirement.id: verdict.detail for verdict in report.verdicts if verdict.status is not Status.PASSED} == {}


async def test_a_mutant_is_killed_through_a_bridge() -> None:
    mutant = next(one for one in mutants() if one.name == "retries-early")
    adapter = make(mutant)
    async with serving(Bridge(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="bridge"), Options(only=frozenset({mutant.breaks})))
    await adapter.close()
    assert [verdict.status for verdict in report.verdicts] == [Status.FAILED]
    assert report.exit_code == 1


async def test_what_a_bridge_does_not_name_is_unsupported_and_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare(Bridge):
        async def Describe(self, request: Any, context: Any) -> pb.DescribeResponse:
            answer = await super().Describe(request, context)
            del answer.features[:]
            answer.features.append(pb.FEATURE_VIRTUAL_CLOCK)
            return answer

        async def Restart(self, request: Any, context: Any) -> pb.RestartResponse:
            raise AssertionError("not named, and called")

        PauseTarget = RotateSecret = UpdateTarget = Attempts = Restart

    adapter = make()
    # Checks of a timeout that cannot be set wait for as long as it is.
    monkeypatch.setitem(type(adapter).attempt.__globals__, "TIMEOUT", 3.0)  # type: ignore[attr-defined]  # the reference's
    async with serving(Bare(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="bridge", patience=3.0), Options())
    await adapter.close()
    assert report.no_verdict == ""
    statuses = {verdict.requirement.id: verdict.status for verdict in report.verdicts}
    assert statuses["ROT-101"] is statuses["SUB-104"] is statuses["ORD-101"] is Status.UNSUPPORTED
    assert {verdict.requirement.id: verdict.detail for verdict in report.verdicts if verdict.status is Status.FAILED} == {}


async def test_describe_configure_and_emit_are_enough() -> None:
    class Three(Bridge):
        async def Describe(self, request: Any, context: Any) -> pb.DescribeResponse:
            answer = await super().Describe(request, context)
            del answer.features[:]
            return answer

        DeleteTarget = pb_grpc.SenderBridgeServicer.DeleteTarget

    adapter = make()
    async with serving(Three(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="bridge"), Options(only=frozenset({"SIG-101"})))
    await adapter.close()
    assert report.no_verdict == ""
    assert [verdict.status for verdict in report.verdicts] == [Status.PASSED]


async def test_a_bridge_that_names_deletion_and_does_not_know_it_reaches_no_verdict() -> None:
    class Liar(Bridge):
        DeleteTarget = pb_grpc.SenderBridgeServicer.DeleteTarget

    adapter = make()
    async with serving(Liar(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="liar"), Options(only=frozenset({"SIG-101"})))
    await adapter.close()
    assert report.exit_code == 2
    assert "DeleteTargetRequest" in report.no_verdict


async def test_a_bridge_that_lies_about_its_features_reaches_no_verdict() -> None:
    class Liar(Bridge):
        async def RotateSecret(self, request: Any, context: Any) -> pb.RotateSecretResponse:
            raise NotImplementedError

    adapter = make()
    async with serving(Liar(adapter)) as address:
        report = await run(SenderTarget(BridgeAdapter(address), name="liar"), Options(areas=frozenset({"ROT"})))
    await adapter.close()
    assert report.exit_code == 2
    assert "RotateSecretRequest" in report.no_verdict


async def test_a_bridge_that_is_not_there_reaches_no_verdict() -> None:
    report = await run(SenderTarget(BridgeAdapter("127.0.0.1:1"), name="nobody"), Options())
    assert report.exit_code == 2
    assert "127.0.0.1:1" in report.no_verdict


async def test_a_sender_that_delivers_nothing_reaches_no_verdict() -> None:
    adapter = make()
    adapter.is_free = lambda delivery: False  # type: ignore[attr-defined]  # nothing may leave the reference sender's queue
    report = await run(SenderTarget(adapter, name="mute", patience=0.3), Options())
    assert report.exit_code == 2
    assert "no request came" in report.no_verdict


async def test_an_adapter_without_the_method_it_declares_reaches_no_verdict() -> None:
    adapter = make()
    assert isinstance(adapter, SenderAdapter)
    adapter.pause = lambda target: SenderAdapter.pause(adapter, target)  # type: ignore[method-assign]  # as if it had none
    report = await run(SenderTarget(adapter, name="liar"), Options(only=frozenset({"SUB-104"})))
    assert report.exit_code == 2
    assert Feature.PAUSE in report.no_verdict
