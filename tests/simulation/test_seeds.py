"""Every law holds in these seeds, and a seed is the same world in every run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.run import Outcome, run

SEEDS = range(1, 101)
CHUNK = 20
FOUND = {
    311: "an ordering key whose head was cancelled while its outcome was repeated was held for ever",
    5170: "what was read of one key came into a window that had been filled meanwhile",
}
"""Seeds that have failed because of a defect, each with what it was; they are lived through ever after."""
TESTS = Path(__file__).parents[1]
DIGESTS = "from simulation.run import run; print(*[run(seed).digest for seed in (3, 7, 25, 42)])"


@pytest.mark.parametrize("first", SEEDS[::CHUNK])
def test_every_law_holds(first: int) -> None:
    broken = [outcome.text() for outcome in map(run, range(first, first + CHUNK)) if outcome.broken]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_that_has_failed_fails_no_more(seed: int) -> None:
    outcome = run(seed)
    assert not outcome.broken, f"{FOUND[seed]}\n{outcome.text()}"


def test_a_seed_is_the_same_world_in_every_run_and_another_seed_is_another_world() -> None:
    digests = [run(seed).digest for seed in (3, 7, 25, 3)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_a_seed_is_the_same_world_in_every_process_whatever_strings_hash_to() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env=os.environ | {"PYTHONPATH": str(TESTS), "PYTHONHASHSEED": hashed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hashed in ("0", "1", "4711")
    }
    assert len(said) == 1


def test_a_run_that_finds_something_fails_and_prints_the_seed_and_the_command_that_repeats_it() -> None:
    ran = _simulate("--seeds", "3", "--processes", "1", "--bug", "half-open-lets-all-through")
    assert ran.returncode == 1, ran.stderr
    assert "BROKEN: the breaker lets one probe through" in ran.stdout
    seed = ran.stdout.split("seed ", 1)[1].split()[0]
    assert f"python -m simulation --first {seed} --seeds 1 --trace --bug half-open-lets-all-through" in ran.stdout
    assert f"seeds broke a law: {seed}" in ran.stdout
    again = _simulate("--first", seed, "--seeds", "1", "--bug", "half-open-lets-all-through")
    assert again.returncode == 1
    assert "BROKEN: the breaker lets one probe through" in again.stdout


def test_a_run_that_finds_nothing_says_so() -> None:
    ran = _simulate("--seeds", "2", "--processes", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Every law held." in ran.stdout


def _simulate(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "simulation", *options]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(TESTS)}, check=False, capture_output=True, text=True)


def test_what_broke_is_printed_with_the_seed_the_law_and_how_to_repeat_it() -> None:
    broken = (("order within a key", "dlv_1 before dlv_0"),)
    outcome = Outcome(seed=4711, broken=broken, digest="", attempts=2, events=1, seconds=1.0, trace=("1.0 attempt dlv_1",))
    text = outcome.text("a-bug")
    assert "seed 4711\n" in text
    assert "BROKEN: order within a key: dlv_1 before dlv_0" in text
    assert "1.0 attempt dlv_1" in text
    assert "PYTHONPATH=tests python -m simulation --first 4711 --seeds 1 --trace --bug a-bug" in text
