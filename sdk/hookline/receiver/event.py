"""An event as it was received: verified, and the same for every platform."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pydantic

from hookline.body import is_json
from hookline.model.event import JSON
from hookline.receiver.errors import MalformedEvent

M = TypeVar("M")
Model = type[M]
"""Named here, as `type` is a field below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An event whose signature was right.

    `id` is the platform's; `key` is what the event is known by when it comes again, the signed id where
    the platform signs one. `type` is empty where the platform names none. `data` are the bytes of the part
    that the event is about, as they came; `body` those of the whole request. `headers` are the request's,
    and not all of them are signed.
    """

    id: str
    key: str
    type: str
    platform: str
    source: str = ""
    subject: str = ""
    time: datetime | None = None
    data: bytes
    data_content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def json(self) -> Any:  # what json.loads answers
        """`data`, parsed anew at each call. Raises MalformedEvent if it is not JSON."""
        if not is_json(self.data_content_type):
            raise MalformedEvent(f"the data of event {self.id!r} is {self.data_content_type!r}, which is no JSON")
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise MalformedEvent(f"the data of event {self.id!r} cannot be read as JSON: {error}") from error

    def validated(self, model: Model[M]) -> M:
        """`data` as a `model`: a pydantic model, a dataclass or any other type that pydantic can make.

        Raises MalformedEvent that names each field which is wrong.
        """
        try:
            return _adapter(model).validate_json(self.data)
        except pydantic.ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'the top'}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_FAULTS]
            )
            raise MalformedEvent(f"the data of event {self.id!r} is no {model.__name__}: {faults}") from error

    def header(self, name: str) -> str:
        """The first value of a header, in any case; empty if it is not there."""
        wanted = name.lower()
        return next((value for header, value in self.headers if header.lower() == wanted), "")


_MOST_FAULTS = 10
_adapters: dict[object, pydantic.TypeAdapter[Any]] = {}


def _adapter(model: type[M]) -> pydantic.TypeAdapter[M]:
    # Models are the program's own and few; building one costs a thousand times what using it does.
    adapter = _adapters.get(model)
    if adapter is None:
        adapter = _adapters[model] = pydantic.TypeAdapter(model)
    return adapter
