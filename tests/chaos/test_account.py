"""The account sees what it is there to see."""

from dataclasses import replace

import pytest
from chaos.account import Seen, Tried, Written, judge
from chaos.script import Blow, script

GOOD = Seen(
    lanes={"one": True, "two": False},
    acknowledged={"r1x1-0", "r1x1-1", "r1x1p0-0"},
    committed={"t1-0", "t1-0p-0"},
    promised={"t1-0"},
    rolled_back={"t1-1"},
    taken={"one": {"r1x1-0": 2, "r1x1-1": 1, "t1-0": 1}, "two": {"r1x1p0-0": 1, "t1-0p-0": 1}},
    tried=[
        Tried("r1", "one", 1, "a1", "r1x1-0", "r1x1", 10, 20, True),
        Tried("r2", "one", 2, "a2", "r1x1-0", "r1x1", 30, 40, True),
        Tried("r2", "one", 2, "a3", "r1x1-1", "r1x1", 50, 60, True),
    ],
    written=[
        Written(1, "one", "a1", "d1", "r1x1-0", None),
        Written(2, "one", "a2", "d1", "r1x1-0", 1, holds=2),
        Written(3, "one", "a3", "d2", "r1x1-1", 1, holds=2),
    ],
    stops=[],
    watched={"a1", "a2", "a3"},
)


def test_a_run_in_which_every_law_held_has_no_fault() -> None:
    account = judge(GOOD)
    assert account.faults == []
    numbers = account.numbers
    assert (numbers["deliveries owed"], numbers["lost"], numbers["taken twice or more"]) == (5, 0, 1)
    assert (numbers["attempts superseded"], numbers["attempts begun after the lease"]) == (1, 0)


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (replace(GOOD, acknowledged=GOOD.acknowledged | {"r1x1-2"}), "lost: 1, such as r1x1-2 for one"),
        (replace(GOOD, committed=GOOD.committed | {"t1-2p-0"}), "lost: 1, such as t1-2p-0 for two"),
        (replace(GOOD, rolled_back={"t1-0"}), "delivered, though rolled back: 1, such as t1-0"),
        (replace(GOOD, watched={"a1", "a3"}), "not shown by Watch: 1, such as a2"),
        (replace(GOOD, promised={"t1-7"}), "committed, and gone from the database: 1, such as t1-7"),
        (
            replace(GOOD, written=[*GOOD.written, Written(4, "one", "a2", "d1", "r1x1-0", 1)]),
            "delivered twice in the books: 1, such as d1",
        ),
        (
            replace(GOOD, written=[*GOOD.written, Written(1, "one", "a1", "d3", "r1x1-0", 0, holds=2)]),
            "settled by a node that had lost the lane: 1, such as a1 of epoch 1 when the lane was at 2",
        ),
        (replace(GOOD, cancelled={"d3": ("t1-7", "one")}), "cancelled, though nobody asked: 1, such as d3"),
        (replace(GOOD, asked=frozenset({"d3"}), answered=frozenset({"d3"})), "said to be cancelled, and is not: 1, such as d3"),
        (
            replace(GOOD, tried=[*GOOD.tried, Tried("r1", "one", 1, "a4", "r1x1-0", "r1x1", 45, 46, True)]),
            "begun after the lease by a replica that had not been stopped: 1, such as a4",
        ),
        (
            replace(GOOD, tried=[*GOOD.tried, Tried("r2", "one", 2, "a4", "r1x1-0", "r1x1", 70, 80, True)]),
            "out of order within a key: 1, such as r1x1-0 at epoch 2 of one begun after number 1",
        ),
        (
            replace(GOOD, tried=[*GOOD.tried[:2], GOOD.tried[2]._replace(start=35)]),
            "out of order within a key: 1, such as r1x1-1 at epoch 2 of one begun before the end of number 0",
        ),
    ],
)
def test_each_broken_law_is_a_fault(seen: Seen, fault: str) -> None:
    assert judge(seen).faults == [fault]


def test_what_was_cancelled_when_somebody_asked_is_not_owed() -> None:
    seen = replace(GOOD, acknowledged=GOOD.acknowledged | {"r1x1-2"}, cancelled={"d3": ("r1x1-2", "one")}, asked=frozenset({"d3"}))
    assert judge(seen).faults == []


def test_what_a_stopped_replica_was_about_to_begin_is_counted_and_is_no_fault() -> None:
    late = Tried("r1", "one", 1, "a4", "r1x1-0", "r1x1", 45, 46, True)
    account = judge(replace(GOOD, tried=[*GOOD.tried, late], stops=[("r1", 15, 44)]))
    assert account.faults == []
    assert account.numbers["attempts begun after the lease"] == 1


def test_what_was_delivered_and_then_retried_by_hand_stands_at_the_end_of_its_key() -> None:
    again = Tried("r2", "one", 2, "a4", "r1x1-0", "r1x1", 70, 80, taken=True, run=2)
    written = Written(4, "one", "a4", "d1", "r1x1-0", 1, run=2, holds=2)
    seen = replace(GOOD, tried=[*GOOD.tried, again], written=[*GOOD.written, written], watched=GOOD.watched | {"a4"})
    assert judge(seen).faults == []


def test_a_seed_repeats_the_script_and_every_blow_is_in_it() -> None:
    strokes = list(script(7, 10))
    assert strokes == list(script(7, 10)) != list(script(8, 10))
    assert sum(stroke.blow is Blow.KILL for stroke in strokes) == 10
    assert {stroke.blow for stroke in script(7, 30)} == set(Blow)
