"""One seed from beginning to end."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b

from simulation.bugs import planted
from simulation.enemy import Enemy, Stuck
from simulation.late import Late
from simulation.laws import judge
from simulation.loop import Loop, live
from simulation.scenario import scenario
from simulation.variety import varied
from simulation.world import World

from hookline.engine import retention

NEVER = 1e9
SHOWN = 40
"""Lines of a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a seed; equal in every run of it."""

    seed: int
    broken: tuple[tuple[str, str], ...]
    digest: str
    attempts: int
    events: int
    seconds: float
    """Of the world's own time."""
    trace: tuple[str, ...] = ()

    def text(self, bug: str = "") -> str:
        """As it is printed."""
        laws = "\n".join(f"  BROKEN: {law}: {how}" for law, how in self.broken[:5])
        again = f"PYTHONPATH=tests python -m simulation --first {self.seed} --seeds 1 --trace" + (f" --bug {bug}" if bug else "")
        return "\n".join([f"seed {self.seed}", laws, *(f"    {line}" for line in self.trace), f"  again: {again}"])


class _Faults(logging.Handler):
    """What the engine itself calls a fault."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(logging.ERROR)
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and not self._loop.over:
            self._loop.faults.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


def run(seed: int, bug: str = "", *, whole: bool = False) -> Outcome:
    """Live through a seed, with a bug in it if one is named; `whole`: with all of its trace."""
    logger = logging.getLogger("hookline")
    with planted(bug) if bug else nullcontext():
        outcome = live(lambda: _lived(seed, logger, whole=whole))
        late = Late(seed)
        broken = live(late.run)
    digest = blake2b("\n".join([outcome.digest, *late.lines]).encode(), digest_size=16).hexdigest()
    shown = outcome.trace
    if broken and not outcome.broken:
        shown = tuple(late.lines[-SHOWN:])
    return replace(outcome, digest=digest, broken=(*outcome.broken, *broken), trace=shown)


async def _lived(seed: int, logger: logging.Logger, *, whole: bool) -> Outcome:

    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    world = World(varied(scenario(seed)), loop)
    handler = _Faults(loop)
    logger.addHandler(handler)
    propagates, logger.propagate, level = logger.propagate, False, logger.level
    logger.setLevel(logging.ERROR)
    interval, retention.INTERVAL = retention.INTERVAL, NEVER
    try:
        await world.store.open()
        await Enemy(world).run()
        judge(world)
    except Stuck as stuck:
        world.books.blame("stuck", str(stuck))
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
        logger.setLevel(level)
        retention.INTERVAL = interval
        await world.store.close()
    books = world.books
    return Outcome(
        seed=seed,
        broken=tuple(books.faults),
        digest=books.digest(),
        attempts=len(books.begun),
        events=len(books.committed),
        seconds=loop.now,
        trace=tuple(books.lines) if whole else _about(books.faults, books.lines),
    )


def _about(faults: Sequence[tuple[str, str]], lines: Sequence[str]) -> tuple[str, ...]:
    """The last lines that have to do with the first fault."""
    if not faults:
        return ()
    names = [word.strip(",:'[]()") for word in faults[0][1].split() if word.startswith(("dlv_", "evt_", "['evt_"))]
    about = [line for line in lines if any(name in line for name in names)] or list(lines)
    return tuple(about[-SHOWN:])
