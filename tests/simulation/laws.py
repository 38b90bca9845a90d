"""The laws that can be judged when all is over: what was promised to callers, and how receivers were treated."""

from collections import defaultdict

from simulation.books import Begun, Books
from simulation.model import admits, tag_of
from simulation.scenario import FAILING, Kind, Mood
from simulation.spared import judge_spared
from simulation.world import World

from hookline.model import SubscriptionState

PENDING, DELIVERED, EXHAUSTED, CANCELLED = None, 1, 2, 3
FAIR = 3.0
"""Seconds: when nobody but other receivers fails, a receiver that is well has its request so soon, handovers included."""
WEIGHED = 1.5
"""So many times the requests of the lighter rival the heavier one, of thrice its weight, has at least."""
GIVES_UP = "nothing but failures"
LATEST = 8.0
"""Seconds until the next attempt after the span is over, whose failure is the one too many."""
NOTICED = 3
"""Notices, of four, that there must be before; of the others a takeover may make one."""
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
    judge_spared(world.books)
    if world.scenario.calm:
        _fair(world)
    if world.scenario.kind is Kind.RIVALS:
        _weighted(world)
    _given_up(world)
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
            wanted = admits(stands, committed.tenant, committed.kind, committed.tag) and committed.accept < created
            if wanted and not made[event]:
                books.blame("a replay has all of its time", f"{name} for {subject} misses {event}")
        if any(number > 1 for number in made.values()):
            books.blame("a replay has each event once", f"{name}: {dict(made)}")


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


def _weighted(world: World) -> None:
    """While two tenants wait for slots, the heavier one has more of them."""
    starts: dict[str, int] = dict.fromkeys(world.scenario.tenants, 0)
    most = max(told.tag for told in world.books.told.values()) // len(starts)
    for begun in world.books.begun:
        if not begun.work.attempts:
            starts[begun.key.tenant] += 1
        if max(starts.values()) == most:
            break
    (heavy,) = world.scenario.weights
    lighter = sum(starts.values()) - starts[heavy]
    if starts[heavy] < WEIGHED * lighter:
        world.books.blame("a tenant of thrice the weight has more of the node", f"{starts} of {most} each")


def _given_up(world: World) -> None:
    """A subscription is disabled after a span of nothing but failures, and not before; and there are notices before."""
    books, tries = world.books, world.books.begun
    for name, changes in books.changes.items():
        ends = sorted((one for one in tries if one.subscription.id == name and one.end is not None and not one.ours), key=_end)
        disabled = [one.at for one in changes if one.subscription and one.subscription.state_reason.startswith(GIVES_UP)]
        for at in disabled:
            before = [one for one in ends if _end(one) <= at]
            streak = _last_failures(before)
            since = _end(streak[0]) if streak else at
            if at - since < FAILING - 1e-3:
                books.blame("nothing but failures, for the whole span, disables", f"{name} at {at}, failing since {since}")
            told = [one for one in books.notices["hookline.subscription.failing", name] if since < one < at]
            if len(told) < NOTICED:
                books.blame("notices come before", f"{name} was disabled at {at} after {told}")
        if world.scenario.kind is Kind.FAILING and not disabled and books.subscriptions[name].disable_after:
            streak = _last_failures([one for one in ends if _end(one) <= world.scenario.span])
            if streak and world.scenario.span - _end(streak[0]) > FAILING + LATEST:
                books.blame("nothing but failures, for the whole span, disables", f"{name} fails since {_end(streak[0])}")


def _last_failures(ends: list[Begun]) -> list[Begun]:
    """Those after the last success."""
    found = len(ends)
    while found and ends[found - 1].failed:
        found -= 1
    return ends[found:]


def _end(begun: Begun) -> float:
    return begun.end or 0.0
