"""Where secrets come from: options, or the environment, which other processes cannot read."""

import os
from collections.abc import Sequence
from typing import Final

from hookline_conformance.cli.exits import UsageError

SECRET: Final = "HOOKLINE_CONFORMANCE_SECRET"
NEXT_SECRET: Final = "HOOKLINE_CONFORMANCE_NEXT_SECRET"
RETIRED_SECRET: Final = "HOOKLINE_CONFORMANCE_RETIRED_SECRET"
API_KEY: Final = "HOOKLINE_CONFORMANCE_API_KEY"
TOKEN: Final = "HOOKLINE_CONFORMANCE_TOKEN"

# In the order in which the option may be repeated.
VARIABLES: Final = {"--secret": (SECRET, NEXT_SECRET), "--retired-secret": (RETIRED_SECRET,)}


def given_or_named(option: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """The secrets of `option`, else those of its variables; empty where there are none."""
    found = tuple(given or ()) or tuple(value for name in VARIABLES[option] if (value := os.environ.get(name, "")))
    for secret in found:
        if not secret or secret != secret.strip() or not secret.isprintable():
            raise UsageError(f"{option}: a secret is printable text without white space around it; look for a line end or a quote")
    return found


def variable(name: str) -> str:
    """What the environment holds under `name`; empty where it holds nothing."""
    return os.environ.get(name, "").strip()
