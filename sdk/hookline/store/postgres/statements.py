"""The SQL of the store: `.sql` files of named statements, read once when the module is imported."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

_HEAD: Final = re.compile(r"^-- name: (\w+).*$", re.MULTILINE)


def load(name: str) -> Mapping[str, str]:
    """The statements of `sql/<name>.sql` by name; each begins with a line `-- name: <name>`."""
    text = (resources.files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    parts = _HEAD.split(text)
    return {parts[i]: parts[i + 1].strip().removesuffix(";") for i in range(1, len(parts), 2)}


def migrations() -> Mapping[int, str]:
    """The migrations by the version that each leads to: `migrations/<version>_<name>.sql`."""
    folder = resources.files(__package__) / "migrations"
    found = {int(item.name[:4]): item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    return dict(sorted(found.items()))
