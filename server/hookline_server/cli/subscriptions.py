"""`hookline subscriptions`: receivers, and everything about delivering to them."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hookline.model import SubscriptionSpec
from hookline.signing import public_key
from hookline_server.cli import access_options as access
from hookline_server.cli import limit_options as limits
from hookline_server.cli import subscription_options as options
from hookline_server.cli.call import Call, calls
from hookline_server.cli.event_lines import event_in
from hookline_server.cli.exits import UsageError
from hookline_server.cli.output import state, when
from hookline_server.cli.paging import Limit, PageToken, collect
from hookline_server.cli.somebody import somebody
from hookline_server.cli.subscription_view import show_subscription, show_test
from hookline_server.cli.values import span

app = typer.Typer(no_args_is_help=True, help="Receivers, and everything about delivering to them.")

Id = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription's id (sub_…).")]
Etag = Annotated[str, typer.Option("--etag", help="Only if this is still its etag.")]
RequestId = Annotated[
    str, typer.Option("--request-id", help="Makes the command safe to repeat: the same id answers with the first result.")
]


@app.command("create")
@calls
async def create(
    call: Call,
    *,
    url: Annotated[str, typer.Argument(help="Where to POST: https, or http to loopback if the server runs with --dev.")],
    profile: options.Profile = None,
    event_types: options.EventTypes = None,
    name: options.Name = None,
    description: options.Description = None,
    body_format: options.Format = None,
    body_template: options.Template = None,
    signature_scheme: options.Scheme = None,
    signature_parameters: options.Parameters = None,
    secret: Annotated[
        str,
        typer.Option(
            "--secret", help=f"The signing secret, {options.SECRET_FORM}; made by hookline if empty.", envvar="HOOKLINE_SECRET"
        ),
    ] = "",
    headers: options.Headers = None,
    retry: options.Retry = None,
    max_attempts: options.MaxAttempts = None,
    max_elapsed: options.MaxElapsed = None,
    jitter: options.Jitter = None,
    timeout_of_attempt: options.Timeout = None,
    max_in_flight: options.MaxInFlight = None,
    lanes: options.Lanes = None,
    rate: limits.Rate = None,
    burst: limits.Burst = None,
    breaker: limits.Breaker = None,
    step_aside_after: limits.StepAsideAfter = None,
    hold_for: limits.HoldFor = None,
    disable_after: limits.DisableAfter = None,
    ordering: options.Order = None,
    labels: options.Labels = None,
    bearer: access.Bearer = None,
    basic: access.Basic = None,
    api_key: access.Key = None,
    token_url: access.TokenUrl = None,
    token_client: access.TokenClient = None,
    scope: access.Scope = "",
    audience: access.Audience = "",
    certificate: access.Certificate = None,
    certificate_key: access.CertificateKey = None,
    filter_: access.Filter = None,
    fields: access.Fields = None,
    transform: access.Transform = None,
    request_id: RequestId = "",
) -> None:
    """Create a subscription; shows it and its secret."""
    given = options.said(
        event_types=event_types,
        description=description,
        body_format=body_format,
        body_template=body_template,
        signature_scheme=signature_scheme,
        signature_parameters=signature_parameters,
        headers=headers,
        timeout=timeout_of_attempt,
        max_in_flight=max_in_flight,
        lanes=lanes,
        ordering=ordering,
        labels=labels,
    )
    given |= access.shaping(filter_=filter_, fields=fields, transform=transform) | access.access(
        bearer=bearer,
        basic=basic,
        key=api_key,
        token_url=token_url,
        token_client=token_client,
        scope=scope,
        audience=audience,
        certificate=certificate,
        certificate_key=certificate_key,
    )
    given |= limits.limits_said(
        None,
        rate=rate,
        burst=burst,
        breaker_text=breaker,
        hold_for=hold_for,
        disable_after=disable_after,
        step_aside_after=step_aside_after,
    )
    spec = options.made(profile, url=url, secret=secret, **options.with_name(given, name, {}))
    spec = replace(spec, retry=options.retry_of(spec.retry, retry, max_attempts, max_elapsed, jitter))
    made = await call.client.subscriptions.create(spec, request_id=request_id)
    (secret_made, *_) = await call.client.subscriptions.get_secret(made.id)
    show_subscription(call.out, made, secret=secret_made.value)


@app.command("list")
@calls
async def list_(call: Call, limit: Limit = 100, page_token: PageToken = "") -> None:
    """List subscriptions in the order of their creation."""
    page = await collect(lambda size, token: call.client.subscriptions.list(page_size=size, page_token=token), limit, page_token)
    if call.out.as_json:
        call.out.json(page)
        return
    call.out.rows(
        ("SUBSCRIPTION", "NAME", "STATE", "EVENT TYPES", "URL", "CREATED"),
        (
            (item.id, item.labels.get("name", ""), state(item.state), ", ".join(item.event_types), item.url, when(item.create_time))
            for item in page.items
        ),
        empty="there are no subscriptions; `hookline subscriptions create URL` makes one",
    )
    if page.next_page_token:
        call.out.note(f"there are more: --page-token {page.next_page_token}")


@app.command("show")
@calls
async def show(call: Call, subscription_id: Id) -> None:
    """Show a subscription."""
    show_subscription(call.out, await call.client.subscriptions.get(subscription_id))


@app.command("update")
@calls
async def update(
    call: Call,
    *,
    subscription_id: Id,
    url: Annotated[str | None, typer.Option("--url", help="Where to POST.")] = None,
    event_types: options.EventTypes = None,
    name: options.Name = None,
    description: options.Description = None,
    body_format: options.Format = None,
    body_template: options.Template = None,
    signature_scheme: options.Scheme = None,
    signature_parameters: options.Parameters = None,
    headers: options.Headers = None,
    retry: options.Retry = None,
    max_attempts: options.MaxAttempts = None,
    max_elapsed: options.MaxElapsed = None,
    jitter: options.Jitter = None,
    timeout_of_attempt: options.Timeout = None,
    max_in_flight: options.MaxInFlight = None,
    lanes: options.Lanes = None,
    rate: limits.Rate = None,
    burst: limits.Burst = None,
    breaker: limits.Breaker = None,
    step_aside_after: limits.StepAsideAfter = None,
    hold_for: limits.HoldFor = None,
    disable_after: limits.DisableAfter = None,
    labels: options.Labels = None,
    bearer: access.Bearer = None,
    basic: access.Basic = None,
    api_key: access.Key = None,
    token_url: access.TokenUrl = None,
    token_client: access.TokenClient = None,
    scope: access.Scope = "",
    audience: access.Audience = "",
    certificate: access.Certificate = None,
    certificate_key: access.CertificateKey = None,
    filter_: access.Filter = None,
    fields: access.Fields = None,
    transform: access.Transform = None,
    clear: Annotated[
        list[str] | None, typer.Option("--clear", metavar="FIELD", help="Set a field back to its default (repeatable).")
    ] = None,
    etag: Etag = "",
) -> None:
    """Change what is named and leave the rest; --header and --label replace all that were there."""
    given = options.defaults(clear or ()) | options.said(
        url=url,
        event_types=event_types,
        description=description,
        body_format=body_format,
        body_template=body_template,
        signature_scheme=signature_scheme,
        signature_parameters=signature_parameters,
        headers=headers,
        timeout=timeout_of_attempt,
        max_in_flight=max_in_flight,
        lanes=lanes,
        labels=labels,
    )
    given |= access.shaping(filter_=filter_, fields=fields, transform=transform) | access.access(
        bearer=bearer,
        basic=basic,
        key=api_key,
        token_url=token_url,
        token_client=token_client,
        scope=scope,
        audience=audience,
        certificate=certificate,
        certificate_key=certificate_key,
    )
    policy_parts = (retry, max_attempts, max_elapsed, jitter)
    before = await call.client.subscriptions.get(subscription_id)
    given |= limits.limits_said(
        before.rate,
        rate=rate,
        burst=burst,
        breaker_text=breaker,
        hold_for=hold_for,
        disable_after=disable_after,
        step_aside_after=step_aside_after,
    )
    given = options.with_name(given, name, before.labels)
    if any(part is not None for part in policy_parts):
        given["retry"] = options.retry_of(given.get("retry", before.retry), *policy_parts)
    if not given:
        raise UsageError("nothing to change: name at least one field, like --url or --type")
    spec = SubscriptionSpec(**{"url": before.url, **given})
    changed = await call.client.subscriptions.update(subscription_id, spec, fields=sorted(given), etag=etag or before.etag)
    show_subscription(call.out, changed)


@app.command("pause")
@calls
async def pause(
    call: Call,
    subscription_id: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who pauses it.", show_default="user@host")] = None,
) -> None:
    """Hold its deliveries; what arrives meanwhile is kept."""
    actor = somebody() if by is None else by
    show_subscription(call.out, await call.client.subscriptions.pause(subscription_id, reason=reason, actor=actor))


@app.command("resume")
@calls
async def resume(
    call: Call,
    subscription_id: Id,
    discard_held: Annotated[bool, typer.Option("--discard-held", help="Cancel what is pending instead of sending it.")] = False,
) -> None:
    """Deliver again, after a pause or when hookline disabled it."""
    show_subscription(call.out, await call.client.subscriptions.resume(subscription_id, discard_held=discard_held))


@app.command("delete")
@calls
async def delete(
    call: Call,
    *,
    subscription_id: Id,
    etag: Etag = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete it; what is pending is cancelled."""
    if not yes:
        found = await call.client.subscriptions.get(subscription_id)
        typer.confirm(f"Delete {found.id} ({found.url}) and cancel what is pending?", abort=True, err=True)
    await call.client.subscriptions.delete(subscription_id, etag=etag)
    if call.out.as_json:
        call.out.json({"deleted": subscription_id})
    else:
        call.out.line(f"deleted {subscription_id}")


