"""What a seed means: who is there, what they do, and what the enemy does to them, all of it decided beforehand."""

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from hookline.model import CircuitBreaker, Ordering, RateLimit, RetryPolicy, Steps, SubscriptionSpec

LOOPBACK = "http://127.0.0.1:1"
MEMORY = 48 * 1024 * 1024
"""Bytes: as much as nobody here needs."""
EVEN = "event.data.n % 2 == 0"
NO_BREAKER = CircuitBreaker(off=True)


TENANTS = ("acme", "bolt")
FAILING = 60.0
"""Seconds: the shortest span of nothing but failures that a subscription may have."""


class Act(StrEnum):
    """Something that happens at a time."""

    EMIT = "emit"
    REPEAT = "repeat"
    """Some events with idempotency keys are emitted again, until somebody answers."""
    PAUSE = "pause"
    RESUME = "resume"
    MOVE = "move"
    """Another URL."""
    FILTER = "filter"
    ROTATE = "rotate"
    DELETE = "delete"
    CREATE = "create"
    REPLAY = "replay"
    CANCEL = "cancel"
    RETRY = "retry"
    HURRY = "hurry"
    """What has waited longest for a subscription is made due."""
    CALL_OFF = "call-off"
    """What has waited longest for a subscription is cancelled."""
    KILL = "kill"
    STOP = "stop"
    LEAVE = "leave"
    JOIN = "join"
    CLOCK = "clock"
    FAULTS = "faults"
    """For a while verbs of the store fail, lose their answers, or take long, and wakes are lost."""
    CUT = "cut"
    """For a while a node does not reach the store at all."""
    LOSE = "lose"
    """For a while a node does not hear what became of its commits."""
    DEAF = "deaf"
    """For a while no wake reaches a node."""
    MOOD = "mood"


class Mood(StrEnum):
    """How a receiver answers."""

    WELL = "well"
    SLOW = "slow"
    HANG = "hang"
    FAIL = "fail"
    BUSY = "busy"
    """429 or 503, often with Retry-After."""
    GONE = "gone"
    RESET = "reset"
    LOST = "lost"
    """It takes the event, and its answer is lost."""
    FLAKY = "flaky"


