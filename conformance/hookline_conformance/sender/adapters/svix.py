"""Drives a Svix server by its public API (https://api.svix.com/docs): one application for each tenant."""

import contextlib
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from hookline_conformance.sender.adapter import (
    AdapterError,
    AttemptRecord,
    Capabilities,
    Change,
    DeliveryState,
    Emission,
    Emitted,
    Feature,
    Refused,
    SenderAdapter,
    TargetSpec,
)
from hookline_conformance.sender.adapters.http import JsonApi, embedded, member

FEATURES: Final = frozenset(
    {
        Feature.ATTEMPTS,
        Feature.STATES,
        Feature.ROTATE,
        Feature.UPDATE,
        Feature.DELETE,
        Feature.EVENT_TYPES,
        Feature.TENANTS,
        Feature.HEADERS,
    }
)
"""No pause: an endpoint that is disabled loses what is emitted meanwhile."""
SCHEDULE: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Svix, "Retries": immediately, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h."""
STATES: Final = {0: DeliveryState.DELIVERED, 1: DeliveryState.PENDING, 2: DeliveryState.EXHAUSTED, 3: DeliveryState.PENDING}
"""Message status: success, pending, fail, sending."""


class SvixAdapter(SenderAdapter):
    """A server at `base` (`http://127.0.0.1:8071`), with an API token."""

    def __init__(self, base: str, token: str) -> None:
        self._api = JsonApi(base, {"authorization": f"Bearer {token}"})
        self._run = uuid4().hex[:8]
        self._applications: dict[str, str] = {}
        self._tenants: dict[str, str] = {}
        self._types: set[str] = set()

    async def open(self) -> Capabilities:
        """Make the application of the default tenant."""
        await self._application("")
        return Capabilities(name="svix", scheme="svix", features=FEATURES, schedule=SCHEDULE, jitter=0.2, timeout=15.0)

    async def close(self) -> None:
        """Delete the applications, and with them all endpoints."""
        for name in self._applications.values():
            with contextlib.suppress(Refused, AdapterError):
                await self._api.call("DELETE", f"/api/v1/app/{name}")
        self._applications.clear()

    async def _application(self, tenant: str) -> str:
        if tenant not in self._applications:
            uid = f"conformance-{self._run}-{len(self._applications)}"
            made = await self._api.call("POST", "/api/v1/app", {"name": uid, "uid": uid})
            self._applications[tenant] = member(made, "id")
        return self._applications[tenant]

    async def _known(self, event_type: str) -> None:
        """Event types must exist before an endpoint asks for them."""
        if event_type in self._types:
            return
        try:
            await self._api.call("POST", "/api/v1/event-type", {"name": event_type, "description": "conformance"})
        except Refused as refused:
            if refused.code != "409":
                raise
        self._types.add(event_type)

    async def configure(self, spec: TargetSpec) -> str:
        """Create an endpoint."""
        application = await self._application(spec.tenant)
        for event_type in spec.event_types:
            await self._known(event_type)
        content: dict[str, Any] = {"url": spec.url, "version": 1, "description": "conformance"}
        if spec.secret:
            content["secret"] = spec.secret
        if spec.event_types:
            content["filterTypes"] = list(spec.event_types)
        endpoint: str = member(await self._api.call("POST", f"/api/v1/app/{application}/endpoint", content), "id")
        if spec.headers:
            await self._api.call("PUT", f"/api/v1/app/{application}/endpoint/{endpoint}/headers", {"headers": dict(spec.headers)})
        self._tenants[endpoint] = spec.tenant
        return endpoint

    def _path(self, target: str) -> str:
        return f"/api/v1/app/{self._applications[self._tenants[target]]}/endpoint/{target}"

    async def secret(self, target: str) -> str:
        """The signing secret."""
        key: str = member(await self._api.call("GET", f"{self._path(target)}/secret"), "key")
        return key

    async def emit(self, emission: Emission) -> Emitted:
        """Create a message."""
        application = await self._application(emission.tenant)
        await self._known(emission.type)
        content = embedded("payload", emission.data, eventType=emission.type)
        made = await self._api.call("POST", f"/api/v1/app/{application}/msg", content)
        return Emitted(event_id=member(made, "id"))

    async def delete(self, target: str) -> None:
        """Delete the endpoint."""
        await self._api.call("DELETE", self._path(target))

    async def attempts(self, target: str) -> list[AttemptRecord]:
        """The attempts at the endpoint."""
        application = self._applications[self._tenants[target]]
        answer = await self._api.call("GET", f"/api/v1/app/{application}/attempt/endpoint/{target}?limit=250")
        listed = sorted(member(answer, "data"), key=lambda one: str(one["timestamp"]))
        count: dict[str, int] = {}
        records = []
        for one in listed:
            event = str(one["msgId"])
            count[event] = count.get(event, 0) + 1
            records.append(
                AttemptRecord(
                    event_id=event,
                    number=count[event],
                    start=datetime.fromisoformat(str(one["timestamp"])).timestamp(),
                    status=int(one["responseStatusCode"]),
                    failed=one["status"] != 0,
                    state=STATES.get(one["status"], DeliveryState.UNKNOWN),
                )
            )
        return records

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        """Rotate the secret; Svix keeps the former one for 24 hours, whatever is asked for."""
        if overlap != 3_600.0:
            raise Refused("UNSUPPORTED", f"an overlap of {overlap:g} s cannot be asked for")
        await self._api.call("POST", f"{self._path(target)}/secret/rotate", {"key": secret})
        return await self.secret(target)

    async def update(self, target: str, change: Change) -> None:
        """Patch the endpoint."""
        content: dict[str, Any] = {}
        if change.url is not None:
            content["url"] = change.url
        if change.event_types is not None:
            for event_type in change.event_types:
                await self._known(event_type)
            content["filterTypes"] = list(change.event_types)
        await self._api.call("PATCH", self._path(target), content)
