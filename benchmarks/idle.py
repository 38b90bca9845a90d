"""From emit to request while there is little to do: hookline beside the bare relay, in turn."""

from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks import served
from benchmarks.figure import RELAY_IDLE, Figure, rounds_ratio
from benchmarks.server import RELAY

ROUNDS: Final = 5
RATE: Final = 50
"""Events a second."""


async def measure(
    label: str, url: str, seconds: float, store: Callable[[], Awaitable[str]] | None = None, *, p50: float, p99: float
) -> list[Figure]:
    """The latencies of a server on a new file, or on what `store` gives, in rounds of `seconds`; `p50` and `p99` ms are wanted."""
    relay: list[tuple[float, float]] = []
    found: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        relay.append(await served.idle(url, rate=RATE, seconds=seconds, program=RELAY))
        found.append(await served.idle(url, rate=RATE, seconds=seconds, store=await store() if store else ""))
    middle, late = (served.median([each[place] for each in found]) for place in (0, 1))
    ratio = rounds_ratio([each for each, _ in found], [each for each, _ in relay])
    most = p50 / RELAY_IDLE
    return [
        Figure(name=f"{label}, emit to request, p50", value=middle, unit="ms", target=f"<= {p50:g} ms", met=middle <= p50),
        Figure(
            name="  beside the bare relay",
            value=served.median([each for each, _ in relay]),
            unit="ms there",
            bare="bare relay",
            ratio_to_bare=ratio,
            target=f"<= {most:.2f} of the bare relay ({p50:g} ms where it takes {RELAY_IDLE:g})",
            met=ratio <= most,
        ),
        Figure(name=f"{label}, emit to request, p99", value=late, unit="ms", target=f"<= {p99:g} ms", met=late <= p99),
    ]
