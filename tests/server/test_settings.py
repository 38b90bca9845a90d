"""Settings: flags over environment over file over defaults, and one clear line for each mistake."""

import asyncio
import os
from inspect import signature
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline_server.cli import run
from hookline_server.cli.serve import serve
from hookline_server.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in tuple(os.environ):
        if name.startswith("HOOKLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(**flags: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        Settings.load(**flags)  # type: ignore[arg-type]  # any flag
    return refused.value.lines


def test_flags_win_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hookline.toml").write_text('port = 1000\nnode_concurrency = 7\nlog_level = "debug"\n')
    monkeypatch.setenv("HOOKLINE_PORT", "2000")
    monkeypatch.setenv("HOOKLINE_LOG_LEVEL", "error")
    settings = Settings.load(port=3000, host=None)
    assert (settings.port, settings.log_level, settings.node_concurrency, settings.host) == (3000, "error", 7, "127.0.0.1")


def test_the_file_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("hookline.toml").write_text("port = 1000\n")
    (tmp_path / "other.toml").write_text("port = 1001\n")
    assert Settings.load(tmp_path / "other.toml").port == 1001
    monkeypatch.setenv("HOOKLINE_CONFIG", str(tmp_path / "other.toml"))
    assert Settings.load().port == 1001


def test_unknown_names_are_refused_with_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hookline.toml").write_text("prot = 1000\n")
    monkeypatch.setenv("HOOKLINE_DATADIR", "/tmp")
    lines = refusal()
    assert "hookline.toml: 'prot' is no setting; did you mean port?" in lines
    assert "environment: 'HOOKLINE_DATADIR' is no setting; did you mean HOOKLINE_DATA_DIR?" in lines


def test_a_wrong_value_is_one_line_with_field_value_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hookline.toml").write_text('log_level = "loud"\n')
    monkeypatch.setenv("HOOKLINE_DRAIN_GRACE", "-1")
    assert set(refusal(port=70_000)) == {
        "--port: is 70000; right is a port from 0 (chosen by the system) to 65535",
        "HOOKLINE_DRAIN_GRACE: is '-1'; right is 0 to 600 seconds",
        "hookline.toml: log_level: is 'loud'; right is debug, info, warning or error",
    }


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    Path("hookline.toml").write_text("port = = 1\n")
    assert refusal()[0].startswith("hookline.toml: is no TOML: ")
    Path("hookline.toml").write_bytes(b"\xff")
    assert refusal() == ("hookline.toml: is not UTF-8, so it is no TOML",)
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(tmp_path / "missing.toml")


def test_beyond_loopback_it_asks_for_tls_and_a_token() -> None:
    (line,) = refusal(host="0.0.0.0")  # the address is what is refused
    assert line.startswith("host: is '0.0.0.0', which others can reach: set tls_cert and tls_key and token")
    (line,) = refusal(host="0.0.0.0", tls_cert="a.pem", tls_key="b.pem")  # the address is what is refused
    assert "set token," in line
    assert not Settings.load(host="::", insecure=True).is_loopback
    assert Settings.load(host="::1").is_loopback
    assert refusal(tls_cert="a.pem") == ("tls_cert and tls_key belong together: set both, or neither",)


def test_the_token_is_never_shown() -> None:
    (line,) = refusal(token="short")
    assert line == "token: is not right; right is what callers are to send, of at least 16 visible ASCII characters"
    assert "s3cret" not in repr(Settings.load(token="s3cret-s3cret-s3cret"))
    assert "s3cret" not in "".join(refusal(token=["s3cret-s3cret-s3cret"]))


def test_every_setting_has_its_flag_and_its_line_in_the_documentation() -> None:
    flags = signature(serve).parameters.keys() - {"config", "hints", "share_port"}  # which are none of the server's settings
    assert flags == Settings.model_fields.keys()
    for name in flags:
        (option,) = signature(serve).parameters[name].annotation.__metadata__
        assert (option.default, *option.param_decls) == (f"--{name.replace('_', '-')}",)  # typer takes the first for a default
    table = (Path(__file__).parents[2] / "docs" / "operations.md").read_text().partition("\n## TLS")[0]
    assert [name for name in Settings.model_fields if f"`{name}`" not in table] == []


def test_flags_are_taken_as_what_they_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr("hookline_server.cli.serve._run", lambda coroutine: coroutine.close())
    monkeypatch.setattr("hookline_server.cli.serve.logging.configure", lambda *_: None)
    monkeypatch.setattr("hookline_server.cli.serve._serve", lambda settings, **_: seen.append(settings) or asyncio.sleep(0))
    given = ("--tenant-weights", "acme=3", "--tenant-weights", "globex=2", "--idempotency-days", "7", "--call-timeout", "30")
    assert run(["serve", *given, "--max-connections", "9", "--keepalive", "5"]) == 0
    (settings,) = seen
    assert settings.tenant_weights == {"acme": 3, "globex": 2}
    assert (settings.idempotency_days, settings.call_timeout, settings.max_connections, settings.keepalive) == (7, 30, 9, 5)


def test_data_stands_where_the_xdg_specification_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Settings.load().store_url == str(tmp_path / "hookline" / "hookline.db")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert Settings.load().data_dir == Path.home() / ".local" / "share" / "hookline"
    assert Settings.load(store="memory:").store_url == "memory:"


@given(
    st.dictionaries(
        st.sampled_from(sorted(Settings.model_fields)), st.none() | st.integers() | st.floats() | st.text() | st.booleans()
    )
)
def test_any_flags_are_taken_or_refused_line_by_line(flags: dict[str, object]) -> None:
    try:
        Settings.load(**flags)  # type: ignore[arg-type]  # any flag
    except SettingsError as error:
        lines = error.lines
    else:
        lines = ()
    assert all(line and "\n" not in line for line in lines)
