"""The laws of how a receiver is spared: its rate, its breaker, its rest, and that a lane narrows when it has too much to do.

They are judged over a chain of leases: an owner that hands a lane over in order, or leaves, hands on what it knows.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from simulation.books import Begun, Books

from hookline.rate import burst_of
from hookline.store.protocol import LaneKey

GROWTH = 0.25
"""By how many requests at a time a success widens a lane that was narrowed, at most."""


def judge_spared(books: Books) -> None:
    """Write every broken law into the books."""
    lanes: defaultdict[LaneKey, defaultdict[int, list[Begun]]] = defaultdict(lambda: defaultdict(list))
    for begun in books.begun:
        if begun.valid:
            lanes[begun.key][begun.epoch].append(begun)
    for epochs in lanes.values():
        for tries in epochs.values():
            _rates(books, tries)
            if not _disturbed(books, tries):
                _narrowed(books, tries)
        for tries in _chains(books, epochs):
            if not tries[0].state and not _disturbed(books, tries):
                _breaker(books, tries)
                _rests(books, tries)


def _chains(books: Books, epochs: dict[int, list[Begun]]) -> Iterator[list[Begun]]:
    """The attempts of one lease after the other, for as long as each was given up in order."""
    chain: list[Begun] = []
    last = 0
    for epoch in sorted(epochs):
        tries = epochs[epoch]
        joined = all((tries[0].key, former) in books.orderly for former in range(last, epoch))
        # The clocks of two nodes that were never set are one.
        strangers = {one.process.name for one in (*chain, *tries)} & {name for name, _ in books.jumps}
        if chain and not (joined and not strangers):
            yield chain
            chain = []
        chain = [*chain, *tries]
        last = epoch
    if chain:
        yield chain


def _disturbed(books: Books, tries: list[Begun]) -> bool:
    """What a lane is spared cannot be told from outside when somebody changed it, or set its node's clock, meanwhile."""
    first, last = tries[0], tries[-1]
    names = {begun.process.name for begun in tries}
    if any(begun.thawed for begun in tries):
        return True
    changed = any(first.at - 9.0 < change.at <= last.at for change in books.changes[first.subscription.id][1:])
    return changed or any(name in names and first.at <= at <= last.at for name, at in books.jumps)


def _rates(books: Books, tries: list[Begun]) -> None:
    """No span has more requests than its length and the burst allow."""
    limit = tries[0].subscription.rate
    if limit is None or any(begun.subscription.rate != limit for begun in tries):
        return
    jumps = [at for name, at in books.jumps if name == tries[0].process.name]
    tries = [begun for begun in tries if not begun.unmade]
    for first, last in combinations(range(len(tries)), 2):
        since, until = tries[first].at, tries[last].at
        if tries[first].thawed or tries[last].thawed or any(since <= at <= until for at in jumps):
            continue
        most = burst_of(limit) + limit.requests_per_second * (until - since) + 1e-3
        if last - first + 1 > most:
            books.blame("no more requests than the rate", f"{last - first + 1} from {since} to {until} for {tries[0].key.lane}")
            return


def _events(tries: list[Begun]) -> Iterator[tuple[float, bool, Begun]]:
    """Starts (`True`) and ends as they came."""
    starts = [(begun.order, begun.at, True, begun) for begun in tries]
    ends = [(begun.end_order, begun.end, False, begun) for begun in tries if begun.end is not None]
    for _, at, start, begun in sorted([*starts, *ends], key=lambda one: one[0]):
        yield at, start, begun


def _breaker(books: Books, tries: list[Begun]) -> None:
    """While it is open nothing starts, and then one probe at a time."""
    policy = tries[0].subscription.breaker
    if policy.off:
        return
    failures, openings, until = 0, 0, 0.0
    probe: Begun | None = None
    for at, starts, begun in _events(tries):
        if starts and openings:
            if at < until - 1e-5 or probe is not None:
                why = f"open until {until:.3f}" if probe is None else "another probe is under way"
                books.blame("the breaker lets one probe through", f"{begun.work.delivery_id} at {at:.4f}, {why}")
                return
            probe = begun
        elif not starts:
            was_probe = probe is begun
            probe = None if was_probe else probe
            if begun.ours:
                continue
            if not begun.failed:
                failures, openings, probe = 0, 0, None
                continue
            failures += 1
            if was_probe or (not openings and failures >= policy.consecutive_failures):
                until = at + min(policy.open_for * 2.0**openings, policy.open_at_most)
                openings += 1


def _rests(books: Books, tries: list[Begun]) -> None:
    """Who asks to be left alone is, by the whole lane."""
    until = 0.0
    for at, starts, begun in _events(tries):
        if starts and at < until - 1e-5:
            books.blame(
                "a receiver is left alone for as long as it asks", f"{begun.work.delivery_id} at {at:.4f}, not before {until:.4f}"
            )
            return
        if not starts and begun.failed and not begun.ours and begun.retry_after is not None and begun.status in {429, 503}:
            until = max(until, at + begun.retry_after)


def _narrowed(books: Books, tries: list[Begun]) -> None:
    """After an answer that shows that a receiver has too much to do, it has half as much at a time, until it bears more."""
    full = tries[0].subscription.max_in_flight
    width, under_way, narrowed = float(full), 0, False
    for at, starts, begun in _events(tries):
        if starts:
            under_way += 1
            if narrowed and under_way > max(1.0, width):
                books.blame(
                    "a lane narrows when its receiver has too much to do",
                    f"{begun.work.delivery_id} at {at:.4f} is one of {under_way}, and it may have {width:g} of {full}",
                )
                return
            continue
        under_way -= 1
        if begun.ours:
            continue
        if begun.slow and not narrowed:
            width, narrowed = full / 2, True
        elif narrowed and not begun.failed:
            width += GROWTH
