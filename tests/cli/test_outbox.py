"""`hookline serve --outbox`: an SQLite file of the application's own, emptied by the server."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hookline import EventSpec, outbox
from hookline_server.settings import Settings, SettingsError

from .conftest import eventually
from .test_serve import refused, start


def shop(folder: Path, name: str = "shop.db") -> Path:
    """An application's file with the table."""
    path = folder / name
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(outbox.SCHEMA)
        connection.commit()
    return path


def order(path: Path, event_id: str) -> None:
    """A transaction of the application's."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(*outbox.statement(EventSpec(type="order.placed", data=b"{}", id=event_id), "sqlite3"))


@pytest.mark.usefixtures("no_settings")
def test_what_commits_to_any_of_the_files_is_accepted(hookline, tmp_path) -> None:
    first, second = shop(tmp_path), shop(tmp_path, "other.db")
    server, address = start(tmp_path, "--data-dir", str(tmp_path / "data"), "--outbox", str(first), "--outbox", str(second))
    try:
        assert hookline("subscriptions", "create", "http://127.0.0.1:1/", "--server", address).code == 0
        order(first, "one")
        order(second, "other")

        def accepted() -> set[str]:
            return {one["event_id"] for one in hookline("deliveries", "list", "--server", address, "--json").json["items"]}

        assert eventually(lambda: accepted() if len(accepted()) == 2 else None) == {"one", "other"}
    finally:
        assert server.stop() == 0


@pytest.mark.usefixtures("no_settings")
def test_a_file_that_is_not_there_or_has_no_table_or_is_no_database_is_one_line(tmp_path) -> None:
    empty, text = tmp_path / "empty.db", tmp_path / "notes.txt"
    sqlite3.connect(empty).close()
    text.write_text("no database at all, but long enough to be taken for one by its size alone\n" * 20)
    for path, why in ((tmp_path / "none.db", "is not there"), (empty, "no such table"), (text, "not a database")):
        for arguments in ((), ("--workers", "2")):
            code, line = refused("--port", "0", "--data-dir", str(tmp_path / "data"), "--outbox", str(path), *arguments)
            assert code == 1
            assert str(path) in line
            assert why in line


@pytest.mark.usefixtures("no_settings")
def test_they_are_named_in_the_environment_and_in_the_file_as_well(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOOKLINE_OUTBOX", os.pathsep.join(("a.db", "b.db")))
    assert Settings.load().outbox == (Path("a.db"), Path("b.db"))
    monkeypatch.delenv("HOOKLINE_OUTBOX")
    file = tmp_path / "hookline.toml"
    file.write_text('outbox = ["c.db"]\n')
    assert Settings.load(file).outbox == (Path("c.db"),)
    assert Settings.load(file, outbox=(Path("d.db"),)).outbox == (Path("d.db"),)
    file.write_text("outbox = 7\n")
    with pytest.raises(SettingsError, match="outbox: is 7; right is SQLite files"):
        Settings.load(file)
    monkeypatch.setenv("HOOKLINE_TENANT_WEIGHTS", "acme: 3")
    with pytest.raises(SettingsError, match=r"tenant_weights.*right is JSON"):
        Settings.load()
