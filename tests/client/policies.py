"""Retry policies for tests, which have no time."""

from hookline import RetryPolicy, Steps

QUICK = RetryPolicy(schedule=Steps(delays=(0.02,)), max_attempts=10, jitter=0.0)
TWICE = RetryPolicy(schedule=Steps(delays=(0.02,)), max_attempts=2, jitter=0.0)
ONCE = RetryPolicy(schedule=Steps(delays=(0.02,)), max_attempts=1, jitter=0.0)
LATER = RetryPolicy(schedule=Steps(delays=(3600.0,)), max_attempts=10, jitter=0.0)
