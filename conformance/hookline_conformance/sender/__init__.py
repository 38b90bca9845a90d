"""Senders under test: scripted receivers, adapters that drive the sender, and the checks."""

from hookline_conformance.sender import (
    checks_headers,
    checks_identity,
    checks_ordering,
    checks_payload,
    checks_retry,
    checks_rotation,
    checks_routing,
    checks_safety,
    checks_signing,
    checks_status,
    checks_timeout,
    machine,
)
from hookline_conformance.sender.adapter import SenderAdapter
from hookline_conformance.sender.target import SenderTarget

__all__ = ["SenderAdapter", "SenderTarget"]

_CHECKS = (
    checks_headers,
    checks_identity,
    checks_ordering,
    checks_payload,
    checks_retry,
    checks_rotation,
    checks_routing,
    checks_safety,
    checks_signing,
    checks_status,
    checks_timeout,
    machine,
)
