"""DeliveryService and replays: what happened to an event, live and afterwards."""

import asyncio
from typing import Any

import grpc

from hookline_conformance.api.target import NOWHERE, ApiTarget
from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.endpoint import Endpoint
from hookline_conformance.sender.reply import always, in_turn, status
from hookline_proto.v1 import delivery_pb2 as dlv
from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import replay_pb2 as rpl
from hookline_proto.v1 import retry_policy_pb2 as rtp
from hookline_proto.v1 import subscription_service_pb2 as subs

DONE = frozenset({dlv.DELIVERY_STATE_DELIVERED, dlv.DELIVERY_STATE_EXHAUSTED, dlv.DELIVERY_STATE_CANCELLED})
DELIVERED = dlv.DELIVERY_STATE_DELIVERED
PENDING = dlv.DELIVERY_STATE_PENDING
CANCELLED = dlv.DELIVERY_STATE_CANCELLED


async def _delivered(target: ApiTarget, tenant: str, endpoint: Endpoint, count: int = 1) -> list[dlv.Delivery]:
    """Emit `count` events to a receiver that takes them; their deliveries, the oldest first."""
    await target.subscribe(tenant, endpoint.url)
    for _ in range(count):
        await target.emit(tenant)
    found = await target.finished(tenant, count, DONE)
    if sum(delivery.state == DELIVERED for delivery in found) < count:
        raise NotChecked("the events were not delivered to a receiver on loopback; the server must be set up to allow that")
    return found[::-1]


class Watch:
    """A watch, read one message at a time."""

    def __init__(self, target: ApiTarget, tenant: str, cursor: str = "") -> None:
        request = dlvs.WatchDeliveriesRequest(tenant=tenant, cursor=cursor)
        self._target = target
        self._call = target.stream(target.deliveries.WatchDeliveries, request)
        self.cursor = cursor

    async def begun(self) -> None:
        """Wait for the first checkpoint or change, so that what follows is after the watch's start."""
        await self._next(1.0)

    async def until(self, requirement: str, wanted: set[str]) -> list[dlv.DeliveryChange]:
        """Read until every event of `wanted` was told of as delivered; a violation if that does not come."""
        changes: list[dlv.DeliveryChange] = []
        missing = set(wanted)
        try:
            async with asyncio.timeout(self._target.patience):
                while missing:
                    message = await self._call.read()
                    if message.HasField("change"):
                        changes.append(message.change)
                        self.cursor = message.change.cursor
                        if message.change.delivery.state == DELIVERED:
                            missing.discard(message.change.delivery.event_id)
                    else:
                        self.cursor = message.checkpoint.cursor
        except TimeoutError:
            got = f"{len(missing)} of {len(wanted)} were not told of"
            self._target.fail(requirement, "every delivery within the patience", got)
        return changes

    async def _next(self, within: float) -> None:
        reading = asyncio.ensure_future(self._call.wait_for_connection())
        try:
            await asyncio.wait_for(reading, within + self._target.patience)
        except TimeoutError:
            raise NotChecked("the watch did not begin") from None

    def cancel(self) -> None:
        """End it."""
        self._call.cancel()


@check("EMI-224")
async def a_watch_tells_what_happens(target: ApiTarget) -> None:
    """Three deliveries after its start."""
    tenant = target.unique()
    async with target.receiver() as endpoint:
        await target.subscribe(tenant, endpoint.url)
        watch = Watch(target, tenant)
        try:
            await watch.begun()
            await asyncio.sleep(0.3)
            names = {(await target.emit(tenant)).event_id for _ in range(3)}
            changes = await watch.until("EMI-224", names)
        finally:
            watch.cancel()
        with_attempt = [change for change in changes if change.HasField("attempt")]
        target.expect(bool(with_attempt), "EMI-224", "the attempts of the deliveries", f"{len(changes)} changes without one")
        target.expect(all(change.cursor for change in changes), "EMI-224", "a cursor with each change", "one without")


