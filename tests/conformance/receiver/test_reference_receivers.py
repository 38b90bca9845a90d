"""Good receivers pass everything that applies, whatever the seed; without a probe nothing of effects is passed."""

import asyncio
import time

import pytest
from conformance.mutants.receivers.http_server import Refused, Request
from conformance.mutants.receivers.reference import GOOD, Receiver, Standard
from conformance.mutants.receivers.running import judge
from conformance.seeds import SEEDS

from hookline_conformance import Binds, Mode, Options, Status, checks_binding, load_catalogue, run
from hookline_conformance.receiver import ReceiverTarget
from hookline_conformance.receiver.effects import Effects
from hookline_conformance.receiver.watch import EffectsWatch
from hookline_conformance.schemes import Message, Mismatch, scheme_named

EFFECTS = "a way to see effects"


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.__name__)
async def test_a_good_receiver_passes_everything_that_applies(good: type[Receiver]) -> None:
    report = await judge(good(), mode=Mode.FULL if good is Standard else Mode.QUICK)
    assert report.no_verdict == ""
    assert [str(failure.detail) for failure in report.failures] == []
    assert report.exit_code == 0
    applicable = [item for item in load_catalogue().binding(report.kind) if item.applies_to(good.scheme)]
    assert [verdict.requirement for verdict in report.verdicts] == applicable


class ByReference(Receiver):
    """A receiver that verifies with the suite's own reference: shows that no check raises a false alarm for its scheme."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.scheme = name
        self.kind = scheme_named(name)
        self.secrets = (self.kind.generate_secret(), self.kind.generate_secret())
        self.retired = (self.kind.generate_secret(),)

    def verify(self, request: Request) -> str:
        message = Message(method=request.method, url=request.url, headers=request.headers, body=request.body)
        try:
            event_id = self.kind.verify(message, self.secrets, time.time()).id
        except Mismatch:
            raise Refused(401) from None
        if not event_id:
            raise Refused(400)
        return event_id


@pytest.mark.parametrize("name", ["svix", "slack", "hubspot", "shopify", "segment"])
async def test_no_check_raises_a_false_alarm_for_the_other_schemes(name: str) -> None:
    report = await judge(ByReference(name))
    assert report.no_verdict == ""
    assert [f"{failure.requirement.id} {failure.detail}" for failure in report.failures] == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_seed_gives_the_same_verdicts(seed: int) -> None:
    report = await judge(Standard(), seed=seed)
    assert report.no_verdict == ""
    assert {v.requirement.id: v.detail for v in report.verdicts if v.status is Status.FAILED} == {}
    passed = {v.requirement.id for v in report.verdicts if v.status is Status.PASSED}
    checked = {name for check in checks_binding(Binds.RECEIVER) if check.quick for name in check.requirements}
    applicable = {item.id for item in load_catalogue().binding(Binds.RECEIVER) if item.applies_to("standard")}
    assert passed == checked & applicable


class Later(Standard):
    """Acknowledges at once, and takes effect later: every seventh event half a second later, once the suite has got used to it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def effect(self, event_id: str) -> None:
        self.taken += 1
        late = 0.5 if self.taken % 7 == 0 else 0.01
        asyncio.get_running_loop().call_later(late, super().effect, event_id)


async def test_effects_that_come_late_are_not_taken_for_those_of_forged_deliveries() -> None:
    report = await judge(Later())
    assert report.no_verdict == ""
    assert {v.requirement.id: v.detail for v in report.failures} == {}


class Asynchronous(Standard):
    """Acknowledges at once, and hands the effect to something that takes a while: every one of them."""

    def effect(self, event_id: str) -> None:
        asyncio.get_running_loop().call_later(0.2, super().effect, event_id)


@pytest.mark.timeout(600)
async def test_a_receiver_whose_effects_all_come_late_passes_everything_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []  # for how many times the lag each of them is
    settled = EffectsWatch.settled

    async def counted(watch: EffectsWatch) -> Effects:
        waits.append(max(0.0, watch._last_exchange + watch.lag - time.monotonic()) / watch.lag)
        return await settled(watch)

    monkeypatch.setattr(EffectsWatch, "settled", counted)
    report = await judge(Asynchronous())
    assert sum(waits) < 100, "as many as for one or two checks, had each example waited"
    assert report.no_verdict == ""
    assert {v.requirement.id: v.detail for v in report.failures} == {}


class Queueing(Standard):
    """Acknowledges at once, and handles one event after the other, each for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.free = 0.0

    def effect(self, event_id: str) -> None:
        loop = asyncio.get_running_loop()
        self.free = max(self.free, loop.time()) + 0.03
        loop.call_at(self.free, super().effect, event_id)


async def test_a_receiver_that_is_behind_with_its_queue_is_waited_for() -> None:
    report = await judge(Queueing(), only=frozenset({"IDM-012", "IDM-014", "IDM-015"}))
    assert {v.requirement.id: (v.status, v.detail) for v in report.verdicts if v.status is not Status.PASSED} == {}


@pytest.mark.parametrize("before", ["STA-002", "HDR-008", "HDR-009"])
async def test_late_effects_of_what_came_over_a_kept_connection_are_known_too(before: str) -> None:
    report = await judge(Asynchronous(), only=frozenset({before, "TIM-012"}))
    assert {v.requirement.id: (v.status, v.detail) for v in report.verdicts if v.status is not Status.PASSED} == {}


async def test_a_late_effect_of_a_forged_delivery_is_found() -> None:
    class Broken(Asynchronous):
        def refuse(self, content: bytes) -> Refused:
            self.effect("forged")
            return super().refuse(content)

    report = await judge(Broken(), only=frozenset({"SIG-018"}))
    assert [v.requirement.id for v in report.failures] == ["SIG-018"]
    assert "another key" in report.failures[0].expected


async def test_without_a_probe_what_needs_effects_is_not_checked() -> None:
    receiver = Standard()
    await receiver.start()
    try:
        target = ReceiverTarget(url=f"http://127.0.0.1:{receiver.port}/", scheme=scheme_named("standard"), secrets=receiver.secrets)
        report = await run(target, Options(mode=Mode.QUICK))
    finally:
        await receiver.stop()
    assert report.exit_code == 0
    statuses = {verdict.requirement.id: verdict.status for verdict in report.verdicts}
    for requirement in load_catalogue().binding(report.kind):
        if EFFECTS in requirement.note and requirement.id in statuses:
            assert statuses[requirement.id] is Status.NOT_CHECKED


async def test_a_polite_run_sends_nothing_hostile() -> None:
    receiver = Standard()
    methods: list[int] = []
    good = receiver.limited
    receiver.limited = lambda length: methods.append(length) or good(length)
    allowed: set[str] = set()
    receiver.allows = lambda method: allowed.add(method) or method == "POST"
    await receiver.start()
    try:
        target = ReceiverTarget(url=f"http://127.0.0.1:{receiver.port}/", scheme=scheme_named("standard"), secrets=receiver.secrets)
        report = await run(target, Options(mode=Mode.QUICK, safe=True))
    finally:
        await receiver.stop()
    statuses = {verdict.requirement.id: verdict.status for verdict in report.verdicts}
    assert statuses["SAF-001"] is Status.NOT_CHECKED
    assert statuses["SIG-001"] is Status.PASSED
    assert max(methods) <= 110 * 1024
    assert allowed == {"POST"}
    assert statuses["HDR-011"] is statuses["PAY-011"] is Status.NOT_CHECKED
