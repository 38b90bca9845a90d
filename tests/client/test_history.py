"""Looking back: lists, watching, replays."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.doors import Door
from client.policies import ONCE
from client.receiver import Receiver

from hookline import Change, Client, DeliveryState, EventSpec, Replay, ReplayState
from hookline.errors import AlreadyExists, InvalidArgument, NotFound, OutOfRange


async def test_events_are_listed_page_by_page_the_newest_first(client: Client) -> None:
    for index in range(7):
        await client.emit("odd" if index % 2 else "even", {}, id=f"e-{index}")
    found: list[str] = []
    token = ""
    while True:
        page = await client.events.list(page_size=3, page_token=token)
        assert len(page.items) <= 3
        found += [event.id for event in page.items]
        token = page.next_page_token
        if not token:
            break
    assert found == [f"e-{index}" for index in reversed(range(7))]
    assert [event.id for event in (await client.events.list(event_type="odd")).items] == ["e-5", "e-3", "e-1"]


async def test_events_are_listed_by_the_time_of_their_acceptance_the_end_excluded(client: Client) -> None:
    first = await client.emit("a", {}, id="first")
    second = await client.emit("a", {}, id="second")
    assert first.accept_time <= second.accept_time
    listed = await client.events.list(from_time=second.accept_time)
    assert "second" in [event.id for event in listed.items]
    listed = await client.events.list(to_time=second.accept_time)
    assert "second" not in [event.id for event in listed.items]
    future = datetime.now(UTC) + timedelta(hours=1)
    assert (await client.events.list(from_time=future)).items == ()


async def test_deliveries_are_listed_by_state_subscription_event_and_type(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    good = await subscribe("/good", event_types=("a", "b"))
    bad = await subscribe("/bad", event_types=("b",), retry=ONCE)
    receiver.always(500, path="/bad")
    await client.emit("a", {}, id="first")
    await client.emit("b", {}, id="second")
    await changes.until(DeliveryState.DELIVERED, count=2)
    await changes.until(DeliveryState.EXHAUSTED)

    async def found(**filters: object) -> set[tuple[str, str]]:
        page = await client.deliveries.list(**filters)  # type: ignore[arg-type]  # one by one below
        return {(delivery.subscription_id, delivery.event_id) for delivery in page.items}

    assert await found() == {(good.id, "first"), (good.id, "second"), (bad.id, "second")}
    assert await found(state=DeliveryState.EXHAUSTED) == {(bad.id, "second")}
    assert await found(state=DeliveryState.DELIVERED, event_type="b") == {(good.id, "second")}
    assert await found(subscription_id=bad.id) == {(bad.id, "second")}
    assert await found(event_id="first") == {(good.id, "first")}
    assert await found(state=DeliveryState.PENDING) == set()
    assert await found(from_time=datetime.now(UTC) + timedelta(hours=1)) == set()


async def test_deliveries_are_listed_page_by_page_and_none_twice(client: Client, changes: Changes, subscribe: Subscribe) -> None:
    await subscribe()
    await client.emit_many([EventSpec(type="a", data=b"1") for _ in range(25)])
    await changes.until(DeliveryState.DELIVERED, count=25)
    found: list[str] = []
    token = ""
    while True:
        page = await client.deliveries.list(page_size=10, page_token=token)
        found += [delivery.id for delivery in page.items]
        token = page.next_page_token
        if not token:
            break
    assert len(found) == len(set(found)) == 25


@pytest.mark.parametrize("page_size", [0, -1, 1_001])
async def test_a_page_has_one_to_a_thousand_items(client: Client, page_size: int) -> None:
    for listing in (client.events.list, client.deliveries.list, client.subscriptions.list, client.event_types.list):
        with pytest.raises(InvalidArgument) as caught:
            await listing(page_size=page_size)
        assert [each.field for each in caught.value.violations] == ["page_size"]


async def test_a_watch_sees_every_change_and_goes_on_from_a_cursor(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe()
    begin = changes.cursor
    receiver.script(500)
    await client.emit("a", {})
    await changes.until(DeliveryState.DELIVERED)
    seen = [(change.delivery.state, change.attempt and change.attempt.status) for change in changes.seen]
    assert seen == [(DeliveryState.PENDING, 500), (DeliveryState.DELIVERED, 200)]
    async with Changes(client, cursor=begin) as again:
        await again.until(DeliveryState.DELIVERED)
        assert [change.cursor for change in again.seen] == [change.cursor for change in changes.seen]
    async with Changes(client, cursor=changes.seen[0].cursor) as rest:
        following = await rest.following()
        assert isinstance(following, Change)
        assert following.delivery.state is DeliveryState.DELIVERED


async def test_a_watch_of_one_subscription_sees_no_other(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    watched = await subscribe("/watched", event_types=("watched",))
    await subscribe("/other", event_types=("other",))
    async with Changes(client, subscription_id=watched.id) as changes:
        await client.emit("other", {})
        await receiver.wait(1, path="/other")
        await client.emit("watched", {})
        await changes.until(DeliveryState.DELIVERED)
        assert {change.delivery.subscription_id for change in changes.seen} == {watched.id}


async def test_a_cursor_to_what_retention_has_removed_is_out_of_range(
    door: Door, client: Client, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe()
    begin = changes.cursor
    for _ in range(3):
        await client.emit("a", {})
    await changes.until(DeliveryState.DELIVERED, count=3)
    await door.forget_the_past()
    with pytest.raises(OutOfRange) as caught:
        async with Changes(client, cursor=begin):
            pass
    assert caught.value.code == "CURSOR_EXPIRED"
    async with Changes(client, cursor=changes.cursor):
        pass


async def test_a_cursor_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgument) as caught:
        async with Changes(client, cursor="nonsense"):
            pass
    assert [each.field for each in caught.value.violations] == ["cursor"]


@pytest.mark.parametrize("new_ids", [False, True])
async def test_a_replay_delivers_past_events_again(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe, new_ids: bool
) -> None:
    for index in range(5):
        await client.emit("a", {"n": index}, id=f"e-{index}")
    await client.emit("unwanted", {})
    subscription = await subscribe(event_types=("a",))
    replay = await client.events.replay(subscription.id, new_webhook_ids=new_ids)
    assert replay.state is ReplayState.RUNNING
    delivered = await changes.until(DeliveryState.DELIVERED, count=5)
    assert {change.delivery.replay_id for change in delivered} == {replay.id}
    ids = {request.webhook_id for request in receiver.received}
    assert len(ids) == 5
    originals = {f"e-{index}" for index in range(5)}
    assert ids.isdisjoint(originals) if new_ids else ids == originals
    while (replay := await client.events.get_replay(replay.id)).state is ReplayState.RUNNING:
        pass
    assert (replay.state, replay.replayed) == (ReplayState.DONE, 5)
    assert replay.finish_time is not None


async def test_a_repeated_replay_request_starts_nothing(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    first = await client.events.replay(subscription.id, request_id="replay-1")
    again = await client.events.replay(subscription.id, request_id="replay-1")
    assert first.id == again.id
    with pytest.raises(AlreadyExists):
        await client.events.replay(subscription.id, request_id="replay-1", new_webhook_ids=True)


async def over(client: Client, replay: Replay) -> Replay:
    """The replay, once it is done."""
    while replay.state is ReplayState.RUNNING:
        await asyncio.sleep(0.01)
        replay = await client.events.get_replay(replay.id)
    return replay


async def test_a_replay_takes_what_ended_so_and_what_never_had_a_delivery_and_only_once(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await client.emit("a", {"n": 0}, id="before-it-was-made")
    subscription = await subscribe(retry=ONCE, event_types=("a",), max_in_flight=1)
    receiver.script(200, 500, 500)
    for number, name in enumerate(("taken", "failed", "failed-too"), 1):
        await client.emit("a", {"n": number}, id=name)
        await changes.until(DeliveryState.DELIVERED if name == "taken" else DeliveryState.EXHAUSTED, event_id=name)
    asked = {"states": [DeliveryState.EXHAUSTED, DeliveryState.CANCELLED], "without_delivery": True}
    replay = await over(client, await client.events.replay(subscription.id, filter="event.data.n != 2", **asked))
    assert (replay.replayed, replay.without_delivery, replay.filter) == (2, True, "event.data.n != 2")
    assert set(replay.states) == {DeliveryState.EXHAUSTED, DeliveryState.CANCELLED}
    again = (await client.deliveries.list(replay_id=replay.id)).items
    assert {one.event_id for one in again} == {"before-it-was-made", "failed-too"}
    assert {one.replay_id for one in again} == {replay.id}
    await changes.until(DeliveryState.DELIVERED, event_id="before-it-was-made")
    await changes.until(DeliveryState.DELIVERED, event_id="failed-too")
    rest = await over(client, await client.events.replay(subscription.id, **asked))
    assert [one.event_id for one in (await client.deliveries.list(replay_id=rest.id)).items] == ["failed"]
    assert (await over(client, await client.events.replay(subscription.id, without_delivery=True))).replayed == 0


async def test_the_filter_of_a_replay_is_checked_when_it_is_asked_for(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    with pytest.raises(InvalidArgument) as caught:
        await client.events.replay(subscription.id, filter="event.data.n >")
    assert [each.field for each in caught.value.violations] == ["filter"]
    assert (await client.events.list_replays()).items == ()


async def test_replays_are_listed_page_by_page_the_newest_first(client: Client, subscribe: Subscribe) -> None:
    mine, other = await subscribe(), await subscribe("/other")
    started = [(await client.events.replay(mine.id)).id for _ in range(3)]
    (theirs,) = [(await client.events.replay(other.id)).id]
    first = await client.events.list_replays(subscription_id=mine.id, page_size=2)
    rest = await client.events.list_replays(subscription_id=mine.id, page_size=2, page_token=first.next_page_token)
    assert [one.id for one in (*first.items, *rest.items)] == started[::-1]
    assert rest.next_page_token == ""
    assert [one.id for one in (await client.events.list_replays()).items] == [theirs, *started[::-1]]


async def test_a_replay_that_is_over_stays_over_when_it_is_cancelled(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    await client.subscriptions.pause(subscription.id)
    replay = await client.events.replay(subscription.id)
    ended = await client.events.cancel_replay(replay.id)
    assert ended.state in {ReplayState.CANCELLED, ReplayState.DONE}
    assert (await client.events.cancel_replay(replay.id)).state is ended.state


async def test_what_is_not_there_is_not_found(client: Client) -> None:
    for call, kind in (
        (client.events.get("evt_none"), "event"),
        (client.events.get_replay("rpl_none"), "replay"),
        (client.events.cancel_replay("rpl_none"), "replay"),
        (client.events.replay("sub_none"), "subscription"),
        (client.subscriptions.get("sub_none"), "subscription"),
        (client.subscriptions.delete("sub_none"), "subscription"),
        (client.subscriptions.pause("sub_none"), "subscription"),
        (client.subscriptions.resume("sub_none"), "subscription"),
        (client.subscriptions.rotate_secret("sub_none"), "subscription"),
        (client.subscriptions.get_secret("sub_none"), "subscription"),
        (client.subscriptions.test("sub_none"), "subscription"),
        (client.deliveries.get("dlv_none"), "delivery"),
        (client.deliveries.attempts("dlv_none"), "delivery"),
        (client.deliveries.retry("dlv_none"), "delivery"),
        (client.deliveries.cancel("dlv_none"), "delivery"),
        (client.event_types.get("none"), "event type"),
        (client.event_types.delete("none"), "event type"),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.kind == kind
        assert "none" in caught.value.name
