"""`hookline receive`: shows webhooks as they come, verified or not; for trying things out."""

import asyncio
from typing import Annotated, Final

import typer
from rich.text import Text

from hookline.signing import scheme
from hookline_server.cli.exits import CommandError
from hookline_server.cli.output import Output, clean
from hookline_server.cli.signals import stop_on_signals
from hookline_server.receiver import VERIFIER, Answer, Received, Receiver

STYLES: Final = {True: ("verified", "green"), False: ("NOT VERIFIED", "bold red"), None: ("no secret", "dim")}


def receive(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The port; 0 lets the system choose.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    secrets: Annotated[
        list[str] | None,
        typer.Option("--secret", help="Verify with this secret (whsec_…; repeatable).", envvar="HOOKLINE_SECRET"),
    ] = None,
    fail: Annotated[
        float, typer.Option("--fail", min=0, max=1, help="Fail on purpose: this part gets 503, no answer, or a broken connection.")
    ] = 0.0,
    hang: Annotated[float, typer.Option("--hang", min=0, help="Seconds without an answer, when that is how it fails.")] = 30.0,
    delay: Annotated[float, typer.Option("--delay", min=0, help="Seconds that every answer takes.")] = 0.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Fail the same way again.")] = None,
    body: Annotated[bool, typer.Option("--body", help="Print the bodies too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a request.", show_default=False)] = False,
) -> None:
    """Receive webhooks and print each in a line: when, whether it is verified, which, how it was answered."""
    for secret in secrets or ():
        scheme("standard").check_secret(secret)
    out = Output(as_json=as_json)

    def told(received: Received) -> None:
        if as_json:
            out.json(received, line=True)
            return
        out.line(_line(received))
        if body:
            for line in received.body.decode("utf-8", "backslashreplace").splitlines():
                out.line(f"    {line}")

    receiver = Receiver(told, host=host, port=port, secrets=secrets or (), fail=fail, hang=hang, delay=delay, seed=seed)
    asyncio.run(_receive(receiver, out, host))


async def _receive(receiver: Receiver, out: Output, host: str) -> None:
    stop = stop_on_signals()
    try:
        async with receiver:
            out.note(f"receiving at http://{host}:{receiver.port}/ (verified by {VERIFIER}); Ctrl-C ends it")
            await stop.wait()
    except OSError as error:
        raise CommandError(f"cannot listen at {host} ({error.strerror}); choose another --port") from error


def _line(received: Received) -> Text:
    word, style = STYLES[received.verified]
    taken = received.answer is Answer.TAKEN
    return Text.assemble(
        (received.time.strftime("%H:%M:%S.%f")[:-3] + "Z", "dim"),
        "  ",
        (word.ljust(12), style),
        "  ",
        (clean(received.event_type) or "—", "cyan"),
        "  ",
        clean(received.webhook_id) or "—",
        f"  {len(received.body)} bytes  → ",
        (received.answer.value, "green" if taken else "red"),
        f"  {clean(received.fault)}" if received.fault else "",
    )
