"""Generated sequences find what single scenes do not, and show the shortest one."""

import pytest
from conformance.mutants.senders.making import make, mutants

from hookline_conformance.runner import Options, run
from hookline_conformance.sender import SenderTarget
from hookline_conformance.verdict import Status

KILLED = (
    "queue-in-memory",
    "retries-at-once",
    "timestamp-of-the-event",
    "signs-the-body-alone",
    "forgets-keys-at-once",
    "events-for-deleted-targets",
)


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
