"""`hookline-conformance receiver`, as people run it."""

import json
import shlex
import sys
from xml.etree import ElementTree as ET

import pytest
from conformance.cli.receiving import SECRET, receiving
from ports import lasting_port

from hookline_conformance.cli import main

OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("HOOKLINE_CONFORMANCE_SECRET", SECRET)
    monkeypatch.setenv("COLUMNS", "200")


def receiver(url: str, *words: str) -> int:
    return main(["receiver", "--url", url, "--scheme", "standard", "--quick", *words])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


def test_a_receiver_that_verifies_conforms_and_the_exit_code_is_0(capsys):
    with receiving() as app:
        assert receiver(app.url, "--effects-url", app.effects_url, "--only", "SIG-003", "--only", "SIG-001") == 0
    assert capsys.readouterr().out.rstrip().endswith("Conforms")


def test_a_receiver_that_takes_anything_fails_with_exit_code_1_and_every_report_says_so(tmp_path, capsys):
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "markdown", "html", "badge")}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    with receiving(verifies=False) as app:
        assert receiver(app.url, "--effects-url", app.effects_url, "--area", "sig", *words) == 1
    out = capsys.readouterr().out
    assert "Does not conform" in out
    document = json.loads(files["json"].read_text())
    assert document["exit_code"] == 1
    assert int(ET.parse(files["junit"]).find("testsuite").get("failures")) == document["summary"]["MUST"]["failed"]
    for text in (out, *(path.read_text() for path in files.values())):
        assert SECRET not in text
        assert SECRET.removeprefix("whsec_") not in text


def test_the_command_of_a_failure_repeats_just_this_failure(tmp_path, capsys):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    with receiving(verifies=False) as app:
        assert receiver(app.url, "--effects-url", app.effects_url, "--area", "SIG", "--seed", "5", "--json", str(first)) == 1
        failed = next(item for item in json.loads(first.read_text())["verdicts"] if item["standing"] == "failed")
        program, *words = shlex.split(failed["repeat"])
        assert program == "hookline-conformance"
        assert main([*words, "--json", str(second)]) == 1
    (again,) = json.loads(second.read_text())["verdicts"]
    told = ("status", "check", "expected", "got")
    assert {name: again[name] for name in told} == {name: failed[name] for name in told}


def test_a_declared_failure_does_not_count(tmp_path, capsys):
    with receiving(verifies=False) as app:
        assert receiver(app.url, "--only", "SIG-003") == 1
        known = tmp_path / "known.toml"
        known.write_text('[[failure]]\nrequirement = "SIG-003"\nreason = "it verifies nothing"\n')
        assert receiver(app.url, "--only", "SIG-003", "--known", str(known)) == 0
    assert "it verifies nothing" in capsys.readouterr().out


def test_a_declared_failure_that_passes_is_reported(tmp_path, capsys):
    known = tmp_path / "known.toml"
    known.write_text('[[failure]]\nrequirement = "SIG-003"\nreason = "it verifies nothing"\n')
    with receiving() as app:
        assert receiver(app.url, "--only", "SIG-003", "--known", str(known)) == 0
    assert "SIG-003 is declared as failing, and it passed: it verifies nothing" in capsys.readouterr().out


def test_without_an_effects_probe_what_needs_one_is_not_checked(tmp_path, capsys):
    path = tmp_path / "report.json"
    with receiving() as app:
        receiver(app.url, "--area", "IDM", "--json", str(path))
    standings = {item["requirement"]["id"]: item["standing"] for item in json.loads(path.read_text())["verdicts"]}
    assert "not-checked" in standings.values()
    assert "effects cannot be seen" in capsys.readouterr().out


def test_effects_can_be_read_by_a_command(capsys):
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    with receiving() as app:
        command = shlex.join([sys.executable, "-c", fetch, app.effects_url])
        assert receiver(app.url, "--effects-command", command, "--only", "SIG-001") == 0


def test_a_target_that_does_not_answer_is_one_line_and_no_verdict(capsys):
    port = lasting_port()
    assert receiver(f"http://127.0.0.1:{port}/hooks") == 2
    assert "does not answer" in one_line(capsys)


