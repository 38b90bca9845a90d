"""The laws that can be judged when all is over: what was promised to callers, and how receivers were treated."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from simulation.books import Begun, Books
from simulation.model import admits, tag_of
from simulation.scenario import Mood
from simulation.world import World

from hookline.model import SubscriptionState
from hookline.rate import burst_of
from hookline.store.protocol import LaneKey

PENDING, DELIVERED, EXHAUSTED, CANCELLED = None, 1, 2, 3
FAIR = 3.0
"""Seconds: when nobody but other receivers fails, a receiver that is well has its request so soon, handovers included."""
_DELIVERIES = """
SELECT d.id, g.name, e.id, e.data, d.replay, x.state, x.reason, x.run, x.attempts, d.webhook_id
FROM delivery d JOIN lane g ON g.no = d.lane JOIN event e ON e.pos = d.event
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
"""
_REASONS = ("cancelled by hand", "its subscription was deleted", "discarded when its subscription was resumed",
            "held for more than", "the subscription's filter does not admit the event")  # fmt: skip


def judge(world: World) -> None:
    """Write every broken law into the books."""
    _callers(world)
    _deliveries(world)
    lanes: defaultdict[tuple[LaneKey, int], list[Begun]] = defaultdict(list)
    for begun in world.books.begun:
        if begun.valid:
            lanes[begun.key, begun.epoch].append(begun)
    for tries in lanes.values():
        _rates(world.books, tries)
        if not _disturbed(world.books, tries):
            _breaker(world.books, tries)
            _rests(world.books, tries)
    if world.scenario.calm:
        _fair(world)
    for fault in world.loop.faults:
        world.books.blame("nothing fails unheard", fault)


def _callers(world: World) -> None:
    """What was acknowledged is there, once; what was refused is not."""
    books = world.books
    found: defaultdict[int, list[str]] = defaultdict(list)
    for name, data in world.store.rows.execute("SELECT id, data FROM event ORDER BY pos"):
        found[tag_of(data)].append(name)
    for told in books.told.values():
        names = found[told.tag]
        if len(names) > 1:
            books.blame("what was said once, and what was repeated with its key, is one event", f"{told.tag}: {names}")
        if set(told.acknowledged) - set(names):
            books.blame("what was acknowledged is there", f"{told.tag}: {set(told.acknowledged) - set(names)}")
        if names and told.refused == told.asked:
            books.blame("what was refused is not there", f"{told.tag}: {names}")
        if told.asked and names and names[0] not in books.committed:
            books.blame("what is there was committed", f"{told.tag}: {names}")


def _deliveries(world: World) -> None:
    """Each event has one delivery for each subscription that it matched, and each has ended as it may."""
    books = world.books
    by_event: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    replays: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, where, event, _, replay, state, reason, run, attempts, webhook in world.store.rows.execute(_DELIVERIES):
        lane = where.partition("/")[0]
        (replays[replay] if replay else by_event[event])[event if replay else lane] += 1
        said = f"{name} of {event} for {lane}: {state} ({reason}), run {run}, {attempts} attempts"
        if state is PENDING:
            books.blame("nothing is pending for ever", said)
        elif state == DELIVERED and not books.taken[lane, webhook or event]:
            books.blame("what counts as delivered was taken by its receiver", said)
        elif state == CANCELLED and not (name in books.cancelled or reason.startswith(_REASONS[1:])):
            books.blame("nothing is cancelled without a reason", said)
        if run is not None and run > 1 + books.requeued.get(name, 0):
            books.blame("a new run is made by hand alone", said)
    for event, committed in books.committed.items():
        _fan(books, event, committed.must, by_event[event], fanout=committed.fanout)
    _replays(world, replays)


def _fan(books: Books, event: str, must: frozenset[str], made: dict[str, int], *, fanout: bool) -> None:
    if fanout:  # behind the acknowledgement: what was changed meanwhile may have it or not
        must = frozenset(name for name in must if len(books.changes[name]) == 1)
        extra = {name for name in made if name not in books.changes}
    else:
        extra = made.keys() - must
    if must - made.keys():
        books.blame("nothing acknowledged is lost", f"{event} has no delivery for {sorted(must - made.keys())}")
    if extra:
        books.blame("nobody gets what was not for him", f"{event} has deliveries for {sorted(extra)}")
    if any(count > 1 for count in made.values()):
        books.blame("one delivery for an event and a subscription", f"{event}: {dict(made)}")


def _replays(world: World, replays: dict[str, defaultdict[str, int]]) -> None:
    """A replay has every event of its time that matches, once."""
    books = world.books
    for name, (at, count) in books.replays.items():
        subject, cancelled, created = world.store.rows.execute(
            "SELECT subject, cancelled, created FROM job WHERE id = ?", (name,)
        ).fetchone()
        stands = books.subscriptions.get(subject)
        changes = books.changes[subject]
        if stands is None or cancelled or any(change.at > at for change in changes):
            continue
        made = replays.get(name, defaultdict(int))
        for event, committed in list(books.committed.items())[:count]:
            wanted = admits(stands, committed.kind, committed.tag) and committed.accept < created
            if wanted and not made[event]:
                books.blame("a replay has all of its time", f"{name} for {subject} misses {event}")
        if any(number > 1 for number in made.values()):
            books.blame("a replay has each event once", f"{name}: {dict(made)}")


def _disturbed(books: Books, tries: list[Begun]) -> bool:
    """What a lane is spared cannot be told from outside when somebody changed it, or set its node's clock, meanwhile."""
    first, last = tries[0], tries[-1]
    names = {begun.process.name for begun in tries}
    if any(begun.thawed for begun in tries):
        return True
    changed = any(first.at - 9.0 < change.at <= last.at for change in books.changes[first.subscription.id][1:])
    return changed or any(name in names and first.at <= at <= last.at for name, at in books.jumps) or bool(first.state)


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


def _fair(world: World) -> None:
    """The first receiver is well; whatever the others do, it need not wait for them."""
    books = world.books
    first = next(iter(books.changes))
    stands = books.subscriptions[first]
    if stands.state is not SubscriptionState.ACTIVE or world.scenario.moods[0] is not Mood.WELL:
        return
    begun: dict[str, float] = {}
    for one in books.begun:
        if one.subscription.id == first:
            begun.setdefault(one.work.event.id, one.at)
    for event, committed in books.committed.items():
        if first in committed.must and not committed.fanout and begun[event] - committed.at > FAIR:
            books.blame("a receiver that is well waits for no other", f"{event} waited {begun[event] - committed.at:.3f} s")
