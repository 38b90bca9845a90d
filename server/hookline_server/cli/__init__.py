"""The command line. It translates what people type into calls of `hookline.Client` and decides nothing itself."""

from hookline_server.cli import grpc_noise
from hookline_server.cli.root import main, run

__all__ = ["grpc_noise", "main", "run"]
