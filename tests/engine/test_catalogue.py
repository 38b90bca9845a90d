"""The catalogue as a node knows it: what was changed elsewhere holds here too, and lanes are taken by their owner alone."""

import asyncio
import gc
from dataclasses import replace
from typing import Any

import pytest
from engine.virtual import CONFIG, LOOPBACK, virtual, webhook_ids, world

from hookline.model import DeliveryState, RetryPolicy, Steps, Subscription, SubscriptionSpec
from hookline.store.protocol import NOBODY
from hookline.store.sqlite import nodes


@virtual
async def test_views_are_refreshed_while_another_tenant_comes() -> None:
    async with world() as w:
        other = await w.node("b", deliver=False)
        for tenant in ("acme", "bell"):
            await w.client.subscriptions.create(SubscriptionSpec(url=LOOPBACK), tenant=tenant)
        for tenant in ("acme", "bell"):
            await other.run(other.client.subscriptions.create(SubscriptionSpec(url=LOOPBACK + "/2"), tenant=tenant))
        cache = (await w.client.engine()).catalogue
        w.nodes["a"].store.refuses = lambda _: False
        for tenant in ("acme", "bell"):
            view = cache.known(tenant)
            assert view is not None
            cache._views[tenant] = replace(view, revision=0)  # as if nothing had been heard
        w.nodes["a"].store.before = lambda: 0.1
        refreshing = asyncio.create_task(cache.refresh())
        await asyncio.sleep(0.15)
        cache._views["cato"] = view
        await refreshing
        assert all((known := cache.known(tenant)) is not None and known.revision == 2 for tenant in ("acme", "bell"))


@virtual
async def test_a_pause_elsewhere_holds_although_the_store_was_away_when_it_was_to_be_read() -> None:
    async with world() as w:
        other = await w.node("b", deliver=False)
        subscription = await w.subscribe()
        w.nodes["a"].store.refuses = lambda verb: verb in {"revisions", "catalogue"}
        await other.run(other.client.subscriptions.pause(subscription.id))
        await w.live(1.0)
        w.nodes["a"].store.refuses = lambda _: False
        await w.live(10.0)
        await other.run(other.client.emit("a.b", 1))
        await w.live(10.0)
        assert not w.receiver.seen


@virtual
async def test_versions_that_are_over_are_not_kept() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        for turn in range(20):
            await w.client.subscriptions.update(
                subscription.id, SubscriptionSpec(url=LOOPBACK, description=str(turn)), fields=("description",)
            )
            await w.emit(1)
            await w.live(1.0)
        assert len(w.receiver.seen) == 20
        gc.collect()
        alive = [one for one in gc.get_objects() if isinstance(one, Subscription) and one.id == subscription.id]
        assert len(alive) <= 3


@virtual
async def test_a_lane_that_went_to_another_while_it_was_made_is_not_taken() -> None:
    async with world() as w:
        await w.node("b")
        first = w.nodes["a"].store
        make = first.inner.add_subscription
        engine = await w.client.engine()
        born_by = engine.node.id

        async def slow(*what: Any, **more: Any) -> str:
            made = await make(*what, **more)
            (row,) = [row for row in await w.store._read(nodes.nodes) if row.id == born_by]
            await w.store.bury(row.id, row.beat)
            await w.until(lambda: engine.node.id != born_by, within=10.0, step=0.01)
            return made

        first.add_subscription = slow  # type: ignore[attr-defined]  # in the place of a verb that __getattr__ finds
        await w.subscribe()
        await w.emit(1)
        await w.live(5.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}


@virtual
async def test_a_fan_out_reaches_every_subscription_that_stood_before_although_the_clock_was_set_back() -> None:
    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        other = await w.node("b", deliver=False)
        await w.live(10.0)
        await w.subscribe("/1")
        await w.subscribe("/2")
        other.clock.stopped_at = 1.0
        await other.run(other.client.emit("a.b", 1))
        await w.live(20.0)
        assert {seen.path for seen in w.receiver.seen} == {"/1", "/2"}


@virtual
async def test_a_fan_out_leaves_out_subscriptions_that_came_later_although_the_clock_was_set_back() -> None:
    async with world(config=replace(CONFIG, fanout_limit=1)) as w:
        other = await w.node("b", deliver=False)
        await w.subscribe("/1")
        await w.subscribe("/2")
        await w.live(10.0)
        w.nodes["a"].store.refuses = lambda verb: verb == "jobs"
        await w.emit(1)
        other.clock.stopped_at = 1.0
        await other.run(other.client.subscriptions.create(SubscriptionSpec(url=LOOPBACK + "/3")))
        w.nodes["a"].store.refuses = lambda _: False
        await w.live(20.0)
        assert {seen.path for seen in w.receiver.seen} == {"/1", "/2"}


@virtual
async def test_a_subscription_that_a_newer_version_made_holds_up_nothing_but_itself() -> None:
    async with world() as w:
        first = await w.subscribe("/1", retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=2))
        stored = await w.store.subscription("acme", first.id)
        assert stored is not None
        for tenant in ("aaa", "acme"):
            future = replace(stored, tenant=tenant, id="future", signature_scheme="of-the-future", url=LOOPBACK + "/2")
            await w.store.add_subscription(future, owner=NOBODY)
        await w.client.subscriptions.create(SubscriptionSpec(url=LOOPBACK + "/3"), tenant="zzz")
        await w.live(1.0)
        await w.emit(1)
        await w.client.emit("a.b", 1, tenant="zzz")
        await w.until_done(within=60.0)
        assert [seen.path for seen in w.receiver.seen] == ["/1", "/3"]
        (delivery,) = await w.deliveries(subscription_id="future")
        assert delivery.state is DeliveryState.EXHAUSTED
        assert "of-the-future" in delivery.reason


@virtual
async def test_a_view_whose_reading_was_cancelled_before_it_began_is_read_for_whoever_asks_next() -> None:
    async with world() as w:
        await w.subscribe()
        cache = (await w.client.engine()).catalogue
        loading = asyncio.create_task(cache.load("acme"))
        await asyncio.sleep(0)
        cache._loading["acme"].cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert (await cache.load("acme")).revision == 1
