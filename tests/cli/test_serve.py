"""`hookline serve`, `receive` and `demo` as processes."""

import asyncio
import json
import os
import shlex
import signal
import socket
import sqlite3
from pathlib import Path

import pytest

from hookline_server.cli import run
from hookline_server.demo.processes import Child, serving_address

from .conftest import eventually, process


def start(folder: Path, *arguments: str, name: str = "server") -> tuple[Child, str]:
    child = Child(folder, name, "serve", "--dev", "--port", "0", "--log-format", "json", *arguments)
    return child, asyncio.run(child.ready(serving_address))


def lines(child: Child) -> list[dict]:
    return [json.loads(line) for line in child.err.read_text().splitlines()]


@pytest.mark.usefixtures("no_settings")
def test_sigterm_finishes_what_is_on_the_wire(tmp_path, monkeypatch, capfd) -> None:
    slow = Child(tmp_path, "slow", "receive", "--json", "--port", "0", "--delay", "1")
    server, address = start(tmp_path, "--data-dir", str(tmp_path / "data"), "--hints")
    try:
        from hookline_server.demo.processes import receiving_url

        url = asyncio.run(slow.ready(receiving_url))
        monkeypatch.setenv("HOOKLINE_SERVER", address)
        assert run(["subscriptions", "create", url]) == 0
        assert run(["emit", "a.b", "-d", "{}", "--id", "slow-one"]) == 0
        eventually(lambda: "slow-one" in slow.out.read_text())
        assert server.stop() == 0
    finally:
        server.stop()
        slow.stop()
    said = [line["event"] for line in lines(server) if line["logger"] == "hookline.server"]
    assert said == ["serving", "draining", "stopped"]
    serving = lines(server)[0]
    assert serving["address"] == address
    assert serving["store"] == str(tmp_path / "data" / "hookline.db")
    assert "hookline emit" in server.out.read_text()
    capfd.readouterr()
    assert run(["deliveries", "list", "--store", serving["store"], "--json"]) == 0
    (delivery,) = json.loads(capfd.readouterr().out)["items"]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert slow.out.read_text().count("slow-one") >= 1


@pytest.mark.usefixtures("no_settings")
def test_the_hints_say_how_to_send_the_first_event(tmp_path, capfd) -> None:
    server, address = start(tmp_path, "--data-dir", str(tmp_path / "data"), "--hints")
    try:
        hints = [shlex.split(line) for line in eventually(lambda: _commands(server))]
        assert [(program, name) for program, name, *_ in hints] == [
            ("hookline", "receive"), ("hookline", "subscriptions"), ("hookline", "emit"), ("hookline", "tail"),
        ]  # fmt: skip
        for _, *arguments in hints[1:3]:
            assert run(arguments) == 0
        capfd.readouterr()
        assert run(["stats", "--server", address, "--json"]) == 0
        counts = json.loads(capfd.readouterr().out)
        assert counts["pending"] + counts["delivered"] == 1
    finally:
        assert server.stop() == 0
    assert "serve --dev --hints\n" in (Path(__file__).parents[2] / "Makefile").read_text()  # whether on a terminal or not


def _commands(server: Child) -> list[str]:
    found = [line for line in server.out.read_text().splitlines() if line.startswith("  hookline ")]
    return found if len(found) == 4 else []


def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    running = process("serve", *arguments, env={**os.environ, **environment})
    _, err = running.communicate(timeout=60)
    (line,) = [line for line in err.decode().splitlines() if not line.startswith("{")]
    assert line.startswith("error: ")
    return running.returncode, line


def test_a_port_in_use_is_one_line(site, tmp_path) -> None:
    code, line = refused("--port", site.address.rpartition(":")[2], "--data-dir", str(tmp_path))
    assert code == 1
    assert "in use" in line
    assert "--port" in line


