"""Deliveries over gRPC."""

from collections.abc import Sequence
from datetime import datetime

from hookline import wire
from hookline.client import Deliveries
from hookline.errors import HooklineError
from hookline.model import Attempt, Delivery, DeliveryState, Page, Stats
from hookline.remote.connection import Connection, answer
from hookline_proto.v1 import delivery_service_pb2 as pb


class RemoteDeliveries(Deliveries):
    """See `hookline.client.Deliveries`."""

    def __init__(self, connection: Connection) -> None:
        """Call over `connection`."""
        self._connection = connection

    async def get(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """One delivery."""
        request = wire.build(pb.GetDeliveryRequest, tenant=tenant or self._connection.tenant, delivery_id=delivery_id)
        response = await self._connection.call(lambda stubs: stubs.deliveries.GetDelivery, request)
        return answer(wire.read_delivery, response.delivery)

    async def list(
        self,
        *,
        state: DeliveryState | None = None,
        subscription_id: str = "",
        event_id: str = "",
        event_type: str = "",
        replay_id: str = "",
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page_size: int = 100,
        page_token: str = "",
        tenant: str = "",
    ) -> Page[Delivery]:
        """Deliveries, newest first."""
        request = wire.build(
            pb.ListDeliveriesRequest,
            tenant=tenant or self._connection.tenant,
            state=wire.write_state_filter(state),
            subscription_id=subscription_id,
            event_id=event_id,
            event_type=event_type,
            replay_id=replay_id,
            from_time=wire.write_optional_time(from_time, "from_time"),
            to_time=wire.write_optional_time(to_time, "to_time"),
            page_size=wire.write_page_size(page_size),
            page_token=page_token,
        )
        response = await self._connection.call(lambda stubs: stubs.deliveries.ListDeliveries, request)
        items = tuple(answer(wire.read_delivery, item) for item in response.deliveries)
        return Page(items=items, next_page_token=response.next_page_token)

    async def attempts(self, delivery_id: str, *, tenant: str = "") -> Sequence[Attempt]:
        """Every attempt of a delivery."""
        request = wire.build(pb.ListAttemptsRequest, tenant=tenant or self._connection.tenant, delivery_id=delivery_id)
        response = await self._connection.call(lambda stubs: stubs.deliveries.ListAttempts, request)
        return tuple(answer(wire.read_attempt, attempt) for attempt in response.attempts)

    async def retry(self, delivery_id: str, *, tenant: str = "") -> Delivery:
        """Try again now."""
        request = wire.build(pb.RetryDeliveryRequest, tenant=tenant or self._connection.tenant, delivery_id=delivery_id)
        # A second try could start a second run, if the first one's has ended already.
        response = await self._connection.call(lambda stubs: stubs.deliveries.RetryDelivery, request, repeat=False)
        return answer(wire.read_delivery, response.delivery)

    async def retry_many(self, delivery_ids: Sequence[str], *, tenant: str = "") -> Sequence[Delivery | HooklineError]:
        """Retry several."""
        request = wire.build(pb.BatchRetryDeliveriesRequest, tenant=tenant or self._connection.tenant, delivery_ids=delivery_ids)
        response = await self._connection.call(lambda stubs: stubs.deliveries.BatchRetryDeliveries, request, repeat=False)
        return tuple(answer(wire.read_retry_outcome, outcome) for outcome in response.outcomes)

    async def cancel(self, delivery_id: str, *, reason: str = "", tenant: str = "") -> Delivery:
        """End a pending delivery."""
        request = wire.build(
            pb.CancelDeliveryRequest, tenant=tenant or self._connection.tenant, delivery_id=delivery_id, reason=reason
        )
        response = await self._connection.call(lambda stubs: stubs.deliveries.CancelDelivery, request)
        return answer(wire.read_delivery, response.delivery)

    async def stats(self, *, tenant: str = "") -> Stats:
        """How many deliveries stand where."""
        request = wire.build(pb.GetDeliveryStatsRequest, tenant=tenant or self._connection.tenant)
        response = await self._connection.call(lambda stubs: stubs.deliveries.GetDeliveryStats, request)
        return answer(wire.read_stats, response.stats)
