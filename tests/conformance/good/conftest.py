"""As patient as with the receiving kit."""

from conformance.kit.conftest import patience

__all__ = ["patience"]