def test_what_keeps_a_server_from_listening_is_named_with_its_setting(tmp_path) -> None:
    import trustme

    authority = trustme.CA()
    for name in ("one", "two"):
        made = authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}-key.pem"))
        made.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    tls = ("--port", "0", "--data-dir", str(tmp_path), "--tls-cert", str(tmp_path / "one.pem"), "--tls-key")
    for arguments, said in (
        ((*tls, str(tmp_path / "two-key.pem")), "tls_key: "),
        ((*tls, str(tmp_path / "junk.pem")), "tls_key: "),
        (
            ("--host", "no-such-name.invalid", "--insecure", "--port", "0", "--data-dir", str(tmp_path)),
            "host: 'no-such-name.invalid'",
        ),
    ):
        code, line = refused(*arguments)
        assert code == 1
        assert said in line
        assert "in use" not in line


def test_a_second_server_on_the_same_data_works(site, hookline, subscribed, of_type, tmp_path) -> None:
    second, address = start(tmp_path, "--data-dir", str(site.store.parent), name="second")
    try:
        emitted = hookline("emit", of_type, "-d", "{}", "--server", address, "--json").json
        found = eventually(
            lambda: hookline("deliveries", "list", "--event", emitted["event_id"], "--state", "delivered", "--json").json["items"]
        )
        assert found[0]["subscription_id"] == subscribed["id"]
    finally:
        assert second.stop() == 0


def test_a_store_that_cannot_be_used_is_one_line(tmp_path) -> None:
    corrupt = tmp_path / "corrupt.db"
    corrupt.write_bytes(b"no database at all" * 100)
    code, line = refused("--store", str(corrupt), "--port", "0")
    assert code == 1
    assert "corrupt.db" in line
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("PRAGMA application_id = 1")
        connection.execute("CREATE TABLE theirs (x)")
    code, line = refused("--store", str(foreign), "--port", "0")
    assert code == 1
    assert "foreign.db" in line


def test_a_store_of_the_future_is_one_line(tmp_path) -> None:
    server, _ = start(tmp_path, "--data-dir", str(tmp_path))
    assert server.stop() == 0
    with sqlite3.connect(tmp_path / "hookline.db") as connection:
        connection.execute("PRAGMA user_version = 9999")
    code, line = refused("--data-dir", str(tmp_path), "--port", "0")
    assert code == 1
    assert "9999" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_line(tmp_path) -> None:
    tmp_path.chmod(0o500)
    try:
        code, line = refused("--data-dir", str(tmp_path), "--port", "0")
    finally:
        tmp_path.chmod(0o700)
    assert code == 1
    assert "hookline.db" in line


def test_settings_that_are_not_right_are_one_line(tmp_path, capfd) -> None:
    for arguments, said in (
        (("--host", "0.0.0.0"), "insecure"),
        (("--port", "70000"), "--port"),
        (("--log-level", "loud"), "--log-level"),
        (("--token", "short"), "token"),
        (("--config", str(tmp_path / "none.toml")), "none.toml"),
    ):
        capfd.readouterr()
        assert run(["serve", *arguments]) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert said in line


def test_a_second_signal_ends_at_once(tmp_path, monkeypatch) -> None:
    hanging = Child(tmp_path, "hanging", "receive", "--json", "--port", "0", "--delay", "300")
    from hookline_server.demo.processes import receiving_url

    url = asyncio.run(hanging.ready(receiving_url))
    data = ("--data-dir", str(tmp_path / "data"))
    running = process("serve", "--dev", "--port", "0", "--log-format", "json", "--drain-grace", "300", *data)
    try:
        assert running.stderr is not None
        address = serving_address(running.stderr.readline().decode())
        assert address
        monkeypatch.setenv("HOOKLINE_SERVER", address)
        assert run(["subscriptions", "create", url, "--attempt-timeout", "60s"]) == 0
        assert run(["emit", "a.b", "-d", "{}", "--id", "hanging-one"]) == 0
        eventually(lambda: "hanging-one" in hanging.out.read_text())
        running.send_signal(signal.SIGTERM)
        while b"draining" not in (line := running.stderr.readline()):
            assert line, "it ended without draining"
        running.send_signal(signal.SIGTERM)
        assert running.wait(40) == 130
    finally:
        running.kill()
        hanging.kill()


