"""hookline in your own process: the client that is the engine."""

from hookline.embedded.client import EmbeddedClient

__all__ = ["EmbeddedClient"]
