"""Lanes are spread by what they have to do, then by number; and with constant work they come to rest."""

import random
from collections import Counter
from dataclasses import replace

from engine.virtual import CONFIG, Reply, now, virtual, world
from hypothesis import example, given
from hypothesis import strategies as st

from hookline.engine.balance import BUSY, LEAST, ROUGH, SLACK, Load, choose
from hookline.store.protocol import NodeRow

QUICK = replace(CONFIG, lease_ttl=2.0, floor_poll=0.5)
TTL = QUICK.lease_ttl
ROUNDS = 80


class Nodes:
    """Nodes that beat by turns; what one says is what it had at its last beat."""

    def __init__(self, rates: dict[str, float], nodes: int, seed: int) -> None:
        dice = random.Random(seed)
        self.rates = rates
        self.owner = {lane: dice.randrange(nodes) for lane in rates}
        self.said = dict.fromkeys(range(nodes), 0)
        self.calm = dict.fromkeys(range(nodes), 0)
        self.moves: Counter[str] = Counter()
        self.last = 0

    def beat(self, node: int, turn: int) -> None:
        held = {lane: rate for lane, rate in self.rates.items() if self.owner[lane] == node}
        self.said[node] = Load(round(sum(held.values())), len(held)).number
        rows = [NodeRow(other, 0, load) for other, load in self.said.items()]
        gift = choose(node, held, rows, order=lambda _: 0, limit=32, calm=turn >= self.calm[node])
        if gift is not None:
            self.last = turn
            if gift.busy:
                self.calm[node] = turn + 4
            for lane in gift.lanes:
                self.owner[lane] = gift.to
                self.moves[lane] += 1

    def work(self) -> list[float]:
        return [sum(rate for lane, rate in self.rates.items() if self.owner[lane] == node) for node in self.said]

    def numbers(self) -> list[int]:
        return [sum(owner == node for owner in self.owner.values()) for node in self.said]


@given(
    rates=st.lists(st.one_of(st.just(0.0), st.floats(0.0, 5.0), st.floats(0.0, 1_000.0)), max_size=60),
    nodes=st.integers(1, 6),
    seed=st.integers(0, 999),
)
@example(rates=[100.0, *[10.0] * 9], nodes=2, seed=0)
@example(rates=[0.0] * 10, nodes=3, seed=0)
@example(rates=[1.5] * 6, nodes=2, seed=0)
def test_constant_work_comes_to_rest_with_as_little_difference_as_the_lanes_allow(
    rates: list[float], nodes: int, seed: int
) -> None:
    all_ = Nodes({str(number): rate for number, rate in enumerate(rates)}, nodes, seed)
    for turn in range(ROUNDS):
        for node in range(nodes):
            all_.beat(node, turn)
    assert all_.last < ROUNDS // 2, "it goes on moving"
    assert max(all_.moves.values(), default=0) <= 2 * nodes
    work = all_.work()
    most, least = max(work), min(work)
    mean = sum(work) / nodes
    if most - least >= max(LEAST, SLACK * most) + 1 + ROUGH * mean:  # then every lane there is too large to go
        node = work.index(most)
        assert all(2 * rate > most - least - 1 or rate < BUSY for lane, rate in all_.rates.items() if all_.owner[lane] == node), (
            work
        )
    if not any(rates):
        assert max(all_.numbers()) - min(all_.numbers()) <= 1


def test_a_load_is_one_number_of_31_bits() -> None:
    assert Load.parse(Load(4_000, 1_200).number) == Load(4_000, 1_200)
    assert Load(1 << 20, 1 << 20).number == (1 << 31) - 1
    assert Load(0, 7).number == 7


def test_a_node_that_has_just_given_what_is_busy_gives_only_what_is_idle() -> None:
    rates = {"a": 40.0, "b": 40.0, "c": 0.0, "d": 0.0}
    rows = [NodeRow(1, 0, Load(80, 4).number), NodeRow(2, 0, Load(0, 0).number)]
    first = choose(1, rates, rows, order=lambda _: 0, limit=9, calm=True)
    assert first is not None
    assert (first.to, list(first.lanes), first.busy) == (2, ["a"], True)
    then = choose(1, rates, rows, order=lambda _: 0, limit=9, calm=False)
    assert then is not None
    assert (list(then.lanes), then.busy) == (["c", "d"], False)


@virtual
async def test_what_is_busy_is_shared_out_by_work_and_what_is_idle_by_number() -> None:
    async with world(lambda _: Reply(after=0.02), config=QUICK) as w:
        for number in range(4):
            await w.subscribe(f"/busy/{number}", event_types=("busy",))
        for number in range(8):
            await w.subscribe(f"/idle/{number}", event_types=("idle",))
        await w.emit(1, "idle")
        a = await w.client.engine()
        owners: list[frozenset[str]] = []

        async def live(seconds: float) -> None:
            end = now() + seconds
            while now() < end:
                await w.emit(3, "busy")
                await w.live(0.2)
                owners.append(frozenset(lane.target.subscription.url for lane in a.dispatcher.lanes.values()))

        await live(2 * TTL)  # all of it is here
        b = await w.node("b")
        await live(6 * TTL)
        held = Counter(lane.target.subscription.url.split("/")[3] for lane in a.dispatcher.lanes.values())
        assert held == {"busy": 2, "idle": 4}
        assert len(set(owners[-20:])) == 1  # at rest
        w.nodes["b"] = b
        await b.run(b.client.close())
        await live(2 * TTL)
        assert len(a.dispatcher.lanes) == 12
        await w.until_done(within=10.0)