@app.command("test")
@calls
async def send_test(
    call: Call,
    *,
    subscription_id: Id,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the request, and do not send it.")] = False,
    event: Annotated[
        Path | None,
        typer.Option("--event", metavar="FILE", help="Show what would be sent of the event in this file (as in `emit --file`)."),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send the event of --event as well.")] = False,
) -> None:
    """Send a signed test event now, once; exit code 0 only if the receiver took it. With --event: show it, unsent."""
    if send and (dry_run or event is None):
        raise UsageError("--send: sends what --event names, and does not go with --dry-run")
    spec = None if event is None else event_in(event)
    unsent = dry_run or (event is not None and not send)
    show_test(call.out, await call.client.subscriptions.test(subscription_id, spec, dry_run=unsent))


@app.command("rotate-secret")
@calls
async def rotate_secret(
    call: Call,
    *,
    subscription_id: Id,
    secret: Annotated[
        str,
        typer.Option("--secret", help=f"The new one, {options.SECRET_FORM}; made by hookline if empty.", envvar="HOOKLINE_SECRET"),
    ] = "",
    overlap: Annotated[str, typer.Option("--overlap", metavar="SPAN", help="How long the old one signs too.")] = "24h",
    request_id: RequestId = "",
) -> None:
    """Sign with a new secret; the old one signs too for a while."""
    seconds = span(overlap, "--overlap")
    made = await call.client.subscriptions.rotate_secret(subscription_id, secret=secret, overlap=seconds, request_id=request_id)
    if call.out.as_json:
        call.out.json(made)
    else:
        call.out.line(made.value)


@app.command("secret")
@calls
async def secret(
    call: Call,
    *,
    subscription_id: Id,
    public: Annotated[
        bool,
        typer.Option("--public", help="Show the public keys (whpk_…) that receivers verify with; of ed25519 secrets (whsk_…)."),
    ] = False,
) -> None:
    """Show the secrets that sign now, the newest first."""
    found = await call.client.subscriptions.get_secret(subscription_id)
    if public:
        found = [replace(item, value=public_key(item.value)) for item in found]
    if call.out.as_json:
        call.out.json({"items": found})
    else:
        column = "PUBLIC KEY" if public else "SECRET"
        call.out.rows((column, "SIGNS UNTIL"), ((item.value, when(item.expire_time) or "it is rotated") for item in found))
