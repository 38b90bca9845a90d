"""`hookline event-types`, `backup`, `protos`, `version`, and the ways in which every command may fail."""

import json
import sqlite3
import subprocess

import pytest

from hookline_server.cli import run

from .conftest import COMMAND, process


def test_event_types_are_put_shown_listed_and_deleted(hookline, tmp_path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "required": ["amount"]}')
    put = hookline("event-types", "put", "cli.paid", "--description", "Paid.", "--schema", str(schema), "--enforce", "--json")
    assert put.code == 0
    assert (put.json["name"], put.json["enforce"]) == ("cli.paid", True)
    assert json.loads(put.json["schema"])["required"] == ["amount"]
    refused = hookline("emit", "cli.paid", "-d", "{}")
    assert refused.code == 2
    assert "amount" in refused.line
    assert "cli.paid" in hookline("event-types", "list").out
    assert "required" in hookline("event-types", "show", "cli.paid").out
    assert hookline("event-types", "put", "cli.paid", "--etag", "77").code == 4
    assert hookline("event-types", "delete", "cli.paid", "--json").json == {"deleted": "cli.paid"}
    assert hookline("event-types", "show", "cli.paid").code == 3


def test_a_backup_is_a_whole_store_and_never_overwrites(hookline, site, subscribed, tmp_path) -> None:
    target = tmp_path / "copy.db"
    made = hookline("backup", str(target), "--data-dir", str(site.store.parent), "--json")
    assert made.code == 0, made.err
    assert made.json["bytes"] == target.stat().st_size
    assert sqlite3.connect(target).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copied = hookline("subscriptions", "show", subscribed["id"], "--store", str(target), "--json")
    assert copied.json["id"] == subscribed["id"]
    again = hookline("backup", str(target), "--store", str(site.store))
    assert again.code == 1
    assert "exists" in again.line
    assert hookline("backup", str(target), "--data-dir", str(tmp_path / "nowhere")).code == 3


def test_a_store_is_worked_on_without_a_server(hookline, site, of_type) -> None:
    emitted = hookline("--store", str(site.store), "emit", of_type, "-d", "{}", "--json")
    assert emitted.code == 0
    assert hookline("deliveries", "list", "--event", emitted.json["event_id"], "--json").json["items"]
    missing = hookline("stats", "--store", "/nowhere/hookline.db")
    assert missing.code == 3
    assert "/nowhere/hookline.db" in missing.line


def test_protos_are_written(hookline, tmp_path) -> None:
    written = hookline("protos", str(tmp_path), "--json")
    assert written.code == 0
    assert (tmp_path / "hookline" / "v1" / "event_service.proto").is_file()
    assert str(tmp_path / "hookline" / "v1" / "event_service.proto") in written.json["files"]


def test_version(hookline) -> None:
    assert hookline("version", "--json").json.keys() == {"hookline", "python", "grpc"}
    assert hookline("version").out.startswith("hookline ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nonsense",), 2, "nonsense"),
        (("emit", "--nonsense"), 2, "--nonsense"),
        (("deliveries", "list", "--state", "odd"), 2, "--state"),
        (("deliveries", "list", "--limit", "0"), 2, "--limit"),
        (("subscriptions", "show"), 2, "SUBSCRIPTION"),
        (("stats", "--ca", "/nowhere.pem"), 2, "/nowhere.pem"),
        (("subscriptions", "test", "sub_none", "--server", "127.0.0.1:1"), 5, "127.0.0.1:1"),
        (("stats", "--tenant", "Not A Tenant"), 2, "tenant"),
        (("deliveries", "list", "--page-token", "x"), 2, "page_token"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code_that_means_something(hookline, arguments, code, said) -> None:
    wrong = hookline(*arguments)
    assert wrong.code == code
    assert said in wrong.line
    assert wrong.out == ""


def test_options_of_the_connection_stand_before_the_command_too(hookline, site) -> None:
    assert hookline("--server", "127.0.0.1:1", "stats", "--server", site.address).code == 0
    assert hookline("--json", "stats").json["pending"] >= 0


def test_the_help_documents_the_exit_codes(capsys) -> None:
    assert run(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "3 not found" in text
    assert "5 unavailable" in text


def test_shells_can_complete(capsys, monkeypatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))  # whatever these tests were started by
    assert run(["--show-completion"]) == 0
    assert "hookline" in capsys.readouterr().out


def test_a_closed_pipe_ends_a_command_quietly(hookline, site, of_type) -> None:
    for _ in range(3):
        hookline("emit", of_type, "-d", "{}")
    running = process("--server", site.address, "tail", "--cursor", "c1-0", "--json")
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    hookline("emit", of_type, "-d", "{}")
    assert running.stderr is not None
    assert running.stderr.read() == b""
    assert running.wait(60) == 141


def test_python_runs_the_module() -> None:
    done = subprocess.run([*COMMAND, "version"], capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"hookline ")
