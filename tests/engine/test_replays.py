"""Replays: past events again, at a rate of their own, over restarts, beside live traffic."""

import pytest
from engine.virtual import World, now, virtual, world

from hookline.errors import InvalidArgument
from hookline.model import EventSpec, Ordering, RateLimit, Replay, ReplayState


async def finished(w: World, replay: Replay) -> bool:
    return (await w.client.events.get_replay(replay.id)).state is ReplayState.DONE


@virtual
async def test_a_replay_queues_no_more_than_its_rate() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        await w.emit(400)
        await w.until_done(within=10.0)
        began = now()
        replay = await w.client.events.replay(subscription.id, max_per_second=20)
        assert replay.max_per_second == 20
        await w.live(10.0)
        halfway = await w.client.events.get_replay(replay.id)
        assert 150 <= halfway.replayed <= 225
        await w.until(lambda: finished(w, replay), within=30.0)
        assert now() - began >= 400 / 20 - 2
        await w.until_done(within=10.0)
        assert len(w.receiver.seen) == 800
        again = [one for one in await w.deliveries() if one.replay_id]
        assert {one.replay_id for one in again} == {replay.id}
        assert len(again) == 400


@virtual
async def test_live_events_go_on_beside_a_replay() -> None:
    async with world() as w:
        subscription = await w.subscribe(max_in_flight=1)
        await w.emit(1_000)
        await w.until_done(within=60.0)
        await w.client.events.replay(subscription.id, max_per_second=50)
        await w.live(2.0)
        (event_id,) = await w.emit(1)
        await w.until(lambda: any(seen.webhook_id == event_id for seen in w.receiver.seen), within=1.0)


@pytest.mark.parametrize(("lanes", "ordering"), [(1, Ordering.NONE), (1, Ordering.BY_KEY), (4, Ordering.BY_KEY)])
def test_a_receiver_that_is_slower_than_a_replay_has_live_events_soon_all_the_same(lanes: int, ordering: Ordering) -> None:
    @virtual
    async def run() -> None:
        async with world() as w:
            subscription = await w.subscribe(
                rate=RateLimit(requests_per_second=20, burst=20), lanes=lanes, ordering=ordering, max_in_flight=8
            )
            await w.emit(300)
            await w.until_done(within=60.0)
            replay = await w.client.events.replay(subscription.id)
            await w.live(5.0)
            (event_id,) = await w.emit(1)
            await w.until(lambda: any(seen.webhook_id == event_id for seen in w.receiver.seen), within=10.0 if lanes > 1 else 4.5)
            assert not await finished(w, replay)
            await w.until(lambda: finished(w, replay), within=60.0)
            await w.until_done(within=60.0)
            assert len(w.receiver.seen) == 601

    run()


@virtual
async def test_a_replay_into_a_paused_subscription_ends_and_is_held() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        await w.emit(300)
        await w.until_done(within=10.0)
        await w.client.subscriptions.pause(subscription.id)
        replay = await w.client.events.replay(subscription.id)
        await w.until(lambda: finished(w, replay), within=10.0)
        await w.client.subscriptions.resume(subscription.id)
        await w.until_done(within=10.0)
        assert len(w.receiver.seen) == 600


@virtual
async def test_a_replay_goes_on_where_it_was_after_a_restart_and_keeps_its_rate() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        await w.emit(300)
        await w.until_done(within=10.0)
        replay = await w.client.events.replay(subscription.id, max_per_second=20)
        await w.live(5.0)
        await w.nodes["a"].client.close()
        await w.live(60.0)
        await w.node("a")
        await w.live(2.0)
        assert (await w.client.events.get_replay(replay.id)).replayed <= 160
        await w.until(lambda: finished(w, replay), within=30.0)
        await w.until_done(within=10.0)
        assert len(w.receiver.seen) == 600


@virtual
async def test_steps_are_bounded_by_bytes() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        for _ in range(6):
            await w.client.emit_many([EventSpec(type="big.one", data=b'"' + b"x" * 200_000 + b'"') for _ in range(20)])
        await w.until_done(within=30.0)
        sizes: list[int] = []
        scan = w.store.scan

        async def seen(*args: object, **kwargs: object) -> object:
            found = await scan(*args, **kwargs)  # type: ignore[arg-type]
            sizes.append(sum(len(event.data) for _, event in found))
            return found

        w.store.scan = seen  # type: ignore[method-assign,assignment]
        replay = await w.client.events.replay(subscription.id, max_per_second=10_000)
        await w.until(lambda: finished(w, replay), within=30.0)
        assert max(sizes) <= 16 * 1024 * 1024
        assert len(sizes) > 3
        await w.until_done(within=30.0)
        assert len(w.receiver.seen) == 240


@virtual
async def test_a_rate_out_of_range_is_refused() -> None:
    async with world() as w:
        subscription = await w.subscribe()
        for rate in (0, -1, 10_001, True):
            with pytest.raises(InvalidArgument, match="max_per_second"):
                await w.client.events.replay(subscription.id, max_per_second=rate)
