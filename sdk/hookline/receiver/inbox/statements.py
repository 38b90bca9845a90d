"""The SQL of the inboxes: a file each, of named statements."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

_HEAD: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(name: str) -> Mapping[str, str]:
    """The statements of `sql/<name>.sql` by name; each begins with a line `-- name: <name>`."""
    text = (resources.files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    parts = _HEAD.split(text)
    return {parts[i]: parts[i + 1].strip().removesuffix(";") for i in range(1, len(parts), 2)}
