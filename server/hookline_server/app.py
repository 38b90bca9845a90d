"""The gRPC server: our four services, health and reflection, on one address."""

import asyncio
from typing import Final

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import DESCRIPTOR as REFLECTION

from hookline import descriptors
from hookline.client import Client
from hookline_proto.v1 import delivery_service_pb2, event_service_pb2, event_type_service_pb2, subscription_service_pb2
from hookline_server.auth import Gate
from hookline_server.connections import most_connections
from hookline_server.health import Watch
from hookline_server.listening import address_of, listen
from hookline_server.services import DeliveryServicer, Drain, EventServicer, EventTypeServicer, Guard, SubscriptionServicer
from hookline_server.settings import Settings

AGE_GRACE: Final = 60.0
"""Seconds that calls under way have when their connection has reached its age."""
KEEPALIVE_TIMEOUT: Final = 20.0
"""Seconds within which it must answer."""
SHORTEST_PING: Final = 10.0
"""Seconds; a caller that asks more often is told to stop (GOAWAY, too_many_pings)."""
LAST_WORDS: Final = 0.25
"""Seconds for answers to leave the process after the last call has ended."""

_SERVICES: Final = (
    event_service_pb2.DESCRIPTOR.services_by_name["EventService"],
    subscription_service_pb2.DESCRIPTOR.services_by_name["SubscriptionService"],
    delivery_service_pb2.DESCRIPTOR.services_by_name["DeliveryService"],
    event_type_service_pb2.DESCRIPTOR.services_by_name["EventTypeService"],
)
SERVICE_NAMES: Final = tuple(service.full_name for service in _SERVICES)


class Server:
    """Serves a client over gRPC. The client is its owner's: the server neither opens nor closes it."""

    def __init__(self, settings: Settings, client: Client, *, share_port: bool = False) -> None:
        """Serve `client` as `settings` say; with `share_port` beside other processes on the same port."""
        self._share_port = share_port
        self._settings = settings
        self._client = client
        self._drain = Drain()
        self._health = health.aio.HealthServicer()
        self._watch = Watch(client, self._health, ("", *SERVICE_NAMES))
        self._server: aio.Server | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port that it listens on, once it has started; the one chosen by the system where port 0 was asked for."""
        return self._port

    @property
    def address(self) -> str:
        """Host and port as a target for callers."""
        return address_of(self._settings.host, self._port)

    async def start(self) -> None:
        """Listen, and answer calls. Raises CannotListen (port in use, no such address, certificate that cannot be read)."""
        options = _options(self._settings, share_port=self._share_port)
        server = aio.server(options=options, maximum_concurrent_rpcs=self._settings.max_concurrent_calls)
        guard = Guard(Gate(self._settings.token.get_secret_value()), self._drain, self._settings.call_timeout)
        servicers = (
            EventServicer(self._client, self._drain),
            SubscriptionServicer(self._client),
            DeliveryServicer(self._client, self._drain),
            EventTypeServicer(self._client),
        )
        for service, servicer in zip(_SERVICES, servicers, strict=True):
            guard.register(server, service, servicer)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*SERVICE_NAMES, health.SERVICE_NAME, REFLECTION.services_by_name["ServerReflection"].full_name)
        reflection.enable_server_reflection(names, server)
        self._port = listen(server, self._settings)
        await server.start()
        self._server = server
        for name in ("", *names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._watch.start()

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls, and give those under way `grace` seconds (the setting `drain_grace` if None). Safe to repeat.

        Health says NOT_SERVING first, and streams end by themselves, so that callers look elsewhere.
        """
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        self._drain.begin()
        stopping = asyncio.create_task(server.stop(self._settings.drain_grace if grace is None else grace))
        idle = asyncio.create_task(self._drain.idle())
        await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        # Only those who watch the health are left now, and they would stay for the whole of the grace.
        await asyncio.wait((stopping,), timeout=LAST_WORDS)
        await server.stop(None)
        await stopping
        await self._watch.stop()

    async def wait(self) -> None:
        """Wait until it has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()


def _options(settings: Settings, *, share_port: bool) -> list[tuple[str, int]]:
    return [
        # Two servers on one port would share the calls by chance; the second must be told instead, unless it is meant.
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        # Of all listeners together; one more is closed as soon as it is taken.
        ("grpc.max_allowed_incoming_connections", most_connections(settings, descriptors.soft_limit())),
        ("grpc.keepalive_time_ms", int(settings.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", int(SHORTEST_PING * 1000)),
        *_unless_ever("grpc.max_connection_age_ms", settings.max_connection_age),
        ("grpc.max_connection_age_grace_ms", int(AGE_GRACE * 1000)),
        *_unless_ever("grpc.max_connection_idle_ms", settings.max_connection_idle),
    ]


def _unless_ever(option: str, seconds: float) -> list[tuple[str, int]]:
    return [(option, int(seconds * 1000))] if seconds else []
