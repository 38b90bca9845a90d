"""Every store passes the same suite; the kinds stand in kinds.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from store.kinds import HEART, KINDS, OWN

from hookline.store import Store


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of the suite once for each kind of store."""
    if "store" in metafunc.fixturenames:
        heart = metafunc.module.__name__.rpartition(".")[2] in HEART
        metafunc.parametrize("store", [*KINDS, *(OWN if heart else ())], indirect=True)


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = (KINDS | OWN)[request.param](tmp_path)
    await opened.open()
    yield opened
    await opened.close()