class Kind(StrEnum):
    """What a calm world is about."""

    PLAIN = "plain"
    CROWDED = "crowded"
    """More requests hang than a node has slots, and for longer than the others may wait."""
    RIVALS = "rivals"
    """Two tenants have more to do than there are slots, and one has thrice the weight."""
    FAILING = "failing"
    """Receivers fail for so long that they are disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One act. `who` is a node and `what` a subscription, modulo how many there are then; `much` and `long` as the act has it."""

    at: float
    act: Act
    who: int = 0
    what: int = 0
    much: int = 1
    long: float = 0.0
    key: str = ""
    """An ordering key."""
    tenant: str = "acme"
    """Of events."""
    named: bool = False
    """The events have idempotency keys."""
    later: float = 0.0
    """Seconds until the events may be delivered, 0 for at once."""
    mood: Mood = Mood.WELL
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it. `calm`: nobody fails but receivers, so that what others owe to each other can be timed."""

    seed: int
    calm: bool
    kind: Kind = Kind.PLAIN
    delivers: tuple[bool, ...]
    """The nodes at the beginning, and whether they deliver; the first one lives on."""
    specs: tuple[SubscriptionSpec, ...]
    tenants: tuple[str, ...]
    """To whom they belong."""
    weights: dict[str, int]
    moods: tuple[Mood, ...]
    doings: tuple[Doing, ...]
    span: float
    window: int
    slots: int
    memory: int
    """Bytes of deliveries in memory."""
    fanout: int
    lag: float
    """Seconds that a verb of the store takes at most while nothing is wrong."""


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = random.Random(f"scenario/{seed}")
    calm = dice.random() < 0.2
    span = dice.uniform(6.0, 16.0)
    count = dice.randint(1, 3)
    specs = tuple(_spec(dice, number, calm=calm) for number in range(count))
    others = dice.choice((0, 1, 1, 2, 3))
    delivers = (True, *(dice.random() < 0.75 for _ in range(others)))
    doings = [*_flow(dice, span, calm=calm)]
    if not calm:
        doings += _changes(dice, span)
        doings += _enemy(dice, span)
        doings += [
            Doing(at=dice.uniform(0.0, span), act=Act.MOOD, what=dice.randrange(8), mood=_mood(dice))
            for _ in range(dice.randint(0, 4))
        ]
    doings.sort(key=lambda one: one.at)
    first = [Mood.WELL if calm and number == 0 else _mood(dice, calm=calm) for number in range(count)]
    return Scenario(
        seed=seed,
        calm=calm,
        delivers=delivers,
        specs=specs,
        tenants=TENANTS[:1] * count,
        weights={},
        memory=MEMORY,
        moods=tuple(first),
        doings=tuple(doings),
        span=span,
        window=dice.choice((8, 16, 200)),
        slots=dice.choice((8, 32)),
        fanout=dice.choice((1, 200, 200, 200)),
        lag=dice.choice((0.0, 0.0, 0.002, 0.02)),
    )


def _spec(dice: random.Random, number: int, *, calm: bool) -> SubscriptionSpec:
    free = calm and number == 0
    delays = dice.choice(((0.3,), (0.5, 1.0), (0.2, 0.4, 0.8, 2.0)))
    jitter = dice.choice((0.0, 0.1, 0.5))
    ordered = not free and dice.random() < 0.5
    slowest = dice.choice((2.0, 4.0, 10.0))
    rate = None if free or dice.random() < 0.6 else RateLimit(requests_per_second=slowest, burst=dice.choice((1, 4)))
    breaker = NO_BREAKER
    if not free and dice.random() < 0.4:
        breaker = CircuitBreaker(consecutive_failures=dice.choice((2, 4)), open_for=dice.choice((1.0, 2.0)), open_at_most=4.0)
    wide = dice.choice((1, 3, 64))
    spec = SubscriptionSpec(
        url=f"{LOOPBACK}/s{number}/0",
        event_types=dice.choice((("*",), ("*",), ("a.*",), ("a.b", "c"))) if not free else ("*",),
        secret=f"whsec_{'A' * 31}{number}",
        retry=RetryPolicy(schedule=Steps(delays=delays), max_attempts=dice.choice((2, 5, 12)), jitter=jitter),
        timeout=dice.choice((1.0, 2.0)),
        max_in_flight=wide,
        lanes=dice.choice((1, 1, 2, 3)) if wide >= 3 and not free and (rate is None or rate.burst == 4) else 1,
        ordering=Ordering.BY_KEY if ordered else Ordering.NONE,
        filter=EVEN if not free and dice.random() < 0.2 else "",
        rate=rate,
        breaker=breaker,
        step_aside_after=dice.choice((0, 0, 1, 2)) if ordered else 0,
        hold_for=dice.choice((None, None, None, 1.5)),
        disable_after=0.0,
    )
    return replace(spec, step_aside_after=min(spec.step_aside_after, spec.retry.max_attempts - 1))


def _mood(dice: random.Random, *, calm: bool = False) -> Mood:
    if calm:
        return dice.choice((Mood.WELL, Mood.HANG, Mood.HANG, Mood.SLOW, Mood.FAIL))
    weights = {Mood.WELL: 6, Mood.SLOW: 2, Mood.HANG: 1, Mood.FAIL: 2, Mood.BUSY: 2, Mood.GONE: 0.3, Mood.RESET: 1, Mood.LOST: 1,
               Mood.FLAKY: 4}  # fmt: skip
    return dice.choices(list(weights), list(weights.values()))[0]


def _flow(dice: random.Random, span: float, *, calm: bool) -> list[Doing]:
    keys = ("", "", "k", "k", "l", "m")
    doings: list[Doing] = []
    for _ in range(dice.randint(4, 10)):
        named = dice.random() < 0.3
        at = dice.uniform(0.0, span)
        doings.append(
            Doing(
                at=at,
                act=Act.EMIT,
                who=dice.randrange(4),
                what=dice.randrange(3),
                much=dice.choice((1, 1, 2, 3, 8)) * (2 if calm else 1),
                key=dice.choice(keys),
                named=named,
                later=dice.uniform(0.5, 4.0) if dice.random() < 0.1 and not calm else 0.0,
            )
        )
        if named:
            gap = 0.0 if dice.random() < 0.5 else dice.uniform(0.0, 3.0)
            doings.append(Doing(at=at + gap, act=Act.REPEAT, who=dice.randrange(4), what=dice.randrange(8)))
    return doings


def _changes(dice: random.Random, span: float) -> list[Doing]:
    doings: list[Doing] = []
    for act, most in ((Act.PAUSE, 3), (Act.MOVE, 1), (Act.FILTER, 1), (Act.ROTATE, 1), (Act.CANCEL, 2), (Act.RETRY, 2),
                      (Act.DELETE, 1), (Act.CREATE, 1), (Act.REPLAY, 1)):  # fmt: skip
        if dice.random() < 0.35:
            for _ in range(dice.randint(1, most)):
                one = Doing(
                    at=dice.uniform(0.0, span), act=act, who=dice.randrange(4), what=dice.randrange(8), much=dice.randint(1, 4)
                )
                doings.append(one)
                if act is Act.PAUSE:
                    doings.append(Doing(at=one.at + dice.uniform(0.0, 5.0), act=Act.RESUME, who=dice.randrange(4), what=one.what))
    return doings


_THEMES = {
    "mixed": ((Act.KILL, 4), (Act.STOP, 4), (Act.LEAVE, 1), (Act.JOIN, 3), (Act.CLOCK, 2), (Act.FAULTS, 5)),
    "stops": ((Act.STOP, 5), (Act.JOIN, 1)),
    "cuts": ((Act.CUT, 4), (Act.FAULTS, 1), (Act.JOIN, 1)),
    "deaf": ((Act.DEAF, 3), (Act.JOIN, 1)),
    "lost": ((Act.LOSE, 4), (Act.FAULTS, 2)),
    "churn": ((Act.KILL, 4), (Act.JOIN, 3), (Act.LEAVE, 2)),
}
"""What an enemy likes; one who does a little of everything seldom does two things that go together."""


def _enemy(dice: random.Random, span: float) -> list[Doing]:
    doings: list[Doing] = []
    acts, weights = zip(*_THEMES[dice.choice(list(_THEMES))], strict=True)
    for act in dice.choices(acts, weights, k=dice.randint(2, 6)):
        one = Doing(at=dice.uniform(0.0, span), act=act, who=dice.randrange(4), what=dice.randrange(5), much=dice.randint(1, 120))
        match act:
            case Act.KILL:
                doings.append(one)
                doings.append(Doing(at=one.at + dice.uniform(0.0, 3.0), act=Act.JOIN))
            case Act.STOP:
                doings.append(replace(one, long=dice.uniform(0.2, 9.0) if dice.random() < 0.4 else dice.uniform(3.0, 5.0)))
            case Act.CLOCK:
                doings.append(replace(one, share=dice.choice((-20.0, -3.0, 3.0, 20.0))))
            case Act.FAULTS:
                doings.append(replace(one, long=dice.uniform(0.1, 4.0), share=dice.choice((0.1, 0.3, 0.7, 1.0))))
            case Act.CUT:
                doings.append(replace(one, long=dice.uniform(2.0, 7.0)))
            case Act.LOSE:
                called = Doing(at=one.at + dice.uniform(0.2, 2.0), act=Act.CANCEL, who=one.who, much=4)
                doings += [called] if dice.random() < 0.6 else []
                doings.append(replace(one, long=dice.uniform(1.0, 6.0), share=dice.choice((0.5, 1.0))))
            case Act.DEAF:
                doings.append(replace(one, long=dice.choice((2.0, span))))
            case _:
                doings.append(one)
    return doings
