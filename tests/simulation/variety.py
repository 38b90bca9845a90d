"""What some worlds are about, beside what every world has: crowds, rivals, receivers that are given up, little memory.

It has dice of its own, so that all other worlds stay as they were.
"""

import random
from dataclasses import replace

from simulation.scenario import FAILING, MEMORY, NO_BREAKER, TENANTS, Act, Doing, Kind, Mood, Scenario

from hookline.model import Ordering, RetryPolicy, Steps, SubscriptionSpec

BY_HAND = 0.2
"""Of the worlds with an enemy somebody looks after what waits, in the middle of the trouble."""
HEAVY = 3
"""The weight of the heavier of two rivals."""


def varied(plain: Scenario) -> Scenario:
    """The scenario, and what becomes of it."""
    dice = random.Random(f"variety/{plain.seed}")
    kind = dice.choices(list(Kind), (4, 4, 1, 1))[0] if plain.calm else Kind.PLAIN
    match kind:
        case Kind.CROWDED:
            made = _crowded(plain, dice)
        case Kind.RIVALS:
            return _rivals(plain, dice)
        case Kind.FAILING:
            return _failing(plain, dice)
        case _:
            made = _coming_and_going(plain, dice) if plain.calm else _by_hand(plain)
    made = replace(made, memory=dice.choice((MEMORY, MEMORY, 6_000, 24_000)))
    return _of_two_tenants(made, dice) if dice.random() < 0.3 else made


def _of_two_tenants(made: Scenario, dice: random.Random) -> Scenario:
    tenants = tuple(dice.choice(TENANTS) if number else TENANTS[0] for number in range(len(made.specs)))
    if made.kind is Kind.CROWDED:  # who hangs holds up his own tenant's others while another tenant takes what is free
        tenants = (TENANTS[0], *TENANTS[1:] * (len(tenants) - 1))
    doings = tuple(replace(one, tenant=dice.choice(TENANTS)) if one.act is Act.EMIT else one for one in made.doings)
    made = replace(made, tenants=tenants, doings=doings)
    # Of eight slots a tenant of thrice the weight may have all: it may hold twelve times as many as it leaves free.
    return replace(made, weights={TENANTS[1]: HEAVY}, slots=32) if dice.random() < 0.5 else made


def _coming_and_going(plain: Scenario, dice: random.Random) -> Scenario:
    """Nodes that leave and join in order are no fault."""
    doings = [*plain.doings]
    for _ in range(dice.randint(0, 2)):
        at = dice.uniform(0.0, plain.span)
        doings.append(Doing(at=at, act=Act.LEAVE, who=dice.randrange(4)))
        doings.append(Doing(at=at + dice.uniform(-2.0, 2.0), act=Act.JOIN))
    return replace(plain, doings=_sorted(doings))


def _by_hand(plain: Scenario) -> Scenario:
    """What waits is made due, or cancelled, while the store fails or is slow and wakes are lost."""
    dice = random.Random(f"hand/{plain.seed}")
    if dice.random() >= BY_HAND:
        return plain
    doings = [*plain.doings]
    troubles = [one for one in doings if one.act in {Act.FAULTS, Act.LOSE, Act.DEAF, Act.CUT, Act.CLOCK, Act.STOP}]
    for trouble in troubles:
        for _ in range(dice.randint(1, 4)):
            at = trouble.at + dice.uniform(0.0, max(trouble.long, 1.0) + 0.5)
            act = dice.choice((Act.HURRY, Act.HURRY, Act.CALL_OFF))
            doings.append(Doing(at=at, act=act, who=dice.randrange(4), what=dice.randrange(8), much=dice.randint(1, 3)))
    return replace(plain, doings=_sorted(doings))


def _crowded(plain: Scenario, dice: random.Random) -> Scenario:
    hanging = [_free(plain.specs[0], number, timeout=dice.choice((5.0, 8.0, 10.0))) for number in range(1, dice.randint(3, 4))]
    burst = Doing(at=dice.uniform(0.1, 1.0), act=Act.EMIT, much=dice.choice((12, 24)))
    flow = [replace(burst, at=burst.at + 0.6 * number, much=1, what=number) for number in range(1, 12)]
    return replace(
        plain,
        kind=Kind.CROWDED,
        delivers=(True, *plain.delivers[1:2]),
        specs=(plain.specs[0], *hanging),
        tenants=TENANTS[:1] * (1 + len(hanging)),
        moods=(Mood.WELL, *(Mood.HANG for _ in hanging)),
        doings=_sorted([*plain.doings, burst, *flow]),
        slots=8,
    )


def _rivals(plain: Scenario, dice: random.Random) -> Scenario:
    burst = Doing(at=0.5, act=Act.EMIT, much=60)
    return replace(
        plain,
        kind=Kind.RIVALS,
        delivers=(True,),
        specs=tuple(_free(plain.specs[0], number, timeout=2.0) for number in range(2)),
        tenants=TENANTS,
        weights={dice.choice(TENANTS): HEAVY},
        moods=(Mood.SLOW, Mood.SLOW),
        doings=tuple(replace(burst, tenant=tenant) for tenant in dice.sample(TENANTS, 2)),
        span=12.0,
        slots=16,
        window=200,
    )


def _failing(plain: Scenario, dice: random.Random) -> Scenario:
    span = FAILING + dice.uniform(18.0, 25.0)
    specs = tuple(
        replace(
            _free(plain.specs[0], number, timeout=2.0),
            retry=RetryPolicy(schedule=Steps(delays=(1.0, 3.0)), max_attempts=12, jitter=0.1),
            max_in_flight=3,
            disable_after=FAILING,
        )
        for number in range(dice.randint(1, 2))
    )
    doings = [Doing(at=at, act=Act.EMIT, who=number, what=number) for number, at in enumerate(_every(4.0, span))]
    if dice.random() < 0.6:
        at = dice.uniform(15.0, 50.0)
        doings += [Doing(at=at, act=Act.JOIN), Doing(at=at + 3.0, act=Act.LEAVE)]
    return replace(
        plain,
        kind=Kind.FAILING,
        delivers=(True, *plain.delivers[1:2]),
        specs=specs,
        tenants=TENANTS[:1] * len(specs),
        moods=tuple(dice.choice((Mood.FAIL, Mood.FAIL, Mood.FLAKY)) for _ in specs),
        doings=_sorted(doings),
        span=span,
    )


def _free(spec: SubscriptionSpec, number: int, *, timeout: float) -> SubscriptionSpec:
    """A subscription to everything, whose requests nothing holds back but the node."""
    return replace(
        spec,
        url=f"{spec.url.rpartition('/s')[0]}/s{number}/0",
        event_types=("*",),
        filter="",
        timeout=timeout,
        max_in_flight=64,
        lanes=1,
        ordering=Ordering.NONE,
        rate=None,
        breaker=NO_BREAKER,
        step_aside_after=0,
        hold_for=None,
    )


def _every(seconds: float, span: float) -> list[float]:
    return [seconds * number for number in range(1, int(span / seconds))]


def _sorted(doings: list[Doing]) -> tuple[Doing, ...]:
    return tuple(sorted(doings, key=lambda one: one.at))
