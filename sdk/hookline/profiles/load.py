"""Where the profiles are, and how to have one."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.profiles.file import parse
from hookline.profiles.profile import Profile

PROFILE_NAMES: Final = (
    "standard",
    "stripe",
    "hubspot",
    "segment",
    "saber",
    "github",
    "slack",
    "shopify",
    "twilio",
    "salesforce",
    "zapier",
    "make",
    "n8n",
)
_FOLDER: Final = files("hookline.profiles")


def profile(name: str, *, field: str = "profile") -> Profile:
    """The profile called `name`. Raises InvalidArgument, for `field`, that names those there are."""
    if name not in PROFILE_NAMES:
        raise InvalidArgument.of(field, f"{quoted(name)} is no profile; right is one of {', '.join(PROFILE_NAMES)}")
    return _read(name)


@lru_cache(maxsize=len(PROFILE_NAMES))
def _read(name: str) -> Profile:
    return parse(name, tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8")))
