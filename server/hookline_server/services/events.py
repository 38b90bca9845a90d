"""EventService: translates, calls the client, translates back."""

from collections.abc import AsyncIterator

from hookline import wire
from hookline.client import DEFAULT_REPLAY_RATE, MAX_BATCH, Client, EmitOutcome
from hookline.errors import InvalidArgument
from hookline.model import EventSpec
from hookline_proto.v1 import event_service_pb2, event_service_pb2_grpc
from hookline_server.services.emit_stream import EmitStream
from hookline_server.services.fields import page_size, read_optional_time, required
from hookline_server.services.guard import Context, Drain


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Accepts events and shows them."""

    def __init__(self, client: Client, drain: Drain) -> None:
        """Serve `client`; end streams when `drain` begins."""
        self._client = client
        self._drain = drain

    async def EmitEvent(self, request: event_service_pb2.EmitEventRequest, context: Context) -> event_service_pb2.EmitEventResponse:
        """Accept one event."""
        if not request.HasField("event"):
            raise required("event")
        result = await self._client.emit_event(wire.read_event_spec(request.event), tenant=request.tenant)
        return event_service_pb2.EmitEventResponse(result=wire.write_emit_result(result))

    async def BatchEmitEvents(
        self, request: event_service_pb2.BatchEmitEventsRequest, context: Context
    ) -> event_service_pb2.BatchEmitEventsResponse:
        """Accept several events; one that cannot be read fails alone."""
        number = len(request.events)
        if not 1 <= number <= MAX_BATCH:
            raise InvalidArgument.of("events", f"are {number}, must be 1 to {MAX_BATCH:,} in a batch")
        outcomes: dict[int, EmitOutcome] = {}
        specs: dict[int, EventSpec] = {}
        for index, message in enumerate(request.events):
            try:
                specs[index] = wire.read_event_spec(message, f"events[{index}]")
            except InvalidArgument as error:
                outcomes[index] = error
        if specs:
            emitted = await self._client.emit_many(tuple(specs.values()), tenant=request.tenant)
            for sent, (index, outcome) in enumerate(zip(specs, emitted, strict=True)):
                outcomes[index] = wire.renamed(outcome, f"events[{sent}]", f"events[{index}]")
        return event_service_pb2.BatchEmitEventsResponse(
            outcomes=[wire.write_emit_outcome(outcomes[index]) for index in range(number)]
        )

    def StreamEmitEvents(
        self, request_iterator: AsyncIterator[event_service_pb2.StreamEmitEventsRequest], context: Context
    ) -> AsyncIterator[event_service_pb2.StreamEmitEventsResponse]:
        """Accept events as they come."""
        return EmitStream(self._client, self._drain).answers(request_iterator)

    async def GetEvent(self, request: event_service_pb2.GetEventRequest, context: Context) -> event_service_pb2.GetEventResponse:
        """Answer with one event."""
        event = await self._client.events.get(request.event_id, tenant=request.tenant)
        return event_service_pb2.GetEventResponse(event=wire.write_event(event))

    async def ListEvents(
        self, request: event_service_pb2.ListEventsRequest, context: Context
    ) -> event_service_pb2.ListEventsResponse:
        """Answer with a page of events."""
        page = await self._client.events.list(
            event_type=request.event_type,
            from_time=read_optional_time(request, "from_time"),
            to_time=read_optional_time(request, "to_time"),
            page_size=page_size(request.page_size),
            page_token=request.page_token,
            tenant=request.tenant,
        )
        return event_service_pb2.ListEventsResponse(
            events=[wire.write_event(event) for event in page.items], next_page_token=page.next_page_token
        )

    async def ReplayEvents(
        self, request: event_service_pb2.ReplayEventsRequest, context: Context
    ) -> event_service_pb2.ReplayEventsResponse:
        """Start a replay."""
        replay = await self._client.events.replay(
            request.subscription_id,
            event_types=tuple(request.event_types),
            from_time=read_optional_time(request, "from_time"),
            to_time=read_optional_time(request, "to_time"),
            new_webhook_ids=request.new_webhook_ids,
            max_per_second=request.max_per_second or DEFAULT_REPLAY_RATE,
            states=wire.read_states(request.states),
            without_delivery=request.without_delivery,
            filter=request.filter,
            request_id=request.request_id,
            tenant=request.tenant,
        )
        return event_service_pb2.ReplayEventsResponse(replay=wire.write_replay(replay))

    async def GetReplay(self, request: event_service_pb2.GetReplayRequest, context: Context) -> event_service_pb2.GetReplayResponse:
        """Answer with a replay's progress."""
        replay = await self._client.events.get_replay(request.replay_id, tenant=request.tenant)
        return event_service_pb2.GetReplayResponse(replay=wire.write_replay(replay))

    async def ListReplays(
        self, request: event_service_pb2.ListReplaysRequest, context: Context
    ) -> event_service_pb2.ListReplaysResponse:
        """Answer with a page of replays."""
        page = await self._client.events.list_replays(
            subscription_id=request.subscription_id,
            page_size=page_size(request.page_size),
            page_token=request.page_token,
            tenant=request.tenant,
        )
        return event_service_pb2.ListReplaysResponse(
            replays=[wire.write_replay(replay) for replay in page.items], next_page_token=page.next_page_token
        )

    async def CancelReplay(
        self, request: event_service_pb2.CancelReplayRequest, context: Context
    ) -> event_service_pb2.CancelReplayResponse:
        """Stop a replay."""
        replay = await self._client.events.cancel_replay(request.replay_id, tenant=request.tenant)
        return event_service_pb2.CancelReplayResponse(replay=wire.write_replay(replay))
