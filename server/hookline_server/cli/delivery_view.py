"""How deliveries and attempts are shown."""

from rich.text import Text

from hookline.model import Attempt, Change, Delivery, Hold, HoldKind
from hookline_server.cli.output import STATE_STYLES, Cell, Output, clean, state, took, when


def show_delivery(out: Output, delivery: Delivery) -> None:
    """Print a delivery."""
    if out.as_json:
        out.json(delivery)
        return
    hold = delivery.hold
    out.facts(
        (
            ("delivery", delivery.id),
            ("event", f"{delivery.event_id} ({delivery.event_type})"),
            ("subscription", delivery.subscription_id),
            ("webhook id", delivery.webhook_id),
            ("state", state(delivery.state)),
            ("reason", delivery.reason),
            ("held because", "" if hold is None else hold.reason),
            ("released by", "" if hold is None else release(delivery, hold)),
            ("attempts", f"{delivery.attempts}, in {delivery.run} run{'s' if delivery.run > 1 else ''}"),
            ("created", when(delivery.create_time)),
            ("next attempt", when(delivery.next_attempt_time)),
            ("finished", when(delivery.finish_time)),
            ("replay", delivery.replay_id),
        )
    )


def release(delivery: Delivery, hold: Hold) -> str:
    """What makes a held delivery move again."""
    until = "" if hold.until is None else f"at {when(hold.until)}; "
    match hold.kind:
        case HoldKind.PAUSED | HoldKind.DISABLED:
            before = "" if hold.until is None else f" before {when(hold.until)}"
            return f"`hookline subscriptions resume {delivery.subscription_id}`{before}"
        case HoldKind.RETRY | HoldKind.SCHEDULED:
            return f"{until or 'its time; '}`hookline deliveries retry {delivery.id}` tries now"
        case HoldKind.ORDERING:
            return "the end of that delivery: of itself, or by `hookline deliveries retry` or `hookline deliveries cancel` of it"
        case HoldKind.BREAKER:
            name = delivery.subscription_id
            return f"{until}`hookline subscriptions pause {name}` and `hookline subscriptions resume {name}` close the breaker"
        case HoldKind.CONCURRENCY:
            more = f"`hookline subscriptions update {delivery.subscription_id} --max-in-flight` allows more"
            return f"the end of one of them; if it is the subscription's own number, {more}"
        case HoldKind.RATE:
            return f"{until}if it is the rate, `hookline subscriptions update {delivery.subscription_id} --rate` raises it"


def attempt_line(attempt: Attempt) -> tuple[Cell, ...]:
    """One attempt as a row."""
    failed = attempt.error is not None
    outcome = attempt.detail or ("" if attempt.error is None else attempt.error.value)
    return (
        str(attempt.run),
        str(attempt.number),
        when(attempt.start_time),
        took(attempt.duration),
        Text(str(attempt.status or "—"), style="red" if failed else "green"),
        attempt.address,
        clean(outcome) + (" (superseded)" if attempt.superseded else ""),
    )


def change_line(change: Change, subscription: str) -> Text:
    """One change in one line: when, what, for whom, the status, how long, the state, why."""
    delivery, attempt = change.delivery, change.attempt
    moment = attempt.start_time if attempt else delivery.finish_time or delivery.create_time
    status = "—" if attempt is None or not attempt.status else str(attempt.status)
    # A delivery that is pending after an attempt has failed this time; what it will say is in its reason.
    return Text.assemble(
        (moment.strftime("%H:%M:%S.%f")[:-3] + "Z", "dim"),
        "  ",
        (clean(delivery.event_type), "cyan"),
        "  ",
        clean(subscription),
        "  ",
        (status.rjust(3), "red" if attempt is not None and attempt.error is not None else "green"),
        "  ",
        ("" if attempt is None else took(attempt.duration)).rjust(7),
        "  ",
        (delivery.state.value.ljust(9), STATE_STYLES[delivery.state]),
        "  ",
        clean(delivery.reason or ("" if attempt is None else attempt.detail)),
    )
