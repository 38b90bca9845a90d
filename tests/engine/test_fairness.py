"""One bad receiver costs the others nothing: everything else starts at once, in virtual time."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from engine.virtual import CONFIG, LOOPBACK, NO_BREAKER, OK, Reply, Seen, World, now, virtual, world

from hookline.errors import InvalidArgument
from hookline.model import EventSpec, SubscriptionSpec

AT_ONCE = 0.2
"""Seconds of virtual time: a commit's patience, and no more."""


def hangs(seen: Seen) -> Reply:
    return Reply(after=math.inf) if seen.path.startswith("/bad") else OK


async def subscribe(w: World, tenant: str, path: str) -> None:
    spec = SubscriptionSpec(
        url=LOOPBACK + path, event_types=(f"to{path.replace('/', '.')}",), breaker=NO_BREAKER, disable_after=0.0, timeout=60.0
    )
    await w.client.subscriptions.create(spec, tenant=tenant)


async def emit(w: World, tenant: str, paths: list[str]) -> None:
    specs = [EventSpec(type=f"to{path.replace('/', '.')}", data=b"{}") for path in paths]
    for start in range(0, len(specs), 1_000):
        await w.client.emit_many(specs[start : start + 1_000], tenant=tenant)


@virtual
async def test_ten_receivers_that_hang_do_not_hold_up_the_ninety_others_of_their_tenant() -> None:
    async with world(hangs) as w:
        bad, good = [f"/bad{number}" for number in range(10)], [f"/good{number}" for number in range(90)]
        for path in (*bad, *good):
            await subscribe(w, "acme", path)
        await emit(w, "acme", bad * 200)
        await w.live(1.0)
        began = now()
        await emit(w, "acme", good * 5)
        await w.until(lambda: sum(seen.path.startswith("/good") for seen in w.receiver.seen) == 450, within=AT_ONCE, step=0.01)
        assert now() - began <= AT_ONCE
        assert w.receiver.most[""] <= CONFIG.node_concurrency


@virtual
async def test_a_tenant_with_more_hanging_receivers_than_slots_does_not_hold_up_another_tenant() -> None:
    async with world(hangs) as w:
        bad = [f"/bad{number}" for number in range(600)]
        for path in bad:
            await subscribe(w, "acme", path)
        for path in ("/good1", "/good2"):
            await subscribe(w, "other", path)
        await emit(w, "acme", bad * 3)
        await w.live(1.0)
        held = w.receiver.in_flight[""]
        assert held >= CONFIG.node_concurrency // 2, "they hold what they get"
        await emit(w, "other", ["/good1", "/good2"] * 100)
        await w.until(lambda: sum(seen.path.startswith("/good") for seen in w.receiver.seen) == 200, within=AT_ONCE, step=0.01)
        assert w.receiver.most[""] <= CONFIG.node_concurrency


@virtual
async def test_a_receiver_that_has_answered_at_once_waits_for_no_hanging_ones_of_its_tenant_and_of_another() -> None:
    slots = 64
    async with world(hangs, config=replace(CONFIG, node_concurrency=slots)) as w:
        own, foreign = [f"/bad{number}" for number in range(80)], [f"/bad{number}" for number in range(80, 160)]
        for tenant, paths in (("acme", ["/good", *own]), ("other", foreign)):
            for path in paths:
                await subscribe(w, tenant, path)
        await emit(w, "acme", ["/good"] * 3)
        await w.live(1.0)
        await emit(w, "acme", own * 3)
        await w.live(1.0)
        await emit(w, "other", foreign * 3)
        await w.live(1.0)
        await emit(w, "acme", ["/good"] * 100)
        await w.until(lambda: len(w.receiver.at("/good")) == 103, within=2 * AT_ONCE, step=0.01)
        assert w.receiver.in_flight[""] > 0.9 * slots
        assert w.receiver.most[""] <= slots


@pytest.mark.parametrize("weight", [1, 3])
def test_under_saturation_tenants_are_served_by_their_weights(weight: int) -> None:
    @virtual
    async def run() -> None:
        config = replace(CONFIG, node_concurrency=60, tenant_weights={"heavy": weight})
        async with world(lambda _: Reply(after=1.0), config=config) as w:
            for tenant in ("heavy", "light"):
                for number in range(4):
                    await subscribe(w, tenant, f"/{tenant}{number}")
            for tenant in ("heavy", "light"):
                await emit(w, tenant, [f"/{tenant}{number}" for number in range(4)] * 1_000)
            await w.live(10.0)
            before = len(w.receiver.seen)
            await w.live(30.0)
            served = Counter(seen.path[1:6] for seen in w.receiver.seen[before:])
            assert 0.8 * weight <= served["heavy"] / served["light"] <= 1.25 * weight
            assert w.receiver.most[""] <= 60

    run()


@virtual
async def test_lanes_of_one_tenant_take_turns_whatever_their_backlogs() -> None:
    async with world(lambda _: Reply(after=0.1), config=replace(CONFIG, node_concurrency=10)) as w:
        for path in ("/long", "/short"):
            await subscribe(w, "acme", path)
        await emit(w, "acme", ["/long"] * 1_000)
        await w.live(1.0)
        await emit(w, "acme", ["/short"] * 20)
        await w.until(lambda: len(w.receiver.at("/short")) == 20, within=3.0)
        assert len(w.receiver.at("/long")) < 250


@virtual
async def test_a_lane_that_waited_for_slots_goes_on_when_its_subscription_is_changed_meanwhile() -> None:
    async with world(lambda seen: Reply(after=5.0) if seen.nth == 1 else OK, config=replace(CONFIG, node_concurrency=4)) as w:
        made = [await w.subscribe(f"/{number}", event_types=(f"to.n{number}",)) for number in range(3)]
        for number in range(3):
            await w.emit(6, type=f"to.n{number}")
        await w.live(1.0)
        for subscription in made:
            spec = SubscriptionSpec(url=subscription.url, max_in_flight=2)
            await w.client.subscriptions.update(subscription.id, spec, fields=["max_in_flight"])
        await w.until_done(within=120.0)
        assert w.receiver.most[""] <= 4


@pytest.mark.parametrize("weight", [0, -1, 101, 1.5, True])
def test_a_weight_that_is_none_is_refused(weight: int) -> None:
    with pytest.raises(InvalidArgument, match=r"tenant_weights\.acme"):
        replace(CONFIG, tenant_weights={"acme": weight})
