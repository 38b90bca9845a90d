"""Kills, stops, restarts and broken connections, and at the end the account: nothing lost, nobody out of turn."""

import os
from pathlib import Path

import pytest
from chaos.run import chaos
from postgres.server import programs

KILLS = int(os.environ.get("CHAOS_KILLS", "50"))
SEED = int(os.environ.get("CHAOS_SEED", "6"))
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash"), pytest.mark.timeout(300 + 10 * KILLS)]


async def test_whatever_dies_stalls_or_breaks_every_event_is_accounted_for(tmp_path: Path) -> None:
    programs()  # skipped where there is none
    account = await chaos(seed=SEED, kills=KILLS, folder=tmp_path, say=print)
    print(account.text())
    assert account.faults == [], account.text()
    assert account.numbers["deliveries owed"] > 10 * KILLS
