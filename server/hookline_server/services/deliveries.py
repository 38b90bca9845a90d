"""DeliveryService: translates, calls the client, translates back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from hookline import wire
from hookline.client import MAX_BATCH, Client
from hookline.errors import InvalidArgument
from hookline_proto.v1 import delivery_service_pb2 as pb
from hookline_proto.v1 import delivery_service_pb2_grpc
from hookline_server.services.fields import page_size, read_optional_time
from hookline_server.services.guard import Context, Drain, closing

WATCH_AHEAD: Final = 100
"""Changes that are read and not written yet."""


class DeliveryServicer(delivery_service_pb2_grpc.DeliveryServiceServicer):
    """Deliveries and their attempts."""

    def __init__(self, client: Client, drain: Drain) -> None:
        """Serve `client`; end watches when `drain` begins."""
        self._client = client
        self._deliveries = client.deliveries
        self._drain = drain

    async def GetDelivery(self, request: pb.GetDeliveryRequest, context: Context) -> pb.GetDeliveryResponse:
        """Answer with one delivery."""
        found = await self._deliveries.get(request.delivery_id, tenant=request.tenant)
        return pb.GetDeliveryResponse(delivery=wire.write_delivery(found))

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Context) -> pb.ListDeliveriesResponse:
        """Answer with a page of deliveries."""
        page = await self._deliveries.list(
            state=wire.read_state_filter(request.state),
            subscription_id=request.subscription_id,
            event_id=request.event_id,
            event_type=request.event_type,
            replay_id=request.replay_id,
            from_time=read_optional_time(request, "from_time"),
            to_time=read_optional_time(request, "to_time"),
            page_size=page_size(request.page_size),
            page_token=request.page_token,
            tenant=request.tenant,
        )
        return pb.ListDeliveriesResponse(
            deliveries=[wire.write_delivery(item) for item in page.items], next_page_token=page.next_page_token
        )

    async def ListAttempts(self, request: pb.ListAttemptsRequest, context: Context) -> pb.ListAttemptsResponse:
        """Answer with the attempts of a delivery."""
        attempts = await self._deliveries.attempts(request.delivery_id, tenant=request.tenant)
        return pb.ListAttemptsResponse(attempts=[wire.write_attempt(attempt) for attempt in attempts])

    async def RetryDelivery(self, request: pb.RetryDeliveryRequest, context: Context) -> pb.RetryDeliveryResponse:
        """Try a delivery again."""
        retried = await self._deliveries.retry(request.delivery_id, tenant=request.tenant)
        return pb.RetryDeliveryResponse(delivery=wire.write_delivery(retried))

    async def BatchRetryDeliveries(
        self, request: pb.BatchRetryDeliveriesRequest, context: Context
    ) -> pb.BatchRetryDeliveriesResponse:
        """Try several deliveries again."""
        number = len(request.delivery_ids)
        if not 1 <= number <= MAX_BATCH:
            raise InvalidArgument.of("delivery_ids", f"are {number}, must be 1 to {MAX_BATCH:,} in a batch")
        outcomes = await self._deliveries.retry_many(tuple(request.delivery_ids), tenant=request.tenant)
        return pb.BatchRetryDeliveriesResponse(outcomes=[wire.write_retry_outcome(outcome) for outcome in outcomes])

    async def CancelDelivery(self, request: pb.CancelDeliveryRequest, context: Context) -> pb.CancelDeliveryResponse:
        """End a pending delivery."""
        cancelled = await self._deliveries.cancel(request.delivery_id, reason=request.reason, tenant=request.tenant)
        return pb.CancelDeliveryResponse(delivery=wire.write_delivery(cancelled))

    async def WatchDeliveries(
        self, request: pb.WatchDeliveriesRequest, context: Context
    ) -> AsyncIterator[pb.WatchDeliveriesResponse]:
        """Tell what happens, until the caller goes away or the server shuts down."""
        watch = self._client.watch(subscription_id=request.subscription_id, cursor=request.cursor, tenant=request.tenant)
        room = asyncio.Semaphore(WATCH_AHEAD)
        answers: asyncio.Queue[pb.WatchDeliveriesResponse | None] = asyncio.Queue()

        async def pump() -> None:
            async with closing(watch) as changes:
                async for change in changes:
                    await room.acquire()
                    answers.put_nowait(wire.write_watched(change))

        pumping = asyncio.create_task(pump())
        pumping.add_done_callback(lambda _: answers.put_nowait(None))
        draining = asyncio.create_task(self._drain.wait())
        draining.add_done_callback(lambda _: pumping.cancel())
        try:
            while (answer := await answers.get()) is not None:
                yield answer
                room.release()
            if self._drain.begun:
                raise Drain.refusal()
            await pumping
        finally:
            draining.cancel()
            pumping.cancel()
            await asyncio.gather(draining, pumping, return_exceptions=True)

    async def GetDeliveryStats(self, request: pb.GetDeliveryStatsRequest, context: Context) -> pb.GetDeliveryStatsResponse:
        """Answer with counts."""
        return pb.GetDeliveryStatsResponse(stats=wire.write_stats(await self._deliveries.stats(tenant=request.tenant)))
