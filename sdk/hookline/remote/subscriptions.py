"""Subscriptions over gRPC."""

from collections.abc import Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from hookline import wire
from hookline.client import Subscriptions
from hookline.ids import new_id
from hookline.model import EventSpec, Page, Secret, Subscription, SubscriptionSpec, TestResult
from hookline.remote.connection import Connection, answer
from hookline.remote.events import REQUEST
from hookline_proto.v1 import subscription_service_pb2 as pb


class RemoteSubscriptions(Subscriptions):
    """See `hookline.client.Subscriptions`."""

    def __init__(self, connection: Connection) -> None:
        """Call over `connection`."""
        self._connection = connection

    async def create(self, spec: SubscriptionSpec, *, request_id: str = "", tenant: str = "") -> Subscription:
        """Create one."""
        request = wire.build(
            pb.CreateSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription=wire.write_subscription_spec(spec),
            request_id=request_id or new_id(REQUEST),
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.CreateSubscription, request)
        return answer(wire.read_subscription, response.subscription)

    async def get(self, subscription_id: str, *, tenant: str = "") -> Subscription:
        """One subscription."""
        request = wire.build(pb.GetSubscriptionRequest, tenant=tenant or self._connection.tenant, subscription_id=subscription_id)
        response = await self._connection.call(lambda stubs: stubs.subscriptions.GetSubscription, request)
        return answer(wire.read_subscription, response.subscription)

    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[Subscription]:
        """Subscriptions in the order of their creation."""
        request = wire.build(
            pb.ListSubscriptionsRequest,
            tenant=tenant or self._connection.tenant,
            page_size=wire.write_page_size(page_size),
            page_token=page_token,
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.ListSubscriptions, request)
        items = tuple(answer(wire.read_subscription, item) for item in response.subscriptions)
        return Page(items=items, next_page_token=response.next_page_token)

    async def update(
        self, subscription_id: str, spec: SubscriptionSpec, *, fields: Sequence[str] = (), etag: str = "", tenant: str = ""
    ) -> Subscription:
        """Set the named fields."""
        request = wire.build(
            pb.UpdateSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            subscription=wire.write_subscription_spec(spec),
            update_mask=wire.build(FieldMask, paths=fields),
            etag=etag,
        )
        # With an etag a second try would meet the first one's, and say Conflict to what it did itself.
        response = await self._connection.call(lambda stubs: stubs.subscriptions.UpdateSubscription, request, repeat=not etag)
        return answer(wire.read_subscription, response.subscription)

    async def delete(self, subscription_id: str, *, etag: str = "", tenant: str = "") -> None:
        """Delete it."""
        request = wire.build(
            pb.DeleteSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            etag=etag,
        )
        # A second try would not find what the first one has deleted.
        await self._connection.call(lambda stubs: stubs.subscriptions.DeleteSubscription, request, repeat=False)

    async def pause(self, subscription_id: str, *, reason: str = "", actor: str = "", tenant: str = "") -> Subscription:
        """Hold its deliveries."""
        request = wire.build(
            pb.PauseSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            reason=reason,
            actor=actor,
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.PauseSubscription, request)
        return answer(wire.read_subscription, response.subscription)

    async def resume(self, subscription_id: str, *, discard_held: bool = False, tenant: str = "") -> Subscription:
        """Deliver again."""
        request = wire.build(
            pb.ResumeSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            discard_held=discard_held,
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.ResumeSubscription, request)
        return answer(wire.read_subscription, response.subscription)

    async def rotate_secret(
        self, subscription_id: str, *, secret: str = "", overlap: float = 86_400.0, request_id: str = "", tenant: str = ""
    ) -> Secret:
        """Sign with a new secret."""
        request = wire.build(
            pb.RotateSubscriptionSecretRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            secret=secret,
            overlap=wire.write_duration(overlap, "overlap"),
            request_id=request_id or new_id(REQUEST),
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.RotateSubscriptionSecret, request)
        return answer(wire.read_secret, response.secret)

    async def get_secret(self, subscription_id: str, *, tenant: str = "") -> Sequence[Secret]:
        """The secrets that sign now."""
        request = wire.build(
            pb.GetSubscriptionSecretRequest, tenant=tenant or self._connection.tenant, subscription_id=subscription_id
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.GetSubscriptionSecret, request)
        return tuple(answer(wire.read_secret, secret) for secret in response.secrets)

    async def test(
        self, subscription_id: str, event: EventSpec | None = None, *, dry_run: bool = False, tenant: str = ""
    ) -> TestResult:
        """Send a test event, or show it."""
        request = wire.build(
            pb.TestSubscriptionRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            event=None if event is None else wire.write_event_spec(event),
            dry_run=dry_run,
        )
        response = await self._connection.call(lambda stubs: stubs.subscriptions.TestSubscription, request, repeat=dry_run)
        return answer(wire.read_test_result, response.result)
