"""The command line `hookline-conformance`."""

from hookline_conformance.cli.root import main, run

__all__ = ["main", "run"]
