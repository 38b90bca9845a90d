"""Contract tests of `hookline.v1`, for any implementation of it."""

from hookline_conformance.api import checks_deliveries, checks_event_types, checks_events, checks_protocol, checks_subscriptions
from hookline_conformance.api.target import ApiTarget

__all__ = ["ApiTarget"]

_CHECKS = (checks_deliveries, checks_event_types, checks_events, checks_protocol, checks_subscriptions)
