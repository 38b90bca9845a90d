"""What the command line says of what it cannot take: the option, the value, what would be right, and never a secret."""

import os

import pytest

from hookline_server.cli import run

from .conftest import process

LONG = "9" * 400


def refused(capfd, *arguments: str) -> str:
    capfd.readouterr()
    assert run(arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--port", "abc"), "--port: 'abc' is not right; right is a whole number"),
        (("--timeout", "soon", "stats"), "--timeout: 'soon' is not right; right is a number"),
        (("deliveries", "list", "--limit", "0"), "--limit: '0' is not right; right is 1 or more"),
        (("receive", "--port", "70000"), "--port: '70000' is not right; right is at most 65535"),
        (
            ("deliveries", "list", "--state", "lost"),
            "--state: 'lost' is not one of 'pending', 'delivered', 'exhausted', 'cancelled'",
        ),
        (("deliveries", "list", "--limit"), "option '--limit' requires an argument"),
        (("emit", "a.b", "-d", "1", "--time", "99999999h"), "--time: '99999999h' is too long"),
        (("emit", "a.b", "-d", "1", "--time", "9000000d"), "--time: '9000000d' is too long"),
        (("emit", "a.b", "-d", "1", "--time", "3000000d"), "--time: '3000000d' away is no year from 1 to 9999"),
        (("emit", "a.b", "-d", "1", "--not-before", f"{LONG}h"), "--not-before: '999"),
        (("emit", "a.b", "-d", "1", "--time", "0001-01-01T00:00:00+14:00"), "--time: '0001-01-01T00:00:00+14:00' is no time"),
    ],
)
def test_a_value_that_is_not_right_is_shown_with_what_would_be(capfd, arguments, said) -> None:
    line = refused(capfd, *arguments)
    assert line.startswith(said)
    assert "Input should" not in line


@pytest.mark.parametrize(
    "store",
    [
        "postgres://u:SECRETPW@db.example/x",
        "postgresql://u:SECRETPW@with@db.example/x",
        "postgres:u:SECRETPW@db.example/x",
        "postgresql://db.example/x?user=u&password=SECRETPW",
        "mysql://u:SECRETPW@db.example/x",
    ],
)
def test_a_store_that_is_no_file_is_refused_without_its_password(capfd, store) -> None:
    line = refused(capfd, "deliveries", "list", "--store", store)
    assert line.startswith(f"--store: {store.partition(':')[0]}")
    assert "db.example" in line
    assert "SECRETPW" not in line
    assert "--server" in line


def test_a_file_of_authorities_that_holds_none_is_refused(capfd, tmp_path) -> None:
    junk = tmp_path / "junk.pem"
    for text in (b"junk", b"", b"\xff\x00"):
        junk.write_bytes(text)
        assert refused(capfd, "stats", "--ca", str(junk)).startswith(f"--ca: {junk} holds no certificate")
    assert refused(capfd, "stats", "--ca", str(tmp_path / "none.pem")).startswith("--ca: cannot read")


def test_an_output_that_takes_no_utf_8_is_no_fault(hookline, site) -> None:
    reach = ("--server", site.address, "--tenant", "words")
    made = hookline(
        "subscriptions", "create", "https://example.com/", "--description", "Zahlungen für Köln →", "--json", *reach
    ).json
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = process("subscriptions", "show", made["id"], *reach, env=plain)
    out, err = shown.communicate(timeout=60)
    assert (shown.returncode, err) == (0, b"")
    assert b"Zahlungen f?r K?ln" in out
    as_json = process("subscriptions", "show", made["id"], *reach, "--json", env=plain)
    out, err = as_json.communicate(timeout=60)
    assert (as_json.returncode, err) == (0, b"")
    assert b"f\\u00fcr K\\u00f6ln" in out
