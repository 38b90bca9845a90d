"""The examples of receiving run to their end as they stand."""

import asyncio
import sys
from pathlib import Path

import pytest
from crash.processes import clean_environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SAID = {
    "cdp": (
        "8 requests of 3 platforms are 4 events",
        "warehouse was notified of github.issues.opened, segment.track, stripe.customer.created, stripe.invoice.paid",
        "support was notified of github.issues.opened, stripe.customer.created",
    ),
    "lead-to-crm": (
        "4 forms were sent, 3 leads are events",
        "ada@example.com: Ada Lovelace, Analytical Engines, 2 times",
        "alan@example.com: Alan, Bletchley, 1 times",
    ),
}


@pytest.mark.parametrize("name", SAID)
async def test_an_example_runs_to_its_end_and_says_what_happened(name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / name / "run.py")), env=clean_environment(), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, tuple(output.decode().splitlines())) == (0, SAID[name])
