"""Drives an Outpost server by its public API (https://outpost.hookdeck.com/docs/api): webhook destinations of tenants."""

import contextlib
import json
from typing import Any, Final
from uuid import uuid4

from hookline_conformance.sender.adapter import (
    AdapterError,
    Capabilities,
    Change,
    Emission,
    Emitted,
    Feature,
    Refused,
    SenderAdapter,
    TargetSpec,
)
from hookline_conformance.sender.adapters.http import JsonApi, embedded, member

FEATURES: Final = frozenset({Feature.ROTATE, Feature.UPDATE, Feature.DELETE, Feature.EVENT_TYPES, Feature.TENANTS})
"""No pause: a destination that is disabled loses what is emitted meanwhile."""


class OutpostAdapter(SenderAdapter):
    """A server at `base` (with `/api/v1`), and its API key.

    It must be set up to sign as Standard Webhooks say (`DESTINATIONS_WEBHOOK_MODE=standard`). `delays` are those of
    its retry settings, which hold for all destinations.
    """

    def __init__(self, base: str, key: str, *, delays: tuple[float, ...] = ()) -> None:
        self._api = JsonApi(base, {"authorization": f"Bearer {key}"})
        self._run = uuid4().hex[:8]
        self._delays = delays
        self._tenants: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._known: set[str] = set()

    async def open(self) -> Capabilities:
        """Make the default tenant."""
        await self._tenant("")
        return Capabilities(name="outpost", features=FEATURES, schedule=self._delays, jitter=0.1, timeout=5.0)

    async def close(self) -> None:
        """Delete the tenants, and with them all destinations."""
        for name in self._known:
            with contextlib.suppress(Refused, AdapterError):
                await self._api.call("DELETE", f"/{name}")
        self._known.clear()

    async def _tenant(self, tenant: str) -> str:
        name = f"conformance-{self._run}-{tenant or 'default'}"
        if name not in self._known:
            await self._api.call("PUT", f"/{name}")
            self._known.add(name)
        return name

    async def configure(self, spec: TargetSpec) -> str:
        """Create a destination."""
        tenant = await self._tenant(spec.tenant)
        content: dict[str, Any] = {
            "type": "webhook",
            "topics": list(spec.event_types) or "*",
            "config": {"url": spec.url},
        }
        if spec.secret:
            content["credentials"] = {"secret": spec.secret}
        made = await self._api.call("POST", f"/{tenant}/destinations", content)
        target: str = member(made, "id")
        self._tenants[target] = tenant
        self._secrets[target] = member(made, "credentials", "secret")
        return target

    def _path(self, target: str) -> str:
        return f"/{self._tenants[target]}/destinations/{target}"

    async def secret(self, target: str) -> str:
        """The secret that was answered last."""
        return self._secrets[target]

    async def emit(self, emission: Emission) -> Emitted:
        """Publish an event."""
        try:
            value = json.loads(emission.data)
        except ValueError as error:
            raise Refused("422", f"data: is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refused("422", "data: is no object, and Outpost takes objects alone")
        others = {"tenant_id": await self._tenant(emission.tenant), "topic": emission.type, "eligible_for_retry": True}
        made = await self._api.call("POST", "/publish", embedded("data", emission.data, **others))
        return Emitted(event_id=member(made, "id"))

    async def delete(self, target: str) -> None:
        """Delete the destination."""
        await self._api.call("DELETE", self._path(target))

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        """Have a new secret made; Outpost chooses it, and keeps the former one for as long as it is set up to."""
        del secret
        if overlap != 3_600.0:
            raise Refused("UNSUPPORTED", f"an overlap of {overlap:g} s cannot be asked for")
        made = await self._api.call("PATCH", self._path(target), {"credentials": {"rotate_secret": "true"}})
        self._secrets[target] = member(made, "credentials", "secret")
        return self._secrets[target]

    async def update(self, target: str, change: Change) -> None:
        """Patch the destination."""
        content: dict[str, Any] = {}
        if change.url is not None:
            content["config"] = {"url": change.url}
        if change.event_types is not None:
            content["topics"] = list(change.event_types)
        await self._api.call("PATCH", self._path(target), content)
