"""What every test shares: how hard hypothesis tries, and how patient the store on PostgreSQL is."""

import os
import signal

from hypothesis import HealthCheck, settings

from hookline.store.postgres import pool

# Machines differ in speed, so no profile has a deadline an example; pytest-timeout bounds the whole test.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("long", deadline=None, max_examples=200, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# The gates' verdict belongs to the commit: the same examples every time. New ones are searched for by whoever runs `make test`.
settings.register_profile("gate", deadline=None, max_examples=50, print_blob=True, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# A machine that stands still for some seconds is no PostgreSQL that is away.
pool.CONNECT_TIMEOUT = pool.PATIENCE = 60.0  # type: ignore[misc]

# Whoever starts a run in the background has SIGINT ignored in it, and every child inherits that; some tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
