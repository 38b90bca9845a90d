"""What makes days of virtual time cheap."""

from collections.abc import Iterator

import pytest

from hookline.engine import retention


@pytest.fixture(scope="session", autouse=True)
def _rare_retention() -> Iterator[None]:
    """Retention looks every six hours: nothing here waits for it, and tests that live through weeks would pay for each look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "INTERVAL", 6 * 3_600.0)
        yield
