"""Every store passes the same suite; the kinds stand in kinds.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from store.kinds import KINDS

from hookline.store import Store


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = KINDS[request.param](tmp_path)
    await opened.open()
    yield opened
    await opened.close()
