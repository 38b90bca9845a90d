"""`make simulate`: live through many seeds, and print those that break a law."""

import argparse
import sys
import time

from simulation.many import outcomes

SHOWN = 5
"""Failing seeds that are shown with their traces."""

REPORTED = 500
"""Seeds after which a line says how far it is."""


def main() -> int:
    """The exit code: 0 if every law held in every seed."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--bug", default="", help="plant one of simulation.bugs; the exit code is then 0 if it was not found")
    parser.add_argument("--trace", action="store_true", help="print all that happened")
    asked = parser.parse_args()
    began = time.monotonic()
    failed: list[int] = []
    attempts = events = 0
    lived = 0.0
    for number, outcome in enumerate(outcomes(asked.first, asked.seeds, asked.processes, asked.bug, whole=asked.trace), 1):
        if number % REPORTED == 0 and number < asked.seeds:
            print(f"{number} of {asked.seeds} seeds in {time.monotonic() - began:.0f} s", flush=True)
        attempts, events, lived = attempts + outcome.attempts, events + outcome.events, lived + outcome.seconds
        if outcome.broken:
            failed.append(outcome.seed)
        if asked.trace and not outcome.broken:
            print("\n".join(outcome.trace))
        if outcome.broken and len(failed) <= SHOWN:
            print(outcome.text(asked.bug), flush=True)
    took = time.monotonic() - began
    print(
        f"{asked.seeds} seeds from {asked.first}: {events:,} events, {attempts:,} attempts, {lived / 3600:.1f} hours "
        f"of virtual time in {took:.1f} s ({1000 * took / asked.seeds:.0f} ms a seed)"
    )
    if failed:
        shown = ", ".join(map(str, failed[:20]))
        print(f"{len(failed)} seeds broke a law: {shown}")
        return 1
    print("Every law held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
