"""What the adapters of senders with a JSON API over HTTP share."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from hookline_conformance.sender.adapter import AdapterError, Refused

_TIMEOUT: Final = 30.0
_LONGEST: Final = 4 * 1024 * 1024


class JsonApi:
    """A JSON API below `base`. Errors of 4xx are refusals, all others faults of the adapter's."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        if urlsplit(base).scheme not in {"http", "https"}:
            raise ValueError(f"base: {base!r} is no http or https address")
        self._base = base.rstrip("/")
        self._headers = {"accept": "application/json", "content-type": "application/json", **headers}

    async def call(self, method: str, path: str, content: object = None, **headers: str) -> Any:
        """Call `method` on `path`; the answer's JSON, None without a body. Raises `Refused` and `AdapterError`."""
        return await asyncio.to_thread(self._call, method, path, content, headers)

    def _call(self, method: str, path: str, content: object, headers: Mapping[str, str]) -> Any:
        body = None if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self._base + path, data=body, method=method, headers={**self._headers, **named})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                text = answer.read(_LONGEST)
        except urllib.error.HTTPError as error:
            said = error.read(2_000).decode("utf-8", "replace")
            if error.code in {401, 403} or error.code >= 500:
                raise AdapterError(f"{method} {self._base}{path} answered {error.code}: {said}") from error
            raise Refused(str(error.code), said) from error
        except OSError as error:
            raise AdapterError(f"{method} {self._base}{path} was not answered: {error}") from error
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise AdapterError(f"{method} {self._base}{path} answered what is no JSON: {text[:200]!r}") from error


def member(answer: Any, *path: str) -> Any:
    """A member of an answer; `AdapterError` if it is not there."""
    found = answer
    for name in path:
        if not isinstance(found, dict) or name not in found:
            raise AdapterError(f"the answer has no {'.'.join(path)}: {json.dumps(answer)[:200]}")
        found = found[name]
    return found


def embedded(name: str, data: bytes, **others: Any) -> bytes:
    """A JSON object with `data`, which is JSON, as the member `name`: its bytes as they are."""
    head = json.dumps(others)[:-1]
    return f"{head}{', ' if others else ''}{json.dumps(name)}: ".encode() + data + b"}"
