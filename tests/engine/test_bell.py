"""A ring that comes while somebody looks is not lost."""

import asyncio
from types import SimpleNamespace
from typing import Any

from engine.virtual import now, virtual

from hookline.embedded.watch import watch
from hookline.engine.bell import Bell
from hookline.model import Checkpoint


@virtual
async def test_whoever_says_what_rang_before_the_look_waits_for_no_ring_that_came_since() -> None:
    bell = Bell()
    rung = bell.rung
    bell.ring()
    assert await bell.wait(60.0, since=rung)
    assert now() == 0.0
    assert not await bell.wait(60.0, since=bell.rung)
    assert now() == 60.0


@virtual
async def test_a_ring_waits_for_nobody_who_comes_later() -> None:
    bell = Bell()
    bell.ring()
    assert not await bell.wait(1.0)


@virtual
async def test_a_watch_looks_again_at_once_for_what_came_while_it_looked() -> None:
    changed = Bell()
    change = SimpleNamespace(pos=1, delivery=SimpleNamespace(subscription_id="s"), attempt=None)

    class Store:
        looks = 0

        async def head(self, _: str) -> int:
            return 0

        async def horizon(self, _: str) -> int:
            return 0

        async def changes(self, _: str, *, after: int, limit: int) -> list[Any]:
            self.looks += 1
            await asyncio.sleep(0)
            if self.looks == 1:
                changed.ring()  # it is committed just after the page was read
                return []
            return [change]

    engine: Any = SimpleNamespace(store=Store(), changed=changed, clock=SimpleNamespace(monotonic=now))
    watching = watch(engine, "acme", "", "")
    assert isinstance(await anext(watching), Checkpoint)
    assert (await anext(watching)).cursor == "c1-1"
    assert now() == 0.0
    await watching.aclose()  # type: ignore[attr-defined]  # it is a generator