@check("EMI-225")
async def a_watch_goes_on_from_a_cursor(target: ApiTarget) -> None:
    """A watch, then deliveries while nobody watches, then a watch from the cursor."""
    tenant = target.unique()
    async with target.receiver() as endpoint:
        await target.subscribe(tenant, endpoint.url)
        watch = Watch(target, tenant)
        try:
            await watch.begun()
            await asyncio.sleep(0.3)
            await watch.until("EMI-225", {(await target.emit(tenant)).event_id})
        finally:
            watch.cancel()
        missed = {(await target.emit(tenant)).event_id for _ in range(5)}
        await target.finished(tenant, 6, DONE)
        again = Watch(target, tenant, watch.cursor)
        try:
            await again.until("EMI-225", missed)
        finally:
            again.cancel()


@check("EMI-226")
async def a_strange_cursor_is_refused(target: ApiTarget) -> None:
    """Text, and what looks like a cursor."""
    for cursor in ("no cursor", "AAAAAAAA", "x" * 300):
        request = dlvs.WatchDeliveriesRequest(tenant=target.unique(), cursor=cursor)
        watch = target.stream(target.deliveries.WatchDeliveries, request, timeout=30.0)
        try:
            async for _ in watch:
                break
        except grpc.aio.AioRpcError as error:
            right = error.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE}
            target.expect(right, "EMI-226", f"INVALID_ARGUMENT or OUT_OF_RANGE for {cursor!r}", error.code().name)
        else:
            target.fail("EMI-226", f"the cursor {cursor!r} to be refused", "the watch began")
        finally:
            watch.cancel()


@check("EMI-228")
async def the_views_of_a_delivery_agree(target: ApiTarget) -> None:
    """Two failures, then success, seen from all sides."""
    tenant = target.unique()
    steps = rtp.StepSchedule()
    steps.delays.add().FromMilliseconds(50)
    async with target.receiver(in_turn(status(500), status(503), status(204))) as endpoint:
        made = await target.subscribe(tenant, endpoint.url, retry=rtp.RetryPolicy(steps=steps, max_attempts=5))
        event_id = (await target.emit(tenant)).event_id
        found = await target.finished(tenant, 1, DONE)
    target.expect(len(found) == 1, "EMI-228", "one delivery", len(found))
    listed = found[0]
    request = dlvs.GetDeliveryRequest(tenant=tenant, delivery_id=listed.id)
    got = (await target.call(target.deliveries.GetDelivery, request)).delivery
    target.expect(got == listed, "EMI-228", "the same delivery by get and list", got)
    attempts = (
        await target.call(target.deliveries.ListAttempts, dlvs.ListAttemptsRequest(tenant=tenant, delivery_id=listed.id))
    ).attempts
    statuses = [attempt.status for attempt in attempts]
    target.expect(statuses == [500, 503, 204], "EMI-228", "attempts with 500, 503 and 204", statuses)
    numbers = [(attempt.run, attempt.number) for attempt in attempts]
    target.expect(numbers == [(1, 1), (1, 2), (1, 3)], "EMI-228", "numbers 1, 2 and 3 of run 1", numbers)
    right = got.attempts == 3 and got.state == DELIVERED and got.event_id == event_id and got.subscription_id == made.id
    target.expect(right, "EMI-228", "three attempts, delivered, of the event and the subscription", got)
    target.expect(got.webhook_id == endpoint.requests[0].message_id, "EMI-228", "the webhook id of the requests", got.webhook_id)
    for field, value in (
        ("state", DELIVERED),
        ("subscription_id", made.id),
        ("event_id", event_id),
        ("event_type", got.event_type),
    ):
        same = await target.listed(tenant, **{field: value})
        target.expect([one.id for one in same] == [got.id], "EMI-228", f"the delivery when filtered by {field}", len(same))
    for field, value in (("state", CANCELLED), ("subscription_id", "sub_x"), ("event_id", "evt_x"), ("event_type", "x.y")):
        none = await target.listed(tenant, **{field: value})
        target.expect(not none, "EMI-228", f"nothing when filtered by another {field}", len(none))


