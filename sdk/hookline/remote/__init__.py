"""A hookline server elsewhere, over gRPC, behind the same interface as the embedded client."""

from hookline.remote.client import RemoteClient

__all__ = ["RemoteClient"]
