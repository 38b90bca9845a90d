"""Everything that can be set of the server: one model, four places.

A value comes from the first of these that has it: the flag, the environment (`HOOKLINE_` and the
field's name in capitals), the TOML file (the flag `--config`, `HOOKLINE_CONFIG`, or `./hookline.toml`
if it is there), the default. A name that is not known is refused in all of them.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as NotDecoded

from hookline.errors import HooklineError, quoted
from hookline_server.nearest import nearest

PREFIX: Final = "HOOKLINE_"
CONFIG: Final = "HOOKLINE_CONFIG"
"""Names the TOML file."""
CALLER_NAMES: Final = frozenset(f"{PREFIX}{name}" for name in ("SERVER", "TENANT", "TIMEOUT", "CA", "SECRET"))
"""Read by the commands that call a server; they may stand in the same environment."""
DEFAULT_FILE: Final = Path("hookline.toml")
KIB: Final = 1024
MIB: Final = 1024 * KIB
_TOKEN: Final = "what callers are to send, of at least 16 visible ASCII characters"


class SettingsError(HooklineError):
    """A setting is wrong; `lines` says of each which one, its value, and what would be right."""

    reason = "SETTINGS"

    def __init__(self, lines: Iterable[str]) -> None:
        """Refuse the settings for these reasons, one line each."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def default_data_dir() -> Path:
    """Where data belongs by the XDG Base Directory Specification: `~/.local/share/hookline`, unless it is elsewhere."""
    base = os.environ.get("XDG_DATA_HOME", "")
    # The specification: a path that is not absolute is to be ignored.
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "hookline"


