"""What happens to an event before its request is made, for subscriptions that ask for it: shaping, and a token."""

import asyncio
from functools import lru_cache
from typing import Final, NamedTuple

from hookline.body.cel import Expression, ExpressionError, compile_filter
from hookline.body.cel_process import Done, Kind
from hookline.body.cel_values import ShapingError
from hookline.body.shape import Shape, reshaped
from hookline.clock import Clock
from hookline.engine.authentication import Tokens, bearer
from hookline.engine.evaluators import Evaluators
from hookline.engine.target import Target
from hookline.model import Event, OAuth2ClientCredentials
from hookline.transport import Poster

PATIENCE: Final = 30.0
"""Seconds that the filter of a replay waits for its turn."""

Headers = tuple[tuple[str, str], ...]


class Prepared(NamedTuple):
    """The event as it is to be delivered, None if the filter refuses it; and the header with the token."""

    event: Event | None
    headers: Headers = ()


class Preparation:
    """Of one engine."""

    def __init__(self, poster: Poster, clock: Clock) -> None:
        """Nothing is started or fetched."""
        self._tokens = Tokens(poster, clock)
        self.evaluators: Evaluators | None = None
        """Made when they are first needed."""

    async def prepare(self, target: Target, event: Event) -> Prepared:
        """Shape the event, and see to a token. Raises ShapingError, TokenFailure."""
        shaped: Event | None = event
        if target.shape is not None:
            shaped = await self.shaped(target, target.shape, event)
        if shaped is None or target.oauth2 is None:
            return Prepared(shaped)
        return Prepared(shaped, (bearer(await self._tokens.token(_key(target), target.oauth2)),))

    async def another_token(self, target: Target, credentials: OAuth2ClientCredentials, refused: Headers) -> Headers:
        """A token other than the one that was refused. Raises TokenFailure."""
        former = refused[0][1].removeprefix("Bearer ") if refused else ""
        return (bearer(await self._tokens.another(_key(target), credentials, former)),)

    async def shaped(self, target: Target, shape: Shape, event: Event) -> Event | None:
        """The event as it leaves the house, None if the filter refuses it. Raises ShapingError."""
        if shape.fault:
            raise ShapingError(shape.fault)
        if shape.filter is not None:
            if shape.filter.cheap(event):
                admitted = shape.filter.admits(event)
            else:
                admitted = (await self._elsewhere(target, "filter", (shape.filter.source,), event)).admitted
            if not admitted:
                return None
        if shape.fields is not None:
            if shape.fields.cheap(event):
                return reshaped(event, shape.fields.select(event))
            return reshaped(event, (await self._elsewhere(target, "fields", shape.fields.paths, event)).data)
        if shape.transform is not None:
            if shape.transform.cheap(event):
                return reshaped(event, shape.transform.transform(event))
            return reshaped(event, (await self._elsewhere(target, "transform", (shape.transform.source,), event)).data)
        return event

    async def admits(self, key: tuple[str, str], source: str, event: Event) -> bool:
        """Whether a filter that is no subscription's own is true of an event; False if it has no value for it."""
        try:
            expression = filter_of(source)
            if expression.cheap(event):
                return expression.admits(event)
            return (await self._perform(key, "filter", (source,), event, PATIENCE)).admitted
        except (ShapingError, ExpressionError):  # a newer version may have written what this one cannot read
            return False

    async def close(self) -> None:
        """End what it has begun."""
        closing = [self._tokens.close()]
        if self.evaluators is not None:
            closing.append(self.evaluators.close())
        await asyncio.gather(*closing)

    async def _elsewhere(self, target: Target, kind: Kind, sources: tuple[str, ...], event: Event) -> Done:
        """Do it in another process."""
        return await self._perform(_key(target), kind, sources, event, target.subscription.timeout)

    async def _perform(self, key: tuple[str, str], kind: Kind, sources: tuple[str, ...], event: Event, patience: float) -> Done:
        if self.evaluators is None:
            self.evaluators = Evaluators()
        return await self.evaluators.perform(key, kind, sources, event, patience=patience)


@lru_cache(maxsize=64)
def filter_of(source: str) -> Expression:
    """A filter ready for use. Raises ExpressionError."""
    return compile_filter(source)


def _key(target: Target) -> tuple[str, str]:
    return target.subscription.tenant, target.subscription.id
