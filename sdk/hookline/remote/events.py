"""Events over gRPC."""

from collections.abc import Sequence
from datetime import datetime

from hookline import wire
from hookline.client import DEFAULT_REPLAY_RATE, Events
from hookline.ids import new_id
from hookline.model import DeliveryState, Event, Page, Replay
from hookline.remote.connection import Connection, answer
from hookline_proto.v1 import event_service_pb2 as pb

REQUEST: str = "req"
"""The prefix of request ids that are made here, so that a call can be repeated."""


class RemoteEvents(Events):
    """See `hookline.client.Events`."""

    def __init__(self, connection: Connection) -> None:
        """Call over `connection`."""
        self._connection = connection

    async def get(self, event_id: str, *, tenant: str = "") -> Event:
        """One event."""
        request = wire.build(pb.GetEventRequest, tenant=tenant or self._connection.tenant, event_id=event_id)
        response = await self._connection.call(lambda stubs: stubs.events.GetEvent, request)
        return answer(wire.read_event, response.event)

    async def list(
        self,
        *,
        event_type: str = "",
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        page_size: int = 100,
        page_token: str = "",
        tenant: str = "",
    ) -> Page[Event]:
        """Events, newest first."""
        request = wire.build(
            pb.ListEventsRequest,
            tenant=tenant or self._connection.tenant,
            event_type=event_type,
            from_time=wire.write_optional_time(from_time, "from_time"),
            to_time=wire.write_optional_time(to_time, "to_time"),
            page_size=wire.write_page_size(page_size),
            page_token=page_token,
        )
        response = await self._connection.call(lambda stubs: stubs.events.ListEvents, request)
        return Page(
            items=tuple(answer(wire.read_event, event) for event in response.events), next_page_token=response.next_page_token
        )

    async def replay(
        self,
        subscription_id: str,
        *,
        event_types: Sequence[str] = (),
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        new_webhook_ids: bool = False,
        max_per_second: int = DEFAULT_REPLAY_RATE,
        states: Sequence[DeliveryState] = (),
        without_delivery: bool = False,
        filter: str = "",
        request_id: str = "",
        tenant: str = "",
    ) -> Replay:
        """Start a replay."""
        request = wire.build(
            pb.ReplayEventsRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            event_types=event_types,
            from_time=wire.write_optional_time(from_time, "from_time"),
            to_time=wire.write_optional_time(to_time, "to_time"),
            new_webhook_ids=new_webhook_ids,
            max_per_second=max_per_second,
            states=wire.write_states(states),
            without_delivery=without_delivery,
            filter=filter,
            request_id=request_id or new_id(REQUEST),
        )
        response = await self._connection.call(lambda stubs: stubs.events.ReplayEvents, request)
        return answer(wire.read_replay, response.replay)

    async def get_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """How far a replay is."""
        request = wire.build(pb.GetReplayRequest, tenant=tenant or self._connection.tenant, replay_id=replay_id)
        response = await self._connection.call(lambda stubs: stubs.events.GetReplay, request)
        return answer(wire.read_replay, response.replay)

    async def list_replays(
        self, *, subscription_id: str = "", page_size: int = 100, page_token: str = "", tenant: str = ""
    ) -> Page[Replay]:
        """Replays, newest first."""
        request = wire.build(
            pb.ListReplaysRequest,
            tenant=tenant or self._connection.tenant,
            subscription_id=subscription_id,
            page_size=wire.write_page_size(page_size),
            page_token=page_token,
        )
        response = await self._connection.call(lambda stubs: stubs.events.ListReplays, request)
        return Page(
            items=tuple(answer(wire.read_replay, replay) for replay in response.replays), next_page_token=response.next_page_token
        )

    async def cancel_replay(self, replay_id: str, *, tenant: str = "") -> Replay:
        """Stop a replay."""
        request = wire.build(pb.CancelReplayRequest, tenant=tenant or self._connection.tenant, replay_id=replay_id)
        response = await self._connection.call(lambda stubs: stubs.events.CancelReplay, request)
        return answer(wire.read_replay, response.replay)
