"""`hookline tail`: what happens to deliveries, live."""

import asyncio
from fnmatch import fnmatchcase
from typing import Annotated, Final

import typer

from hookline.errors import NotFound, Unavailable
from hookline.model import Change, DeliveryState
from hookline_server.cli.call import Call, calls
from hookline_server.cli.delivery_view import change_line

AGAIN: Final = 1.0
"""Seconds before a watch that broke off is taken up again."""


class _Names:
    """Subscriptions by the names that people gave them."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._names: dict[str, str] = {}

    async def of(self, subscription_id: str) -> str:
        """Its label `name`, or its id."""
        if subscription_id not in self._names:
            try:
                found = await self._call.client.subscriptions.get(subscription_id)
            except NotFound:
                self._names[subscription_id] = subscription_id
            else:
                self._names[subscription_id] = found.labels.get("name") or subscription_id
        return self._names[subscription_id]


@calls
async def tail(
    call: Call,
    *,
    subscription_id: Annotated[str, typer.Option("--subscription", "-s", help="Only what happens to this subscription's.")] = "",
    event_type: Annotated[
        str, typer.Option("--type", "-t", metavar="PATTERN", help="Only events of these types (invoice.*).")
    ] = "*",
    states: Annotated[list[DeliveryState] | None, typer.Option("--state", help="Only what led to this state (repeatable).")] = None,
    cursor: Annotated[str, typer.Option("--cursor", help="Begin after a change that --json printed, not now.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Stop after so many; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Print each attempt and each change of a delivery as it happens: when, what, for whom, status, how long, state, why."""
    names = _Names(call)
    printed, away = 0, False
    while True:
        try:
            async for item in call.client.watch(subscription_id=subscription_id, cursor=cursor):
                cursor, away = item.cursor, False
                if not isinstance(item, Change) or not _wanted(item, event_type, states):
                    continue
                if call.out.as_json:
                    call.out.json(item, line=True)
                else:
                    call.out.line(change_line(item, await names.of(item.delivery.subscription_id)))
                printed += 1
                if printed == count:
                    return
        except Unavailable as error:
            if not cursor:
                raise  # it never began: nobody is there
            if not away:
                call.out.note(f"{error.message}; trying again until it is back")
            away = True
        await asyncio.sleep(AGAIN)


def _wanted(change: Change, event_type: str, states: list[DeliveryState] | None) -> bool:
    return fnmatchcase(change.delivery.event_type, event_type) and (not states or change.delivery.state in states)
