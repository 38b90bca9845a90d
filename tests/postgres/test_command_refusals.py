"""What an operator reads when the database cannot be used: one line that says what to do, and an exit code."""

import re

import pytest
from ports import free_port
from postgres.server import Server

from hookline.store.postgres import migrations
from hookline_server.cli import run


def refusal(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command and its one line."""
    capfd.readouterr()
    code = run(arguments)
    _, said = capfd.readouterr()
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    assert "secret" not in line
    return code, line


COMMANDS = pytest.mark.parametrize(
    "command", [["serve", "--port", "0", "--store"], ["migrate", "--store"]], ids=["serve", "migrate"]
)


@COMMANDS
@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://postgres:secret@127.0.0.1", 1, "names no database: write postgresql://user:password@host:5432/database"),
        ("postgresql://postgres:secret@127.0.0.1:x/db", 1, "is not the address of a database"),
        ("postgresql://postgres:secret@127.0.0.1/db?pooler=maybe", 1, "write pooler=1 or pooler=0"),
    ],
)
def test_a_wrong_url(command: list[str], url: str, code: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    exit_code, line = refusal([*command, url], capfd)
    assert said in line
    assert exit_code == code


@COMMANDS
def test_an_unreachable_host(command: list[str], shared: Server, capfd: pytest.CaptureFixture[str]) -> None:
    code, line = refusal([*command, shared.url("postgres", port=free_port())], capfd)
    assert re.search(r"cannot be reached \(.*\): check host and port, and that the server runs$", line)
    assert code == 1


@COMMANDS
def test_a_database_that_is_not_there(command: list[str], shared: Server, capfd: pytest.CaptureFixture[str]) -> None:
    code, line = refusal([*command, shared.url("nowhere")], capfd)
    assert "create it with `CREATE DATABASE`" in line
    assert code == 1


@COMMANDS
def test_missing_rights(command: list[str], shared: Server, capfd: pytest.CaptureFixture[str]) -> None:
    database = shared.empty_database()
    shared.sql(f"CREATE ROLE poor_{database} LOGIN")
    code, line = refusal([*command, shared.url(database, user=f"poor_{database}")], capfd)
    assert f'`GRANT CREATE ON DATABASE "{database}" TO "poor_{database}"`' in line
    assert code == 1


@COMMANDS
def test_a_server_that_is_too_old(
    command: list[str], shared: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    code, line = refusal([*command, shared.url(shared.empty_database())], capfd)
    assert "hookline needs 14 or newer" in line
    assert code == 1
