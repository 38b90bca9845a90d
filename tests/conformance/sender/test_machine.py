"""Generated sequences find what single scenes do not, and show the shortest one."""

from dataclasses import replace

import pytest
from conformance.mutants.senders.making import make, mutants

from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.sender.adapter import Capabilities, Feature, Refused, TargetSpec
from hookline_conformance.sender.endpoint import Request
from hookline_conformance.sender.model import Event, Model
from hookline_conformance.verdict import Status

pytestmark = pytest.mark.timeout(300)  # searches may take a while on a busy machine
KILLED = (
    "queue-in-memory",
    "retries-at-once",
    "timestamp-of-the-event",
    "signs-the-body-alone",
    "forgets-keys-at-once",
    "events-for-deleted-targets",
)


@pytest.fixture(autouse=True)
def shrinks_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked for is found before it is made small."""
    monkeypatch.setattr("hookline_conformance.explore._SHRINK_SECONDS", 1.0)


@pytest.mark.parametrize("name", KILLED)
async def test_a_sequence_kills_a_mutant_and_names_the_law(name: str) -> None:
    mutant = next(one for one in mutants() if one.name == name)
    for seed in range(1, 6):  # what one search finds depends on luck, and on the modules that happen to be loaded
        report = await run(SenderTarget(make(mutant), name=name, patience=2.0), Options(seed=seed, only=frozenset({"EMI-104"})))
        (verdict,) = report.verdicts
        if verdict.status is Status.FAILED:
            break
    assert verdict.status is Status.FAILED
    assert verdict.example.startswith("1. ")
    assert verdict.expected


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_good_sender_keeps_the_laws_whatever_the_seed(seed: int) -> None:
    report = await run(SenderTarget(make(), name="reference"), Options(seed=seed, only=frozenset({"EMI-104"})))
    assert report.no_verdict == ""
    assert [verdict.status for verdict in report.verdicts] == [Status.PASSED], report.verdicts[0].example


FIXED = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)


async def test_a_good_sender_whose_longer_schedule_cannot_be_set_keeps_the_laws() -> None:
    sender = make()
    opened, configured = sender.open, sender.configure

    async def open_fixed() -> Capabilities:
        said = await opened()
        return replace(said, features=said.features - {Feature.SCHEDULE}, schedule=FIXED)

    async def configure_fixed(spec: TargetSpec) -> str:
        return await configured(replace(spec, schedule=FIXED))

    sender.open, sender.configure = open_fixed, configure_fixed  # type: ignore[method-assign]  # as if it were another sender
    report = await run(SenderTarget(sender, name="fixed"), Options(seed=1, only=frozenset({"EMI-104"})))
    assert report.no_verdict == ""
    assert [verdict.status for verdict in report.verdicts] == [Status.PASSED], report.verdicts[0].example


async def test_a_good_sender_that_refuses_some_overlaps_keeps_the_laws() -> None:
    sender = make()
    rotated = sender.rotate

    async def rotate(target: str, secret: str, overlap: float) -> str:
        if overlap != 3600.0:
            raise Refused("UNSUPPORTED", f"an overlap of {overlap:g} s cannot be asked for")
        return await rotated(target, secret, overlap)

    sender.rotate = rotate  # type: ignore[method-assign]  # likewise
    report = await run(SenderTarget(sender, name="fussy"), Options(seed=1, only=frozenset({"EMI-104", "ROT-101", "ROT-105"})))
    assert report.no_verdict == ""
    statuses = {verdict.requirement.id: verdict.status for verdict in report.verdicts}
    assert statuses == {"EMI-104": Status.PASSED, "ROT-101": Status.PASSED, "ROT-105": Status.NOT_CHECKED}


def model(**fields: object) -> Model:
    return Model(delays=(1.0, 2.0, 4.0), watched=3, jitter=0.0, grace=0.5, slack=0.0, secrets=[], **fields)


def request(number: int, *, done: bool = True) -> Request:
    made = Request(
        order=1,
        connection=1,
        raw=b"",
        method="POST",
        path="/",
        headers=(("webhook-id", f"evt_{number}"),),
        body=b'{"n": %d}' % number,
        arrived=0.0,
        wall=0.0,
        clock=0.0,
    )
    if done:
        made.done.set()
    return made


def of(found: Model, number: int, time: float, *, succeeded: bool = False, done: bool = True) -> str:
    return found.judge(request(number, done=done), (time, time), succeeded=succeeded)


def event(number: int, **fields: object) -> Event:
    return Event(number=number, event_id=f"evt_{number}", wanted=True, type="a.b", **fields)


def test_a_kill_excuses_what_was_on_the_wire_and_nothing_else() -> None:
    found = model(events={1: event(1), 2: event(2)})
    assert of(found, 1, 0.0, succeeded=True) == ""
    assert of(found, 2, 9.9, succeeded=True) == ""
    found.kill(10.0)
    found.killed()
    assert of(found, 1, 11.0) == "no attempt starts after success"
    assert of(found, 2, 11.0, succeeded=True) == ""
    assert of(found, 2, 14.0) == "no attempt starts after success"


def test_a_kill_does_not_bring_other_retries_forward() -> None:
    found = model(events={1: event(1), 2: event(2)})
    assert of(found, 1, 0.0) == of(found, 1, 1.0) == ""
    assert of(found, 2, 1.9, done=False) == ""
    found.kill(2.0)
    found.killed()
    assert of(found, 1, 2.1) == "at least 2.00 s lie between attempts 2 and 3"
    assert of(found, 2, 2.2) == ""
    assert of(found, 2, 2.4) == "at least 1.00 s lie between attempts 2 and 3"


def test_an_event_for_later_does_not_come_sooner() -> None:
    found = model(events={1: event(1, earliest=20.0)})
    assert of(found, 1, 19.0) == "nothing arrives before its time"
