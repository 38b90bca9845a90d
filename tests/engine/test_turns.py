"""Whose turn it is, and what uses a turn up."""

from collections import Counter
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.turns import Tenant, Turns


class Waiting:
    """A lane as far as turns go."""

    def __init__(self, tenant: Tenant, resting: bool) -> None:
        self.tenant = tenant
        self.resting = resting


@given(weights=st.lists(st.integers(1, 5), min_size=2, max_size=4), resting=st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_lanes_that_cannot_use_their_turn_take_none_from_the_others_of_their_tenant(weights: list[int], resting: list[int]) -> None:
    names = [f"t{number}" for number in range(len(weights))]
    turns = Turns(dict(zip(names, weights, strict=True)))
    for name, idle in zip(names, resting, strict=False):
        for number in range(idle + 1):
            lane: Any = Waiting(turns.tenant(name), resting=number < idle)
            turns.add(lane)
    served: Counter[str] = Counter()
    rounds = 20
    for _ in count():
        found: Any = turns.next()
        turns.add(found)
        if found.resting:
            continue
        turns.took(found.tenant)
        served[found.tenant.name] += 1
        if served.total() == rounds * sum(weights):
            break
    assert served == {name: rounds * weight for name, weight in zip(names, weights, strict=True)}