def test_a_report_of_a_run_without_a_verdict_holds_the_reason_and_no_verdicts(tmp_path, capsys):
    path = tmp_path / "report.json"
    with receiving(probe=b"no json") as app:
        assert receiver(app.url, "--effects-url", app.effects_url, "--json", str(path)) == 2
    document = json.loads(path.read_text())
    assert (document["exit_code"], document["verdicts"]) == (2, [])
    assert "effects probe" in document["no_verdict"]


@pytest.mark.parametrize(
    "probe",
    [
        b"no json",
        b"{}",
        b'{"effects": {"a": -1}, "total": 0}',
        b'{"effects": {"a": 2}, "total": 1}',
        b'{"effects": [], "total": 0}',
    ],
)
def test_an_effects_probe_that_errs_is_one_line_and_no_verdict(probe, capsys):
    with receiving(probe=probe) as app:
        assert receiver(app.url, "--effects-url", app.effects_url) == 2
    assert "the effects probe" in one_line(capsys)


@pytest.mark.parametrize("command", ["false", "/nowhere/at/all", "echo nothing"])
def test_an_effects_command_that_errs_is_one_line_and_no_verdict(command, capsys):
    with receiving() as app:
        assert receiver(app.url, "--effects-command", command) == 2
    assert "the effects probe" in one_line(capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--secret", "whsec_short!"], "--secret"),
        (["--secret", " "], "--secret"),
        (["--retired-secret", "nonsense"], "--retired-secret"),
        (["--only", "SIG-999"], "SIG-999"),
        (["--area", "XYZ"], "XYZ"),
        (["--level", "PERHAPS"], "--level"),
        (["--thorough"], "--quick and --thorough"),
        (["--effects-url", "ftp://127.0.0.1/"], "--effects-url"),
        (["--effects-url", "http://127.0.0.1/", "--effects-command", "true"], "give one of them"),
        (["--effects-command", "'"], "--effects-command"),
        (["--restart-command", ""], "--restart-command"),
        (["--known", "/nowhere.toml"], "/nowhere.toml"),
        (["--json", "/nowhere/report.json"], "--json"),
        (["--html", "/"], "--html"),
        (["--parameter", "algorithm=sha1"], "--scheme standard"),
        (["--parameter", "algorithm"], "NAME=VALUE"),
        (["--ca", "ca.pem"], "--ca"),
        (["--rate", "1000"], "--rate"),
        (["--seed", "minus"], "--seed"),
        (["--no-such-option"], "--no-such-option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_option_that_cannot_be_used_is_one_line_and_no_verdict(words, said, capsys):
    assert receiver("http://127.0.0.1:9/hooks", *words) == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8000", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://u:p@127.0.0.1/", "http://127.0.0.1/#x"],
)
def test_a_url_that_cannot_be_used_is_one_line_and_no_verdict(url, capsys):
    assert receiver(url) == 2
    assert "--url" in one_line(capsys)


def test_a_secret_that_is_missing_is_one_line_and_no_verdict(monkeypatch, capsys):
    monkeypatch.delenv("HOOKLINE_CONFORMANCE_SECRET")
    assert receiver("http://127.0.0.1:9/hooks") == 2
    assert "HOOKLINE_CONFORMANCE_SECRET" in one_line(capsys)


def test_a_secret_of_the_wrong_form_is_not_shown(capsys):
    assert receiver("http://127.0.0.1:9/hooks", "--secret", "not-a-secret-of-this-form") == 2
    assert "not-a-secret-of-this-form" not in one_line(capsys)


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "localhost.example.com", "[2001:db8::1]"])
def test_another_machine_is_not_called_unless_told_so(host, capsys):
    assert receiver(f"http://{host}/hooks") == 2
    assert "--allow-remote" in one_line(capsys)


def test_an_unknown_scheme_is_one_line_that_names_those_there_are(capsys):
    assert main(["receiver", "--url", "http://127.0.0.1:9/", "--scheme", "carrier-pigeon"]) == 2
    assert "stripe" in one_line(capsys)
