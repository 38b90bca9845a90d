"""Drives a Convoy instance by its public API (https://docs.getconvoy.io/api-reference), within one project."""

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

FEATURES: Final = frozenset(
    {Feature.PAUSE, Feature.UPDATE, Feature.DELETE, Feature.EVENT_TYPES, Feature.IDEMPOTENCY, Feature.TIMEOUT}
)


class ConvoyAdapter(SenderAdapter):
    """An instance at `base`, a project and its API key.

    The project must sign as Standard Webhooks say: header `webhook-signature`, advanced signatures, base64. `delays`
    are those that the project is set up with: its strategy is of the project, not of an endpoint.
    """

    def __init__(self, base: str, project: str, key: str, *, delays: tuple[float, ...] = ()) -> None:
        self._api = JsonApi(base, {"authorization": f"Bearer {key}"})
        self._project = f"/api/v1/projects/{project}"
        self._run = uuid4().hex[:8]
        self._delays = delays
        self._made: dict[str, tuple[str, str, str]] = {}
        """An endpoint's id to its subscription, secret and URL."""

    async def open(self) -> Capabilities:
        """Look whether the project is there."""
        await self._api.call("GET", f"{self._project}/endpoints?perPage=1")
        return Capabilities(name="convoy", features=FEATURES, schedule=self._delays, jitter=0.1, timeout=10.0)

    async def close(self) -> None:
        """Delete the endpoints."""
        for target in list(self._made):
            with contextlib.suppress(Refused, AdapterError):
                await self.delete(target)

    async def configure(self, spec: TargetSpec) -> str:
        """Create an endpoint, and a subscription for it."""
        name = f"conformance-{self._run}-{len(self._made)}"
        content: dict[str, Any] = {
            "name": name,
            "url": spec.url,
            "secret": spec.secret,
            "owner_id": self._owner,
            "advanced_signatures": True,
        }
        if spec.timeout is not None:
            content["http_timeout"] = round(spec.timeout)
        endpoint: str = member(await self._api.call("POST", f"{self._project}/endpoints", content), "data", "uid")
        types = list(spec.event_types) or ["*"]
        asked = {"name": name, "endpoint_id": endpoint, "filter_config": {"event_types": types}}
        subscription = member(await self._api.call("POST", f"{self._project}/subscriptions", asked), "data", "uid")
        self._made[endpoint] = (subscription, spec.secret, spec.url)
        return endpoint

    @property
    def _owner(self) -> str:
        return f"conformance-{self._run}"

    async def secret(self, target: str) -> str:
        """The secret that was given."""
        return self._made[target][1]

    async def emit(self, emission: Emission) -> Emitted:
        """Fan an event out to all endpoints of this run."""
        others = {"owner_id": self._owner, "event_type": emission.type}
        if emission.key:
            others["idempotency_key"] = emission.key
        try:
            json.loads(emission.data)
        except ValueError as error:
            raise Refused("400", f"data: is not JSON: {error}") from error
        made = await self._api.call("POST", f"{self._project}/events/fanout", embedded("data", emission.data, **others))
        return Emitted(event_id=str(member(made, "data", "uid")))

    async def delete(self, target: str) -> None:
        """Delete subscription and endpoint."""
        subscription, _, _ = self._made.pop(target)
        await self._api.call("DELETE", f"{self._project}/subscriptions/{subscription}")
        await self._api.call("DELETE", f"{self._project}/endpoints/{target}")

    async def pause(self, target: str) -> None:
        """Pause the endpoint: the method toggles."""
        await self._api.call("PUT", f"{self._project}/endpoints/{target}/pause")

    async def resume(self, target: str) -> None:
        """Toggle back."""
        await self._api.call("PUT", f"{self._project}/endpoints/{target}/pause")

    async def update(self, target: str, change: Change) -> None:
        """Change endpoint and subscription."""
        subscription, secret, url = self._made[target]
        if change.url is not None:
            content = {"name": f"conformance-{target}", "url": change.url, "secret": secret}
            await self._api.call("PUT", f"{self._project}/endpoints/{target}", content)
            url = change.url
        if change.event_types is not None:
            asked = {"filter_config": {"event_types": list(change.event_types)}}
            await self._api.call("PUT", f"{self._project}/subscriptions/{subscription}", asked)
        self._made[target] = (subscription, secret, url)
