"""What every test shares: how hard hypothesis tries."""

import os

from hypothesis import HealthCheck, settings

# Machines differ in speed, so no profile has a deadline an example; pytest-timeout bounds the whole test.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=200, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
