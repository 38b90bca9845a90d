"""`hookline deliveries`: what stands where and why, and setting it going again."""

from typing import Annotated

import typer

from hookline.errors import HooklineError
from hookline.model import DeliveryState
from hookline_server.cli.call import Call, calls
from hookline_server.cli.delivery_view import attempt_line, show_delivery
from hookline_server.cli.exits import CommandError, UsageError
from hookline_server.cli.output import complain, state, when
from hookline_server.cli.paging import LARGEST_PAGE, Limit, PageToken, collect
from hookline_server.cli.values import optional_moment

app = typer.Typer(no_args_is_help=True, help="One event for one subscription each, and what happened to it.")

Ids = Annotated[list[str], typer.Argument(metavar="DELIVERY…", help="The deliveries' ids (dlv_…).")]
Id = Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id (dlv_…).")]
State = Annotated[DeliveryState | None, typer.Option("--state", help="Only these.")]
OfSubscription = Annotated[str, typer.Option("--subscription", "-s", help="Only those of this subscription.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="Created at or after: RFC 3339, or 2h for two hours ago.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="Created before.")]


@app.command("list")
@calls
async def list_(
    call: Call,
    *,
    state_is: State = None,
    subscription_id: OfSubscription = "",
    event_id: Annotated[str, typer.Option("--event", help="Only those of this event.")] = "",
    event_type: Annotated[str, typer.Option("--type", "-t", help="Only those of events of this type.")] = "",
    replay_id: Annotated[str, typer.Option("--replay", help="Only those that this replay has queued.")] = "",
    from_time: From = "",
    to_time: To = "",
    limit: Limit = 100,
    page_token: PageToken = "",
) -> None:
    """List deliveries, the newest first."""
    start, end = optional_moment(from_time, "--from"), optional_moment(to_time, "--to")
    page = await collect(
        lambda size, token: call.client.deliveries.list(
            state=state_is,
            subscription_id=subscription_id,
            event_id=event_id,
            event_type=event_type,
            replay_id=replay_id,
            from_time=start,
            to_time=end,
            page_size=size,
            page_token=token,
        ),
        limit,
        page_token,
    )
    if call.out.as_json:
        call.out.json(page)
        return
    call.out.rows(
        ("DELIVERY", "EVENT TYPE", "STATE", "TRIES", "CREATED", "NEXT TRY", "REASON"),
        (
            (
                item.id,
                item.event_type,
                state(item.state),
                str(item.attempts),
                when(item.create_time),
                when(item.next_attempt_time),
                item.hold.reason if item.hold else item.reason,
            )
            for item in page.items
        ),
        empty="there are no such deliveries",
    )
    if page.next_page_token:
        call.out.note(f"there are more: --page-token {page.next_page_token}")


@app.command("show")
@calls
async def show(call: Call, delivery_id: Id) -> None:
    """Show a delivery, what holds it and what would release it, and all its attempts."""
    delivery = await call.client.deliveries.get(delivery_id)
    attempts = await call.client.deliveries.attempts(delivery_id)
    if call.out.as_json:
        call.out.json({"delivery": delivery, "attempts": attempts})
        return
    show_delivery(call.out, delivery)
    call.out.line("")
    call.out.rows(
        ("RUN", "TRY", "STARTED", "TOOK", "STATUS", "ADDRESS", "OUTCOME"), map(attempt_line, attempts), empty="no attempt yet"
    )


@app.command("retry")
@calls
async def retry(call: Call, delivery_ids: Ids) -> None:
    """Try again now: a finished one starts a new run, a waiting one stops waiting."""
    if len(delivery_ids) == 1:
        show_delivery(call.out, await call.client.deliveries.retry(delivery_ids[0]))
        return
    if len(delivery_ids) > LARGEST_PAGE:
        raise UsageError(f"{len(delivery_ids)} deliveries in one command; name up to {LARGEST_PAGE}")
    outcomes = await call.client.deliveries.retry_many(delivery_ids)
    refused = 0
    if call.out.as_json:
        call.out.json({"items": outcomes})
    for delivery_id, outcome in zip(delivery_ids, outcomes, strict=True):
        if isinstance(outcome, HooklineError):
            refused += 1
            complain(f"{delivery_id}: {outcome.message}")
        elif not call.out.as_json:
            call.out.line(f"{delivery_id} {outcome.state.value}")
    if refused:
        raise CommandError(f"{refused} of {len(delivery_ids)} were not retried")


@app.command("cancel")
@calls
async def cancel(call: Call, delivery_id: Id, reason: Annotated[str, typer.Option("--reason", help="Why.")] = "") -> None:
    """End a pending delivery; an attempt that is on the wire is not recalled."""
    show_delivery(call.out, await call.client.deliveries.cancel(delivery_id, reason=reason))
