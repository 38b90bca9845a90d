"""What it costs to verify a signature, beside the HMAC that nobody can do without.

    python -m benchmarks.verification [--seconds 0.5] [--rounds 5]

One thread, one secret, one right request again and again; bare is `hmac.digest` of the same body with a key
of 32 bytes. What is beyond it is the reading of headers, the time, the encoding and the comparison.
"""

import argparse
import hashlib
import hmac
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.figure import Figure, table
from hookline.signing import SignableRequest, scheme

SCHEMES: Final = ("standard", "stripe", "github")
SIZES: Final = {"500 bytes": 500, "64 KiB": 65_536}
BATCH: Final = 50
"""Calls between two looks at the clock."""


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second."""
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        for _ in range(BATCH):
            call()
        count += BATCH
    return count / passed


def verifier(name: str, body: bytes) -> Callable[[], object]:
    """The verification of a request that is right."""
    made, now = scheme(name), 1_750_000_000
    secrets = [made.generate_secret()]
    headers = (("content-type", "application/json"), ("user-agent", "hookline"), ("content-length", str(len(body))))
    request = made.sign(SignableRequest(url="https://example.com/", headers=headers, body=body, id="evt_1"), secrets, now)
    return lambda: made.verify(request, secrets, now)


def measure(seconds: float = 0.5, rounds: int = 5) -> list[Figure]:
    """Medians over `rounds`; bare and every scheme in turn, `seconds` each."""
    figures = []
    for label, size in SIZES.items():
        body = b'{"type":"invoice.paid","data":"' + b"x" * (size - 33) + b'"}'
        calls: dict[str, Callable[[], object]] = {"bare": partial(hmac.digest, b"k" * 32, body, hashlib.sha256)}
        calls |= {name: verifier(name, body) for name in SCHEMES}
        found: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                found[name].append(rate(call, seconds))
        bare = statistics.median(found.pop("bare"))
        figures.append(Figure(name=f"bare HMAC-SHA256, {label}", value=bare, unit="digests/s"))
        figures += [
            Figure(
                name=f"verify {name}, {label}",
                value=statistics.median(values),
                unit="requests/s",
                bare="bare HMAC",
                ratio_to_bare=statistics.median(values) / bare,
            )
            for name, values in found.items()
        ]
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verification", description="Verification beside bare HMAC.")
    parser.add_argument("--seconds", type=float, default=0.5, help="for one figure in one round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(table(measure(arguments.seconds, arguments.rounds)))


if __name__ == "__main__":
    main()
