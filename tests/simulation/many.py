"""Many seeds, in several processes."""

import multiprocessing
from collections.abc import Iterator, Sequence

from simulation.run import Outcome, run

CHUNK = 25
"""Seeds that a process is given at a time."""


def some(asked: tuple[Sequence[int], str, bool]) -> list[Outcome]:
    """What became of these seeds, with this bug planted, with or without the whole trace."""
    seeds, bug, whole = asked
    return [run(seed, bug, whole=whole) for seed in seeds]


def outcomes(first: int, seeds: int, processes: int, bug: str, *, whole: bool) -> Iterator[Outcome]:
    """What became of each of `seeds` seeds from `first` on, in order."""
    chunks = [(range(at, min(at + CHUNK, first + seeds)), bug, whole) for at in range(first, first + seeds, CHUNK)]
    if processes == 1 or len(chunks) == 1:
        for chunk in chunks:
            yield from some(chunk)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for found in pool.imap(some, chunks):
            yield from found
