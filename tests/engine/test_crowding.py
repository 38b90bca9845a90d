"""What waits for the end of other requests says so, and for which of the limits."""

from dataclasses import replace

from engine.virtual import CONFIG, Reply, Seen, virtual, world

from hookline.model import Delivery, DeliveryState, HoldKind, RetryPolicy, Steps

OFTEN = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=50, jitter=0.0)


def hangs(_: Seen) -> Reply:
    return Reply(status=200, after=20.0)


def busy(seen: Seen) -> Reply:
    return Reply(status=503) if seen.at < 1.0 else Reply(status=200, after=20.0)


def crowded(deliveries: list[Delivery]) -> list[str]:
    """The reasons of those that wait for the end of other requests."""
    return [one.hold.reason for one in deliveries if one.hold is not None and one.hold.kind is HoldKind.CONCURRENCY]


@virtual
async def test_what_waits_for_the_subscriptions_own_limit_says_so_and_what_is_under_way_has_no_hold() -> None:
    async with world(hangs) as w:
        await w.subscribe(max_in_flight=3, timeout=30.0)
        await w.emit(5)
        await w.live(1.0)
        deliveries = await w.deliveries(state=DeliveryState.PENDING)
        reasons = crowded(deliveries)
        assert len(reasons) == 2
        assert all("max_in_flight: 3" in reason for reason in reasons)
        assert sum(one.hold is None for one in deliveries) == 3
        await w.until_done(within=60.0)


@virtual
async def test_what_waits_as_its_lane_was_narrowed_after_slow_answers_says_so() -> None:
    async with world(busy) as w:
        await w.subscribe(max_in_flight=2, timeout=30.0, retry=OFTEN)
        await w.emit(3)
        await w.live(6.0)
        (reason, *_) = reasons = crowded(await w.deliveries(state=DeliveryState.PENDING))
        assert len(reasons) == 2
        assert "narrowed to 1 of 2 requests" in reason
        await w.until_done(within=100.0)


@virtual
async def test_what_waits_for_the_slots_of_the_node_says_so() -> None:
    async with world(hangs, config=replace(CONFIG, node_concurrency=4)) as w:
        await w.subscribe(timeout=30.0)
        await w.emit(8)
        await w.live(1.0)
        reasons = crowded(await w.deliveries(state=DeliveryState.PENDING))
        assert reasons
        assert all("node_concurrency" in reason for reason in reasons)
        await w.until_done(within=200.0)


@virtual
async def test_a_process_that_does_not_deliver_cannot_tell() -> None:
    async with world(hangs) as w:
        await w.subscribe(max_in_flight=1, timeout=30.0)
        await w.emit(2)
        await w.live(1.0)
        other = await w.node("b", deliver=False)
        page = await other.client.deliveries.list(state=DeliveryState.PENDING)
        assert [one.hold for one in page.items] == [None, None]
        await other.client.close()
        await w.until_done(within=60.0)