@check("EMI-229")
async def pending_deliveries_can_be_cancelled(target: ApiTarget) -> None:
    """A held one, twice; and one that was delivered."""
    tenant = target.unique()
    made = await target.subscribe(tenant, NOWHERE)
    await target.call(target.subscriptions.PauseSubscription, subs.PauseSubscriptionRequest(tenant=tenant, subscription_id=made.id))
    await target.emit(tenant)
    held = await target.finished(tenant, 1, frozenset({PENDING}))
    target.expect(len(held) == 1 and held[0].state == PENDING, "EMI-229", "a pending delivery while paused", held)
    request = dlvs.CancelDeliveryRequest(tenant=tenant, delivery_id=held[0].id, reason="conformance")
    for _ in range(2):
        answer = await target.call(target.deliveries.CancelDelivery, request)
        target.expect(answer.delivery.state == CANCELLED, "EMI-229", "a cancelled delivery", answer)
    other = target.unique()
    async with target.receiver() as endpoint:
        (delivered,) = await _delivered(target, other, endpoint)
    late = dlvs.CancelDeliveryRequest(tenant=other, delivery_id=delivered.id)
    code = grpc.StatusCode.FAILED_PRECONDITION
    await target.refused("EMI-229", target.deliveries.CancelDelivery, late, code, "a delivery that was made")


@check("EMI-230")
async def a_retry_by_hand_is_a_new_run(target: ApiTarget) -> None:
    """A delivery that was exhausted."""
    tenant = target.unique()
    async with target.receiver(in_turn(status(500), status(204))) as endpoint:
        await target.subscribe(tenant, endpoint.url)
        await target.emit(tenant)
        (failed,) = await target.finished(tenant, 1, DONE)
        target.expect(failed.state == dlv.DELIVERY_STATE_EXHAUSTED, "EMI-230", "an exhausted delivery", failed)
        request = dlvs.RetryDeliveryRequest(tenant=tenant, delivery_id=failed.id)
        answer = await target.call(target.deliveries.RetryDelivery, request)
        target.expect(answer.delivery.id == failed.id, "EMI-230", "the same delivery", answer.delivery.id)
        (again,) = await target.finished(tenant, 1, frozenset({DELIVERED}))
        target.expect(again.state == DELIVERED and again.run == 2, "EMI-230", "delivered in run 2", again)
        names = {one.message_id for one in endpoint.requests}
        target.expect(names == {failed.webhook_id}, "EMI-230", "one webhook id over both runs", names)


@check("EMI-231")
async def deliveries_are_counted(target: ApiTarget) -> None:
    """Three delivered, two exhausted, by two subscriptions."""
    tenant = target.unique()
    async with target.receiver() as good, target.receiver(always(status(500))) as bad:
        one = await target.subscribe(tenant, good.url, event_types=["a.good"])
        two = await target.subscribe(tenant, bad.url, event_types=["a.bad"])
        for number in range(5):
            await target.emit(tenant, type="a.good" if number < 3 else "a.bad")
        await target.finished(tenant, 5, DONE)
    request = dlvs.GetDeliveryStatsRequest(tenant=tenant)
    stats = (await target.call(target.deliveries.GetDeliveryStats, request)).stats
    got = (stats.total.delivered, stats.total.exhausted, stats.total.pending)
    target.expect(got == (3, 2, 0), "EMI-231", "3 delivered, 2 exhausted, none pending", got)
    by = (stats.by_subscription[one.id].delivered, stats.by_subscription[two.id].exhausted)
    target.expect(by == (3, 2), "EMI-231", "3 delivered and 2 exhausted by subscription", by)


async def _replay(target: ApiTarget, tenant: str, **fields: Any) -> rpl.Replay:
    """Start a replay, and wait until it is done."""
    request = evts.ReplayEventsRequest(tenant=tenant, **fields)
    replay = (await target.call(target.events.ReplayEvents, request)).replay
    for _ in range(int(target.patience / 0.05)):
        request_now = evts.GetReplayRequest(tenant=tenant, replay_id=replay.id)
        replay = (await target.call(target.events.GetReplay, request_now)).replay
        if replay.state == rpl.REPLAY_STATE_DONE:
            break
        await asyncio.sleep(0.05)
    target.expect(replay.state == rpl.REPLAY_STATE_DONE, "EMI-232", "the replay to be done", replay)
    return replay


