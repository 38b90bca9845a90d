"""What stands still here is the machine: these receivers are good ones, and are given time."""

import pytest


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute for what takes a second, or ten of them, at most."""
    for name in ("target._LEAST_PATIENCE", "watch._EFFECT_SECONDS", "effects._SECONDS"):
        monkeypatch.setattr(f"hookline_conformance.receiver.{name}", 60.0)