class Settings(BaseSettings):
    """The settings of the server; `Settings.load` reads them. A field's description is what would be right."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on")
    port: int = Field(default=50051, ge=0, le=65_535, description="a port from 0 (chosen by the system) to 65535")
    data_dir: Path = Field(default_factory=default_data_dir, description="a folder that this user may write")
    store: str = Field(default="", description="where events are kept; empty for a SQLite file in data_dir")
    outbox: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description=f"SQLite files with the table hookline_outbox, as a list or with {os.pathsep!r} between them"
    )
    token: SecretStr = Field(default=SecretStr(""), description=_TOKEN)
    tls_cert: Path | None = Field(default=None, description="a PEM file with the certificate chain")
    tls_key: Path | None = Field(default=None, description="a PEM file with the private key of tls_cert")
    insecure: bool = Field(default=False, description="true to listen beyond loopback without TLS or without a token")
    dev: bool = Field(default=False, description="true to deliver over http to loopback, for development")
    max_data_bytes: int = Field(default=256 * KIB, ge=1, le=2 * MIB, description="1 to 2097152 bytes of data an event")
    max_message_bytes: int = Field(default=4 * MIB, ge=4 * MIB, le=64 * MIB, description="4194304 to 67108864 bytes a gRPC message")
    max_concurrent_streams: int = Field(default=1_000, ge=1, le=100_000, description="1 to 100000 calls at once a connection")
    max_connections: int = Field(
        default=0, ge=0, le=1_000_000, description="1 to 1000000 connections at once, or 0 for what file descriptors allow for"
    )
    workers: int = Field(default=1, ge=1, le=256, description="1 to 256 processes that share the port and the store")
    max_concurrent_calls: int = Field(default=10_000, ge=1, le=1_000_000, description="1 to 1000000 calls at once in all")
    call_timeout: float = Field(default=120.0, ge=1, le=3_600, description="1 to 3600 seconds a call (streams have none)")
    keepalive: float = Field(
        default=60.0, ge=1, le=86_400, description="1 to 86400 seconds of silence before a connection is asked"
    )
    max_connection_age: float = Field(default=0.0, ge=0, le=31_536_000, description="0 (for ever) to 31536000 seconds a connection")
    max_connection_idle: float = Field(
        default=0.0, ge=0, le=31_536_000, description="0 (for ever) to 31536000 seconds without a call"
    )
    disk_margin_mb: int = Field(
        default=64, ge=0, le=1_048_576, description="0 to 1048576 MiB that stay free on the disk of the store"
    )
    tenant_weights: dict[str, Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=dict, description="a table of tenants with their weights, 1 to 100 ({acme = 3}; JSON in the environment)"
    )
    operator_tenant: str = Field(
        default="", pattern="^([a-z0-9_-]{1,64})?$", description="a tenant (1 to 64 of a-z, 0-9, _ and -), or nothing"
    )
    node_concurrency: int = Field(default=512, ge=1, le=100_000, description="1 to 100000 requests to receivers at once")
    retention_days: float = Field(default=14.0, gt=0, le=3_650, description="more than 0 and up to 3650 days")
    idempotency_days: float = Field(
        default=30.0, ge=1, le=3_650, description="1 to 3650 days for which ids and idempotency keys are remembered at least"
    )
    drain_grace: float = Field(default=10.0, ge=0, le=600, description="0 to 600 seconds")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="debug, info, warning or error")
    log_format: Literal["auto", "json", "text"] = Field(default="auto", description="auto (text on a terminal), json or text")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file; no .env file and no folder of secrets."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, config: Path | None = None, **flags: object) -> Self:
        """Read the settings; flags that are None were not given. Raises SettingsError."""
        given = {name: value for name, value in flags.items() if value is not None}
        path = _config_file(config)
        stated = {} if path is None else _read_toml(path)
        problems = [_unknown(f"{path}: ", key, cls.model_fields) for key in stated if key not in cls.model_fields]
        names = {PREFIX + field.upper(): field for field in cls.model_fields}
        known = names.keys() | CALLER_NAMES | {CONFIG}
        problems += [
            _unknown("environment: ", name, known) for name in sorted(os.environ) if name.startswith(PREFIX) and name not in known
        ]
        if problems:
            raise SettingsError(problems)

        class Configured(cls):  # type: ignore[valid-type, misc]  # the file's name is known at run time only
            model_config = SettingsConfigDict(toml_file=path)

        try:
            settings: Self = Configured(**given)
        except ValidationError as error:
            raise SettingsError(_line(cls, problem, given, stated, path) for problem in error.errors()) from None
        except NotDecoded as error:
            raise SettingsError([f"environment: {error}; right is JSON"]) from error
        return settings

    @field_validator("outbox", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both, or neither")
        token = self.token.get_secret_value()
        if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
            raise ValueError(f"token: is not right; right is {_TOKEN}")
        if self.is_loopback or self.insecure:
            return self
        missing = [
            what for what, there in (("tls_cert and tls_key", self.tls_cert is not None), ("token", bool(token))) if not there
        ]
        if missing:
            raise ValueError(
                f"host: is {quoted(self.host)}, which others can reach: set {' and '.join(missing)}, "
                "or insecure if something in front of the server takes care of that"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def store_url(self) -> str:
        """What to open: `store`, or the SQLite file in `data_dir`."""
        return self.store or str(self.data_dir / "hookline.db")


def _config_file(config: Path | None) -> Path | None:
    named = config or (Path(os.environ[CONFIG]) if os.environ.get(CONFIG) else None)
    if named is not None:
        return named
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror}); name a file that this user may read"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8, so it is no TOML"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is no TOML: {error}"]) from error


def _unknown(place: str, name: str, known: Iterable[str]) -> str:
    return f"{place}{quoted(name)} is no setting; {nearest(name, sorted(known))}"


def _line(
    cls: type[Settings], problem: Mapping[str, Any], given: Mapping[str, object], stated: Mapping[str, object], path: Path | None
) -> str:
    """One line: the setting by the name under which it was set, its value, what would be right."""
    place = [str(part) for part in problem["loc"]]
    if not place:
        return str(problem["msg"]).removeprefix("Value error, ")
    field = place[0]
    if field in given:
        name = f"--{field.replace('_', '-')}"
    elif field in stated and PREFIX + field.upper() not in os.environ:
        name = f"{path}: {field}"
    else:
        name = PREFIX + field.upper()
    info = cls.model_fields.get(field)
    if info is None:
        return _unknown("", name, cls.model_fields)
    shown = "is not right" if field == "token" else f"is {quoted(problem['input'])}"
    return f"{name}: {shown}; right is {info.description}"