def test_the_receiver_refuses_what_is_not_signed(site, capfd) -> None:
    import httpx

    assert httpx.post(site.url, json={"type": "forged.event"}, timeout=60.0).status_code == 401
    records = [json.loads(line) for line in site.received.read_text().splitlines()]
    (record,) = [record for record in records if record["event_type"] == "forged.event"]
    assert (record["verified"], record["answer"]) == (False, "refused")
    assert run(["receive", "--port", site.url.rstrip("/").rpartition(":")[2]]) == 1
    assert "cannot listen" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demonstration_loses_nothing() -> None:
    running = process("demo", "--events", "200", "--rate", "200")
    out, err = running.communicate(timeout=280)
    assert running.returncode == 0, (out + err).decode()
    assert err == b""
    account = dict(
        line.split()[:2] for line in out.decode().splitlines() if line.startswith(("emitted  ", "delivered  ", "lost  "))
    )
    assert account == {"emitted": "200", "delivered": "200", "lost": "0"}


def test_tls_and_a_token_are_asked_for(tmp_path, capfd) -> None:
    import trustme

    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    token = "a-token-that-is-long-enough"
    server, address = start(
        tmp_path, "--data-dir", str(tmp_path), "--token", token, "--tls-cert", str(tmp_path / "cert.pem"), "--tls-key",
        str(tmp_path / "key.pem"),
    )  # fmt: skip
    reach = ("stats", "--server", address, "--ca", str(tmp_path / "ca.pem"))
    try:
        assert run([*reach, "--token", token]) == 0
        assert run(reach) == 1
        assert "no token" in capfd.readouterr().err
        assert run([*reach, "--token", "another-token-quite-as-long"]) == 1
        assert run(["stats", "--server", address, "--token", token, "--timeout", "1"]) == 5
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system has no SO_REUSEPORT")
@pytest.mark.usefixtures("no_settings")
def test_workers_share_the_port_and_one_that_dies_is_replaced(tmp_path, monkeypatch, capfd) -> None:
    receiver = Child(tmp_path, "receiver", "receive", "--json", "--port", "0")
    server, address = start(tmp_path, "--data-dir", str(tmp_path / "data"), "--workers", "2")

    def serving() -> list[int]:
        return [line["pid"] for line in lines(server) if line["event"] == "serving"]

    try:
        from hookline_server.demo.processes import receiving_url

        url = asyncio.run(receiver.ready(receiving_url))
        monkeypatch.setenv("HOOKLINE_SERVER", address)
        assert run(["subscriptions", "create", url]) == 0
        eventually(lambda: len(serving()) == 2)
        first = serving()[0]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(serving()) == 3)
        for number in range(10):
            assert run(["emit", "a.b", "-d", "{}", "--id", f"event-{number}"]) == 0
        eventually(lambda: all(f"event-{number}" in receiver.out.read_text() for number in range(10)))
        assert len({json.loads(line)["address"] for line in server.err.read_text().splitlines() if "address" in line}) == 1
        assert server.stop() == 0
    finally:
        server.stop()
        receiver.stop()
    assert [line["event"] for line in lines(server)].count("stopped") == 2
    for pid in serving():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    capfd.readouterr()


@pytest.mark.usefixtures("no_settings")
def test_workers_that_cannot_start_end_with_their_reason(tmp_path) -> None:
    (tmp_path / "data").write_text("a file, no folder")
    running = process("serve", "--workers", "2", "--port", "0", "--data-dir", str(tmp_path / "data"))
    _, err = running.communicate(timeout=60)
    assert running.returncode != 0
    assert b"error: " in err
