"""`hookline demo`: the whole in under a minute."""

import asyncio
from typing import Annotated

import typer

from hookline_server.cli.exits import ExitCode
from hookline_server.demo import DemoPlan, run_demo


def demo(
    events: Annotated[int, typer.Option("--events", min=50, max=20_000, help="How many events.")] = 1_500,
    rate: Annotated[float, typer.Option("--rate", min=10, max=2_000, help="Events a second.")] = 150.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder: store, logs, the receiver's record.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Fail on purpose the same way again.")] = 7,
) -> None:
    """Show the whole: a server, a receiver that fails now and then, events by gRPC and embedded, a kill -9, and an account.

    Exit code 0 only if no event was lost and every check passed.
    """
    if not asyncio.run(run_demo(DemoPlan(events=events, rate=rate, keep=keep, seed=seed))):
        raise typer.Exit(ExitCode.FAILED)
