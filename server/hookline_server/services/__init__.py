"""One thin servicer per service of the contract: it translates and calls, and decides nothing."""

from hookline_server.services.deliveries import DeliveryServicer
from hookline_server.services.event_types import EventTypeServicer
from hookline_server.services.events import EventServicer
from hookline_server.services.guard import Drain, Guard
from hookline_server.services.subscriptions import SubscriptionServicer

__all__ = ["DeliveryServicer", "Drain", "EventServicer", "EventTypeServicer", "Guard", "SubscriptionServicer"]
