"""Receivers under test. Importing this package registers the checks that bind receivers."""

from hookline_conformance.receiver import (
    checks_conduct,
    checks_headers,
    checks_idempotency,
    checks_payload,
    checks_safety,
    checks_signing,
    checks_timestamps,
    machine,
)
from hookline_conformance.receiver.effects import CallableProbe, CommandProbe, Effects, EffectsProbe, UrlProbe
from hookline_conformance.receiver.target import ReceiverTarget, Restart

__all__ = [
    "CallableProbe",
    "CommandProbe",
    "Effects",
    "EffectsProbe",
    "ReceiverTarget",
    "Restart",
    "UrlProbe",
    "checks_conduct",
    "checks_headers",
    "checks_idempotency",
    "checks_payload",
    "checks_safety",
    "checks_signing",
    "checks_timestamps",
    "machine",
]
