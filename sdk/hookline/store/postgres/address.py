"""The URL of a PostgreSQL store: what libpq understands, and a few settings of our own in its query."""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from hookline.errors import StoreError, quoted
from hookline.store.place import hidden

SCHEMES: Final = ("postgresql", "postgres")
CONNECTIONS: Final = 8
MOST_CONNECTIONS: Final = 200
_FORM: Final = "write postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the database is and how it is reached.

    `pooler`: between us and the server stands something like PgBouncer in transaction mode, so that a
    session holds nothing: no LISTEN, no named prepared statements, no settings. `connections`: how
    many this process opens at most (1 to 200), beside one that listens.
    """

    dsn: str
    pooler: bool = False
    connections: int = CONNECTIONS

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Our own settings are `pooler=1` and `connections=N`; the rest is handed on. Raises StoreError."""
        shown = quoted(hidden(url))
        try:
            parts = urlsplit(url)
            for host in parts.netloc.rpartition("@")[2].split(","):  # several, with a target_session_attrs that says which to take
                _ = urlsplit(f"//{host}").port
        except ValueError as error:
            raise StoreError(f"{shown} is not the address of a database ({error}): {_FORM}") from None
        if parts.scheme not in SCHEMES or "\0" in url:
            raise StoreError(f"{shown} is not the address of a database: {_FORM}")
        query = parse_qsl(parts.query, keep_blank_values=True)
        ours = {name: value for name, value in query if name in {"pooler", "connections"}}
        if not parts.path.strip("/") and not any(name in {"dbname", "database"} for name, _ in query):
            raise StoreError(f"{shown} names no database: {_FORM}")
        rest = [(name, value) for name, value in query if name not in ours]
        return cls(
            dsn=urlunsplit(parts._replace(query=urlencode(rest, quote_via=quote))),
            pooler=_flag(shown, ours.get("pooler", "0")),
            connections=_count(shown, ours.get("connections", str(CONNECTIONS))),
        )

    @property
    def shown(self) -> str:
        """The address without its password."""
        return hidden(self.dsn)


def _flag(shown: str, text: str) -> bool:
    if text not in {"0", "1", "true", "false"}:
        raise StoreError(f"{shown}: pooler is {quoted(text)}; write pooler=1 or pooler=0")
    return text in {"1", "true"}


def _count(shown: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_CONNECTIONS:
        raise StoreError(f"{shown}: connections is {quoted(text)}; write a number from 1 to {MOST_CONNECTIONS}")
    return int(text)
