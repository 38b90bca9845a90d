"""All mutants of receivers."""

from conformance.mutants.receivers import (
    mutants_headers,
    mutants_idempotency,
    mutants_safety,
    mutants_signing,
    mutants_timestamps,
)
from conformance.mutants.receivers.mutant import MUTANTS

__all__ = ["MUTANTS", "mutants_headers", "mutants_idempotency", "mutants_safety", "mutants_signing", "mutants_timestamps"]
