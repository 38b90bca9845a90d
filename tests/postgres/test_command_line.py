"""`hookline migrate`: by itself, or as SQL for a DBA."""

import json

import pytest
from postgres.server import Server
from typer.testing import CliRunner

from hookline.store.postgres import VERSION, print_migrations
from hookline_server.cli.root import app

run = CliRunner().invoke


def test_migrate_makes_the_schema_once(shared: Server) -> None:
    url = shared.url(shared.empty_database())
    first = run(app, ["migrate", "--store", url, "--json"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["migrations"] == list(range(1, VERSION + 1))
    assert "already" in run(app, ["migrate", "--store", url]).stdout


def test_print_prints_what_is_missing_and_changes_nothing(shared: Server) -> None:
    url = shared.url(shared.empty_database())
    assert run(app, ["migrate", "--print", "--store", url]).stdout == print_migrations()
    assert run(app, ["migrate", "--print", "--store", url]).stdout == print_migrations()
    assert run(app, ["migrate", "--print", "--store", shared.url(shared.database())]).stdout == ""


def test_print_from_a_version_asks_no_database() -> None:
    assert run(app, ["migrate", "--print", "--from", "0"]).stdout == print_migrations()


@pytest.mark.parametrize("arguments", [["--from", "0"], ["--store", "/tmp/x.db"]])
def test_what_cannot_be_migrated_is_refused(arguments: list[str]) -> None:
    assert run(app, ["migrate", *arguments]).exit_code != 0
