"""How deliveries and subscriptions end, who is told, and what is held meanwhile."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from engine.virtual import CONFIG, LOOPBACK, OK, Reply, Seen, VirtualClock, World, at, standing, virtual, world

from hookline.engine.lapse import lapse_held
from hookline.errors import InvalidArgument
from hookline.lanes import lane_of
from hookline.model import (
    CircuitBreaker,
    DeliveryState,
    EventSpec,
    HoldKind,
    Ordering,
    Pause,
    RetryPolicy,
    Steps,
    Subscription,
    SubscriptionSpec,
    SubscriptionState,
)
from hookline.store.protocol import LaneKey

TWICE = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=2, jitter=0.0)
OFTEN = RetryPolicy(schedule=Steps(delays=(4.0,) * 50), max_attempts=51, jitter=0.0)
FOR_LONG = RetryPolicy(schedule=Steps(delays=(8.0,) * 50), max_attempts=51, jitter=0.0)


def bad_fails(seen: Seen) -> Reply:
    return Reply(status=500) if seen.path.startswith("/bad") else OK


def told(w: World, path: str = "/operator") -> list[dict[str, Any]]:
    """The operational events that came to `path`."""
    return [json.loads(seen.body) for seen in w.receiver.at(path)]


async def state_of(w: World, subscription: Subscription) -> SubscriptionState:
    return (await w.client.subscriptions.get(subscription.id)).state


@virtual
async def test_a_span_of_nothing_but_failures_is_told_of_and_then_disables() -> None:
    async with world(bad_fails) as w:
        await w.subscribe("/operator", event_types=("hookline.*",))
        bad = await w.subscribe("/bad", event_types=("thing.*",), disable_after=100.0, retry=OFTEN)
        await w.emit(3)

        async def disabled() -> bool:
            return await state_of(w, bad) is SubscriptionState.DISABLED

        await w.until(disabled, within=130.0)
        await w.live(1.0)
        events = told(w)
        assert [event["type"] for event in events] == ["hookline.subscription.failing"] * 4 + ["hookline.subscription.disabled"]
        assert {event["data"]["subscription_id"] for event in events} == {bad.id}
        assert "500" in events[0]["data"]["last_failure"]
        assert events[0]["data"]["failures"] >= 5
        stands = await w.client.subscriptions.get(bad.id)
        assert "nothing but failures since" in stands.state_reason
        (held, *_) = await w.deliveries(subscription_id=bad.id)
        assert held.hold is not None
        assert held.hold.kind is HoldKind.DISABLED
        assert stands.state_reason in held.hold.reason


def two_keys_of_different_lanes(subscription: Subscription) -> tuple[str, str]:
    keys = [f"k{number}" for number in range(40)]
    first = lane_of(subscription.id, subscription.lanes, keys[0])
    return keys[0], next(key for key in keys if lane_of(subscription.id, subscription.lanes, key) != first)


async def emit_keyed(w: World, key: str, data: bytes) -> None:
    await w.client.emit_many([EventSpec(type="thing.happened", data=data, ordering_key=key)])


@pytest.mark.parametrize("nodes", [1, 2])
def test_one_lane_that_only_fails_disables_nothing_while_another_delivers(nodes: int) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(status=500) if b'"data":99' in seen.body else OK) as w:
            if nodes == 2:
                await w.node("b")
            await w.subscribe("/operator", event_types=("hookline.*",))
            keyed = await w.subscribe(
                "/", event_types=("thing.*",), lanes=4, ordering=Ordering.BY_KEY, retry=FOR_LONG, disable_after=100.0
            )
            bad, good = two_keys_of_different_lanes(keyed)
            await emit_keyed(w, bad, b"99")
            for _ in range(14):
                await emit_keyed(w, good, b"1")
                await w.live(10.0)
            assert await state_of(w, keyed) is SubscriptionState.ACTIVE
            assert not told(w), "nor is anybody told that it will be"
            await w.live(130.0)
            assert await state_of(w, keyed) is SubscriptionState.DISABLED, "the last success is too long ago"

    run()


@virtual
async def test_lanes_to_which_nothing_comes_do_not_keep_a_subscription_that_only_fails() -> None:
    async with world(bad_fails) as w:
        keyed = await w.subscribe("/bad", lanes=4, ordering=Ordering.BY_KEY, retry=FOR_LONG, disable_after=100.0)
        await emit_keyed(w, "k", b"99")
        await w.live(130.0)
        assert await state_of(w, keyed) is SubscriptionState.DISABLED


@virtual
async def test_the_operators_tenant_hears_of_every_tenant_and_each_tenant_of_itself() -> None:
    config = replace(CONFIG, operator_tenant="ops")
    async with world(bad_fails, config=config) as w:
        await w.client.subscriptions.create(SubscriptionSpec(url=f"{LOOPBACK}/ops", event_types=("hookline.*",)), tenant="ops")
        await w.client.subscriptions.create(SubscriptionSpec(url=f"{LOOPBACK}/own", event_types=("hookline.*",)), tenant="one")
        for tenant in ("one", "two", "ops"):
            spec = SubscriptionSpec(url=f"{LOOPBACK}/bad", event_types=("thing.*",), retry=TWICE)
            await w.client.subscriptions.create(spec, tenant=tenant)
            await w.client.emit("thing.happened", {}, tenant=tenant)
        await w.live(30.0)
        kinds = {(one["type"], one["data"]["tenant"]) for one in told(w, "/ops")}
        assert kinds == {("hookline.delivery.exhausted", tenant) for tenant in ("one", "two", "ops")}
        assert len(told(w, "/ops")) == 3
        assert [one["data"]["tenant"] for one in told(w, "/own")] == ["one"]


@pytest.mark.parametrize("name", ["Ops", "a b", "x" * 65])
def test_the_operators_tenant_is_a_tenant(name: str) -> None:
    with pytest.raises(InvalidArgument, match="operator_tenant"):
        replace(CONFIG, operator_tenant=name)


@virtual
async def test_one_success_begins_the_span_of_failures_anew() -> None:
    async with world(lambda seen: OK if 95 < seen.at < 97 else bad_fails(seen)) as w:
        bad = await w.subscribe("/bad", disable_after=100.0, retry=OFTEN)
        await w.emit(30)
        for _ in range(15):
            await w.live(10.0)
            await w.emit(2)
        assert await state_of(w, bad) is SubscriptionState.ACTIVE


@virtual
async def test_the_span_of_failures_goes_on_over_a_restart() -> None:
    async with world(bad_fails) as w:
        bad = await w.subscribe("/bad", disable_after=200.0, retry=OFTEN)
        for number in range(7):
            await w.emit(5)
            await w.live(20.0)
            if number == 3:
                await w.nodes["a"].client.close()
                await w.node("a")
        await w.emit(5)
        await w.live(70.0)
        assert await state_of(w, bad) is SubscriptionState.DISABLED


@virtual
async def test_a_receiver_that_wants_no_more_is_disabled_and_its_operator_told() -> None:
    async with world(lambda seen: Reply(status=410) if seen.path == "/gone" else OK) as w:
        await w.subscribe("/operator", event_types=("hookline.subscription.disabled",))
        gone = await w.subscribe("/gone", event_types=("thing.*",))
        await w.emit(1)
        await w.live(2.0)
        assert await state_of(w, gone) is SubscriptionState.DISABLED
        (event,) = told(w)
        assert "410" in event["data"]["reason"]


@virtual
async def test_a_delivery_that_is_given_up_is_told_of_with_its_ids() -> None:
    async with world(bad_fails) as w:
        await w.subscribe("/operator", event_types=("hookline.delivery.exhausted",))
        bad = await w.subscribe("/bad", event_types=("thing.*",), retry=TWICE)
        (event_id,) = await w.emit(1)
        await w.until(lambda: len(told(w)) == 1, within=10.0)
        (delivery,) = await w.deliveries(subscription_id=bad.id)
        (event,) = told(w)
        assert event["data"] | {"reason": ""} == {
            "delivery_id": delivery.id,
            "event_id": event_id,
            "event_type": "thing.happened",
            "subscription_id": bad.id,
            "tenant": bad.tenant,
            "run": 1,
            "attempts": 2,
            "reason": "",
        }


@virtual
async def test_operational_events_beget_none() -> None:
    async with world(lambda _: Reply(status=500)) as w:
        await w.subscribe("/bad/operator", event_types=("hookline.*",), retry=TWICE, disable_after=60.0)
        await w.subscribe("/bad", event_types=("thing.*",), retry=TWICE)
        for _ in range(20):
            await w.emit(1)
            await w.live(10.0)
        exhausted = [delivery for delivery in await w.deliveries() if delivery.event_type.startswith("hookline.")]
        assert {delivery.event_type for delivery in exhausted} == {"hookline.delivery.exhausted"}
        assert len(exhausted) == 20, "one for each event of the caller's"


@virtual
async def test_a_subscription_that_takes_operational_events_beside_others_is_not_told_of_those() -> None:
    async with world(lambda _: Reply(status=500)) as w:
        mixed = await w.subscribe("/mixed", event_types=("hookline.*", "rare"), retry=OFTEN, disable_after=100.0)
        await w.subscribe("/bad", event_types=("thing.*",), retry=TWICE)
        await w.emit(1)
        await w.live(90.0)
        (only,) = await w.deliveries(subscription_id=mixed.id)
        assert only.event_type == "hookline.delivery.exhausted"


@virtual
async def test_operational_events_go_to_nobody_who_did_not_ask() -> None:
    async with world(lambda seen: Reply(status=410) if seen.path == "/gone" else OK) as w:
        await w.subscribe("/all", event_types=("*",))
        await w.subscribe("/gone", event_types=("thing.*",))
        await w.emit(1)
        await w.live(5.0)
        assert len(w.receiver.at("/all")) == 1


@virtual
async def test_callers_cannot_emit_operational_events() -> None:
    async with world() as w:
        with pytest.raises(InvalidArgument, match=r"event\.type.*hookline"):
            await w.client.emit("hookline.subscription.disabled", {})
        (outcome,) = await w.client.emit_many([EventSpec(type="hookline.mine", data=b"{}")])
        assert isinstance(outcome, InvalidArgument)


@virtual
async def test_what_comes_for_a_paused_subscription_is_held_and_sent_after_resume() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        await w.client.subscriptions.pause(subscription.id, reason="we move house")
        await w.emit(50)
        await w.live(60.0)
        assert not w.receiver.seen
        held = (await w.deliveries())[0].hold
        assert held is not None
        assert "we move house" in held.reason
        assert "2023-11-14T22:13:20Z" in held.reason, "since when"
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=5.0)
        assert await w.states() == {DeliveryState.DELIVERED: 50}


@virtual
async def test_what_is_held_for_too_long_is_cancelled_with_that_reason_and_what_came_later_is_not() -> None:
    async with world() as w:
        subscription = await w.subscribe(hold_for=100.0)
        await w.client.subscriptions.pause(subscription.id)
        early = await w.emit(1_200)
        await w.live(80.0)
        held = (await w.deliveries(event_id=early[0]))[0].hold
        assert held is not None
        assert held.until is not None
        assert "cancelled as held for too long" in held.reason
        await w.emit(3)
        await w.live(50.0)
        assert await w.states() == {DeliveryState.CANCELLED: 1_200, DeliveryState.PENDING: 3}
        assert "held for more than 100 s" in (await w.deliveries(event_id=early[0]))[0].reason
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=5.0)
        assert len(w.receiver.seen) == 3


@virtual
async def test_what_is_held_too_long_is_cancelled_no_further_once_it_is_held_no_more() -> None:
    cancelled: list[int] = []

    class Queue:
        async def lapse(self, _: LaneKey, *, limit: int, **__: Any) -> int:
            cancelled.append(limit)
            return limit

    pauses = (Pause(start=at(0)),)
    held = replace(standing(hold_for=10.0), state=SubscriptionState.PAUSED, pauses=pauses)
    clock = VirtualClock()
    await asyncio.sleep(60.0)
    await lapse_held(Queue(), held, [held.id], clock, still=lambda: len(cancelled) < 3)  # type: ignore[arg-type]  # all that is asked
    assert len(cancelled) == 3


@virtual
async def test_what_waited_before_the_pause_is_held_from_the_pause_on() -> None:
    async with world(lambda seen: Reply(status=500) if seen.at < 300 else OK) as w:
        policy = RetryPolicy(schedule=Steps(delays=(290.0,)), max_attempts=2, jitter=0.0)
        subscription = await w.subscribe(hold_for=100.0, retry=policy)
        await w.emit(1)
        await w.live(250.0)
        await w.client.subscriptions.pause(subscription.id)
        await w.live(60.0)
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.DELIVERED: 1}


@virtual
async def test_a_subscription_that_holds_nothing_sends_nothing_of_its_pause() -> None:
    async with world() as w:
        subscription = await w.subscribe(hold_for=0.0)
        await w.client.subscriptions.pause(subscription.id)
        await w.emit(7)
        await w.client.subscriptions.resume(subscription.id)
        await w.emit(2)
        await w.until_done(within=5.0)
        assert await w.states() == {DeliveryState.CANCELLED: 7, DeliveryState.DELIVERED: 2}


@pytest.mark.parametrize("ordering", list(Ordering))
def test_what_was_held_is_cancelled_at_resume_if_asked_and_what_comes_then_is_sent(ordering: Ordering) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(status=500) if seen.at < 5 else OK) as w:
            subscription = await w.subscribe(ordering=ordering)
            await w.emit(5, ordering_key="k")
            await w.live(2.0)
            await w.client.subscriptions.pause(subscription.id)
            await w.emit(1_100, ordering_key="k")
            await w.live(10.0)
            before = len(w.receiver.seen)
            resumed = await w.client.subscriptions.resume(subscription.id, discard_held=True)
            assert resumed.state is SubscriptionState.ACTIVE
            await w.emit(4, ordering_key="k")
            await w.until_done(within=5.0)
            assert await w.states() == {DeliveryState.CANCELLED: 1_105, DeliveryState.DELIVERED: 4}
            assert len(w.receiver.seen) == before + 4
            assert "discarded" in (await w.deliveries())[0].reason
            await w.emit(1, ordering_key="k")
            await w.client.subscriptions.resume(subscription.id, discard_held=True)
            await w.until_done(within=5.0)
            assert (await w.states())[DeliveryState.DELIVERED] == 5, "of one that is active nothing is discarded"

    run()


@virtual
async def test_what_is_on_the_wire_finishes_with_the_old_url_and_secret_and_the_next_attempt_takes_the_new() -> None:
    async with world(lambda seen: Reply(status=500, after=10.0) if seen.path == "/old" else OK) as w:
        subscription = await w.subscribe("/old", retry=TWICE)
        await w.emit(1)
        await w.live(5.0)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=LOOPBACK + "/new"), fields=["url"])
        await w.client.subscriptions.rotate_secret(subscription.id, overlap=0.0)
        await w.until_done(within=30.0)
        assert [seen.path for seen in w.receiver.seen] == ["/old", "/new"]
        first, second = await w.attempts()
        assert (first.url, second.url) == (LOOPBACK + "/old", LOOPBACK + "/new")
        assert first.status == 500


@virtual
async def test_an_answer_of_the_former_url_does_not_disable_the_new_one() -> None:
    async with world(lambda seen: Reply(status=410, after=10.0) if seen.path == "/old" else OK) as w:
        subscription = await w.subscribe("/old", retry=TWICE)
        await w.emit(1)
        await w.live(5.0)
        await w.client.subscriptions.update(subscription.id, SubscriptionSpec(url=LOOPBACK + "/new"), fields=["url"])
        await w.until_done(within=30.0)
        assert await state_of(w, subscription) is SubscriptionState.ACTIVE
        assert await w.states() == {DeliveryState.DELIVERED: 1}


@virtual
async def test_the_hold_of_a_due_delivery_names_the_open_breaker_and_when_it_probes() -> None:
    async with world(bad_fails) as w:
        await w.subscribe("/bad", breaker=CircuitBreaker(consecutive_failures=3, open_for=50.0), retry=OFTEN)
        await w.emit(10)
        await w.live(10.0)
        for client in (w.client, (await w.node("far", deliver=False)).client):
            holds = [one.hold for one in (await client.deliveries.list()).items if one.hold is not None]
            assert {hold.kind for hold in holds} == {HoldKind.BREAKER}
            assert all(hold.until is not None and "500" in hold.reason for hold in holds)
