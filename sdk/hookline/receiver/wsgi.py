"""What Flask and Django have in common: the environment of a WSGI request (PEP 3333)."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

_RAW: Final = ("RAW_URI", "REQUEST_URI")
"""What servers call the target of the request line, as it came over the wire (gunicorn, uWSGI, Werkzeug)."""
_SAFE: Final = "/:@!$&'()*+,;=~-._"


def url_of(environ: Mapping[str, Any], charset: str = "latin-1") -> str:
    """The URL that was called, as near to what came over the wire as the server tells: some platforms sign it.

    Paths stand there decoded, in the `charset` that WSGI prescribes unless a framework has decoded them anew.
    """
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    host = str(environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}")
    raw = next((str(environ[name]) for name in _RAW if environ.get(name)), "")
    if raw.startswith("/"):
        return f"{scheme}://{host}{raw}"
    path = quote((str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))).encode(charset, "replace"), safe=_SAFE)
    query = str(environ.get("QUERY_STRING", ""))
    return f"{scheme}://{host}{path}" + (f"?{query}" if query else "")
