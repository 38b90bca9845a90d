"""`hookline-conformance sender` and `api`: what ends them without a verdict."""

import pytest
from ports import lasting_port

from hookline_conformance.cli import main


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("HOOKLINE_CONFORMANCE_TOKEN", raising=False)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sender"], "name one target"),
        (["sender", "--hookline", "127.0.0.1:1", "--bridge", "127.0.0.1:2"], "name one target"),
        (["sender", "--hookline", "127.0.0.1"], "host:port"),
        (["sender", "--hookline", "127.0.0.1:99999"], "host:port"),
        (["sender", "--bridge", "http://127.0.0.1:80"], "--bridge"),
        (["sender", "--svix", "127.0.0.1:80"], "--svix"),
        (["sender", "--svix", "http://127.0.0.1:80"], "HOOKLINE_CONFORMANCE_TOKEN"),
        (["sender", "--convoy", "http://127.0.0.1:80", "--project", "p"], "HOOKLINE_CONFORMANCE_TOKEN"),
        (["sender", "--convoy", "http://127.0.0.1:80"], "--project"),
        (["sender", "--svix", "http://127.0.0.1:80", "--project", "p"], "--project belongs to --convoy"),
        (["sender", "--bridge", "127.0.0.1:1", "--delay", "5"], "--delay belongs to"),
        (["sender", "--outpost", "http://127.0.0.1:80"], "HOOKLINE_CONFORMANCE_TOKEN"),
        (["sender", "--hookline", "192.0.2.1:80"], "--allow-remote"),
        (["sender", "--svix", "https://api.example.com"], "--allow-remote"),
        (["sender", "--bridge", "127.0.0.1:1", "--restart-command", "x"], "--restart-command"),
        (["sender", "--hookline", "127.0.0.1:1", "--restart-command", "'"], "--restart-command"),
        (["sender", "--hookline", "127.0.0.1:1", "--ca", "/nowhere.pem"], "--ca"),
        (["sender", "--bridge", "127.0.0.1:1", "--safe"], "--safe: is of receivers"),
        (["api", "--hookline", "127.0.0.1:1", "--safe"], "--safe: is of receivers"),
        (["api", "--hookline", "127.0.0.1"], "host:port"),
        (["api", "--hookline", "example.com:443"], "--allow-remote"),
        (["api"], "--hookline"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_option_that_cannot_be_used_is_one_line_and_no_verdict(words, said, capsys):
    assert main(words) == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize("words", [["sender", "--hookline"], ["sender", "--bridge"], ["api", "--hookline"]], ids=" ".join)
def test_what_does_not_answer_is_one_line_and_no_verdict(words, capsys):
    port = lasting_port()
    assert main([*words, f"127.0.0.1:{port}", "--quick"]) == 2
    assert f"127.0.0.1:{port}" in one_line(capsys)


def test_a_token_is_shown_nowhere(monkeypatch, capsys):
    monkeypatch.setenv("HOOKLINE_CONFORMANCE_TOKEN", "tok_f00dcafe")
    port = lasting_port()
    assert main(["api", "--hookline", f"127.0.0.1:{port}"]) == 2
    assert "tok_f00dcafe" not in one_line(capsys)
