"""Where a store is, as it may be shown."""

import re
from typing import Final

_LOGIN: Final = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*:(?://)?[^:/@]*:).*(?P<after>@)", re.DOTALL)
_PARAMETER: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*")
"""libpq takes a password in the query too."""


def hidden(place: str) -> str:
    """A store's address without the password in it."""
    without = _LOGIN.sub(r"\g<before>…\g<after>", place, count=1) if _LOGIN.match(place) else place
    return _PARAMETER.sub(r"\1…", without) if "://" in place else without
