"""`hookline replay`: delivers past events again."""

import asyncio
from typing import Annotated, Final

import typer

from hookline.client import DEFAULT_REPLAY_RATE
from hookline.model import DeliveryState, Replay, ReplayState
from hookline_server.cli.call import Call, calls
from hookline_server.cli.output import Output, when
from hookline_server.cli.paging import Limit, PageToken, collect
from hookline_server.cli.values import optional_moment

app = typer.Typer(no_args_is_help=True, help="Deliver past events again.")
LOOK: Final = 0.5
"""Seconds between looks at a replay that is waited for."""

Id = Annotated[str, typer.Argument(metavar="REPLAY", help="The replay's id.")]


@app.command("start")
@calls
async def start(
    call: Call,
    *,
    subscription_id: Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Who gets them.")],
    event_types: Annotated[
        list[str] | None,
        typer.Option("--type", "-t", metavar="PATTERN", help="Which events; the subscription's own if none is named."),
    ] = None,
    from_time: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Accepted at or after: RFC 3339, or 2h for two hours ago.")
    ] = "",
    to_time: Annotated[str, typer.Option("--to", metavar="TIME", help="Accepted before.")] = "",
    new_webhook_ids: Annotated[
        bool, typer.Option("--new-webhook-ids", help="New ids, so that a receiver that deduplicates handles them again.")
    ] = False,
    max_per_second: Annotated[
        int, typer.Option("--rate", help="Deliveries queued a second, beside live traffic.")
    ] = DEFAULT_REPLAY_RATE,
    states: Annotated[
        list[DeliveryState] | None,
        typer.Option("--state", help="Only what ended so, or is pending: the last delivery of an event decides."),
    ] = None,
    without_delivery: Annotated[
        bool, typer.Option("--without-delivery", help="Also, or without --state only, what has no delivery to it.")
    ] = False,
    expression: Annotated[str, typer.Option("--filter", metavar="CEL", help="Only events for which this is true.")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="Makes the command safe to repeat.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything is queued.")] = False,
) -> None:
    """Start to deliver past events again; it goes on behind the answer, over restarts."""
    replay = await call.client.events.replay(
        subscription_id,
        event_types=event_types or (),
        from_time=optional_moment(from_time, "--from"),
        to_time=optional_moment(to_time, "--to"),
        new_webhook_ids=new_webhook_ids,
        max_per_second=max_per_second,
        states=states or (),
        without_delivery=without_delivery,
        filter=expression,
        request_id=request_id,
    )
    while wait and replay.state is ReplayState.RUNNING:
        await asyncio.sleep(LOOK)
        replay = await call.client.events.get_replay(replay.id)
    _show(call.out, replay)


@app.command("list")
@calls
async def list_replays(
    call: Call,
    *,
    subscription_id: Annotated[str, typer.Option("--subscription", "-s", help="Only those to this subscription.")] = "",
    limit: Limit = 50,
    page_token: PageToken = "",
) -> None:
    """List replays, the newest first."""
    page = await collect(
        lambda size, token: call.client.events.list_replays(subscription_id=subscription_id, page_size=size, page_token=token),
        limit,
        page_token,
    )
    if call.out.as_json:
        call.out.json(page)
        return
    call.out.rows(
        ("REPLAY", "SUBSCRIPTION", "STATE", "SEEN", "QUEUED", "CREATED", "FINISHED"),
        (
            (
                one.id,
                one.subscription_id,
                one.state.value,
                str(one.scanned),
                str(one.replayed),
                when(one.create_time),
                when(one.finish_time),
            )
            for one in page.items
        ),
        empty="there are no replays",
    )
    if page.next_page_token:
        call.out.note(f"there are more: --page-token {page.next_page_token}")


@app.command("show")
@calls
async def show(call: Call, replay_id: Id) -> None:
    """Show how far a replay is."""
    _show(call.out, await call.client.events.get_replay(replay_id))


@app.command("cancel")
@calls
async def cancel(call: Call, replay_id: Id) -> None:
    """Stop a replay; what it has queued stays queued."""
    _show(call.out, await call.client.events.cancel_replay(replay_id))


def _show(out: Output, replay: Replay) -> None:
    if out.as_json:
        out.json(replay)
        return
    out.facts(
        (
            ("replay", replay.id),
            ("subscription", replay.subscription_id),
            ("state", replay.state.value),
            ("events seen", str(replay.scanned)),
            ("queued again", str(replay.replayed)),
            ("rate", f"at most {replay.max_per_second} a second"),
            ("event types", ", ".join(replay.event_types)),
            ("states", ", ".join([*replay.states, *(["without a delivery"] if replay.without_delivery else [])])),
            ("filter", replay.filter),
            ("from", when(replay.from_time)),
            ("to", when(replay.to_time)),
            ("new webhook ids", "yes" if replay.new_webhook_ids else ""),
            ("created", when(replay.create_time)),
            ("finished", when(replay.finish_time)),
        )
    )
