"""SubscriptionService: translates, calls the client, translates back."""

from typing import Final

from hookline import wire
from hookline.client import Client
from hookline_proto.v1 import subscription_service_pb2 as pb
from hookline_proto.v1 import subscription_service_pb2_grpc
from hookline_server.services.fields import page_size, required
from hookline_server.services.guard import Context

DEFAULT_OVERLAP: Final = 86_400.0
"""Seconds for which a former secret signs too."""


class SubscriptionServicer(subscription_service_pb2_grpc.SubscriptionServiceServicer):
    """Receivers, and everything about delivering to them."""

    def __init__(self, client: Client) -> None:
        """Serve `client`."""
        self._subscriptions = client.subscriptions

    async def CreateSubscription(self, request: pb.CreateSubscriptionRequest, context: Context) -> pb.CreateSubscriptionResponse:
        """Create a subscription."""
        if not request.HasField("subscription"):
            raise required("subscription")
        spec = wire.read_subscription_spec(request.subscription)
        created = await self._subscriptions.create(spec, request_id=request.request_id, tenant=request.tenant)
        return pb.CreateSubscriptionResponse(subscription=wire.write_subscription(created))

    async def GetSubscription(self, request: pb.GetSubscriptionRequest, context: Context) -> pb.GetSubscriptionResponse:
        """Answer with one subscription."""
        found = await self._subscriptions.get(request.subscription_id, tenant=request.tenant)
        return pb.GetSubscriptionResponse(subscription=wire.write_subscription(found))

    async def ListSubscriptions(self, request: pb.ListSubscriptionsRequest, context: Context) -> pb.ListSubscriptionsResponse:
        """Answer with a page of subscriptions."""
        page = await self._subscriptions.list(
            page_size=page_size(request.page_size), page_token=request.page_token, tenant=request.tenant
        )
        return pb.ListSubscriptionsResponse(
            subscriptions=[wire.write_subscription(item) for item in page.items], next_page_token=page.next_page_token
        )

    async def UpdateSubscription(self, request: pb.UpdateSubscriptionRequest, context: Context) -> pb.UpdateSubscriptionResponse:
        """Change a subscription."""
        if not request.HasField("subscription"):
            raise required("subscription")
        updated = await self._subscriptions.update(
            request.subscription_id,
            wire.read_subscription_spec(request.subscription),
            fields=tuple(request.update_mask.paths),
            etag=request.etag,
            tenant=request.tenant,
        )
        return pb.UpdateSubscriptionResponse(subscription=wire.write_subscription(updated))

    async def DeleteSubscription(self, request: pb.DeleteSubscriptionRequest, context: Context) -> pb.DeleteSubscriptionResponse:
        """Delete a subscription."""
        await self._subscriptions.delete(request.subscription_id, etag=request.etag, tenant=request.tenant)
        return pb.DeleteSubscriptionResponse()

    async def PauseSubscription(self, request: pb.PauseSubscriptionRequest, context: Context) -> pb.PauseSubscriptionResponse:
        """Hold its deliveries."""
        paused = await self._subscriptions.pause(
            request.subscription_id, reason=request.reason, actor=request.actor, tenant=request.tenant
        )
        return pb.PauseSubscriptionResponse(subscription=wire.write_subscription(paused))

    async def ResumeSubscription(self, request: pb.ResumeSubscriptionRequest, context: Context) -> pb.ResumeSubscriptionResponse:
        """Deliver again."""
        resumed = await self._subscriptions.resume(
            request.subscription_id, discard_held=request.discard_held, tenant=request.tenant
        )
        return pb.ResumeSubscriptionResponse(subscription=wire.write_subscription(resumed))

    async def RotateSubscriptionSecret(
        self, request: pb.RotateSubscriptionSecretRequest, context: Context
    ) -> pb.RotateSubscriptionSecretResponse:
        """Sign with a new secret."""
        secret = await self._subscriptions.rotate_secret(
            request.subscription_id,
            secret=request.secret,
            overlap=wire.read_duration(request.overlap, "overlap") if request.HasField("overlap") else DEFAULT_OVERLAP,
            request_id=request.request_id,
            tenant=request.tenant,
        )
        return pb.RotateSubscriptionSecretResponse(secret=wire.write_secret(secret))

    async def GetSubscriptionSecret(
        self, request: pb.GetSubscriptionSecretRequest, context: Context
    ) -> pb.GetSubscriptionSecretResponse:
        """Answer with the secrets that sign now."""
        secrets = await self._subscriptions.get_secret(request.subscription_id, tenant=request.tenant)
        return pb.GetSubscriptionSecretResponse(secrets=[wire.write_secret(secret) for secret in secrets])

    async def TestSubscription(self, request: pb.TestSubscriptionRequest, context: Context) -> pb.TestSubscriptionResponse:
        """Send a test event, or show it."""
        event = wire.read_event_spec(request.event) if request.HasField("event") else None
        result = await self._subscriptions.test(request.subscription_id, event, dry_run=request.dry_run, tenant=request.tenant)
        return pb.TestSubscriptionResponse(result=wire.write_test_result(result))
