"""How many seeds the tests of sameness try: CONFORMANCE_SEEDS=200 asks for the long run."""

import os

SEEDS = range(1, 1 + int(os.environ.get("CONFORMANCE_SEEDS", "3")))
