"""The demonstration: real processes, real failures, a real kill, and an account of every event at the end."""

from hookline_server.demo.run import DemoPlan, run_demo

__all__ = ["DemoPlan", "run_demo"]