@check("EMI-232")
async def past_events_are_delivered_again(target: ApiTarget) -> None:
    """Four events to a subscription that was made after them, then once more with new ids."""
    tenant = target.unique()
    names = {(await target.emit(tenant)).event_id for _ in range(4)}
    async with target.receiver() as endpoint:
        made = await target.subscribe(tenant, endpoint.url)
        done = await _replay(target, tenant, subscription_id=made.id)
        target.expect(done.replayed == 4, "EMI-232", "four events replayed", done)
        target.expect(await endpoint.wait(4, target.patience), "EMI-232", "four requests", len(endpoint.requests))
        got = {request.message_id for request in endpoint.requests}
        target.expect(got == names, "EMI-232", "the webhook ids of the events", got)
        await _replay(target, tenant, subscription_id=made.id, new_webhook_ids=True)
        target.expect(await endpoint.wait(8, target.patience), "EMI-232", "four requests more", len(endpoint.requests))
        fresh = {request.message_id for request in endpoint.requests[4:]}
        target.expect(len(fresh) == 4 and not fresh & names, "EMI-232", "four new webhook ids", fresh)


@check("EMI-234")
async def a_replay_can_be_cancelled(target: ApiTarget) -> None:
    """One that would take ten seconds, stopped twice; and one that is not there."""
    tenant = target.unique()
    for _ in range(10):
        await target.emit(tenant)
    async with target.receiver() as endpoint:
        made = await target.subscribe(tenant, endpoint.url)
        request = evts.ReplayEventsRequest(tenant=tenant, subscription_id=made.id, max_per_second=1)
        replay = (await target.call(target.events.ReplayEvents, request)).replay
        cancel = evts.CancelReplayRequest(tenant=tenant, replay_id=replay.id)
        stopped = replay
        for _ in range(2):
            stopped = (await target.call(target.events.CancelReplay, cancel)).replay
            right = stopped.state == rpl.REPLAY_STATE_CANCELLED and stopped.HasField("finish_time")
            target.expect(right, "EMI-234", "a cancelled replay, and when it was", stopped)
        await asyncio.sleep(1.2)
        get = evts.GetReplayRequest(tenant=tenant, replay_id=replay.id)
        later = (await target.call(target.events.GetReplay, get)).replay
        target.expect(later == stopped, "EMI-234", "the replay to stay as it was", later)
        target.expect(len(endpoint.requests) <= stopped.replayed, "EMI-234", "no more requests", len(endpoint.requests))
    unknown = evts.CancelReplayRequest(tenant=tenant, replay_id="rpl_unknown")
    await target.refused("EMI-234", target.events.CancelReplay, unknown, grpc.StatusCode.NOT_FOUND, "an unknown replay")


@check("EMI-233")
async def a_batch_of_retries_has_an_outcome_for_each(target: ApiTarget) -> None:
    """Two that are there around one that is not; and bounds."""
    tenant = target.unique()
    async with target.receiver() as endpoint:
        one, two = await _delivered(target, tenant, endpoint, 2)
        request = dlvs.BatchRetryDeliveriesRequest(tenant=tenant, delivery_ids=[one.id, "dlv_unknown", two.id])
        answer = await target.call(target.deliveries.BatchRetryDeliveries, request)
        kinds = [outcome.WhichOneof("outcome") for outcome in answer.outcomes]
        target.expect(kinds == ["delivery", "error", "delivery"], "EMI-233", "a delivery, an error, a delivery", kinds)
        retried = [outcome.delivery.id for outcome in answer.outcomes]
        target.expect(retried == [one.id, "", two.id], "EMI-233", "each delivery at its index", retried)
        code = answer.outcomes[1].error.code
        target.expect(code == grpc.StatusCode.NOT_FOUND.value[0], "EMI-233", "NOT_FOUND for the unknown one", code)
    for count in (0, 1_001):
        wrong = dlvs.BatchRetryDeliveriesRequest(tenant=tenant, delivery_ids=["dlv_x"] * count)
        refusal = grpc.StatusCode.INVALID_ARGUMENT
        await target.refused("EMI-233", target.deliveries.BatchRetryDeliveries, wrong, refusal, f"{count} deliveries")
