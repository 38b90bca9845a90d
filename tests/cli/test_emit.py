"""`hookline emit`."""

import io
import json
import os
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from ports import lasting_port

from hookline_server.demo.processes import Child, serving_address

from .conftest import eventually, process

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def stdin(monkeypatch):
    def give(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def arrived(site, webhook_id: str) -> list[dict]:
    return [record for line in site.received.read_text().splitlines() if (record := json.loads(line))["webhook_id"] == webhook_id]


def test_an_event_arrives_verified(hookline, site, of_type) -> None:
    emitted = hookline("emit", of_type, "--data", '{"amount": 12.50}', "--id", "one-event", "--json")
    assert emitted.code == 0
    assert emitted.json["event_id"] == "one-event"
    assert emitted.json["duplicate"] is False
    assert datetime.fromisoformat(emitted.json["accept_time"]).tzinfo is not None
    (record,) = eventually(lambda: arrived(site, "one-event"))
    assert record["verified"] is True
    assert '"data":{"amount": 12.50}' in record["body"]


def test_the_same_id_is_a_duplicate_and_other_content_a_conflict(hookline) -> None:
    assert hookline("emit", "a.b", "-d", "1", "--id", "twice").code == 0
    again = hookline("emit", "a.b", "-d", "1", "--id", "twice")
    assert again.code == 0
    assert "duplicate" in again.out
    other = hookline("emit", "a.b", "-d", "2", "--id", "twice")
    assert other.code == 4
    assert "twice" in other.line


def test_data_comes_from_standard_input_or_a_file(hookline, stdin, tmp_path) -> None:
    stdin(b'{"from": "stdin"}')
    assert hookline("emit", "a.b", "--id", "from-stdin").code == 0
    (tmp_path / "data.json").write_bytes(b'{"from": "file"}')
    assert hookline("emit", "a.b", "--id", "from-file", "--data", f"@{tmp_path}/data.json").code == 0
    missing = hookline("emit", "a.b", "--data", f"@{tmp_path}/nothing.json")
    assert missing.code == 2
    assert "nothing.json" in missing.line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a..b", "-d", "{}"), "type"),
        (("a.b", "-d", "{"), "data"),
        (("a.b", "-d", "{}", "--id", "a.b"), "id"),
        (("a.b", "-d", "{}", "--time", "yesterday"), "--time"),
        (("a.b", "-d", "{}", "--label", "x"), "--label"),
        (("-d", "{}"), "TYPE"),
        (("a.b", "-d", "{}", "--run", "x"), "--run"),
        (("--file", "/nowhere.ndjson"), "--file"),
    ],
)
def test_bad_input_is_one_line(hookline, arguments, said) -> None:
    refused = hookline("emit", *arguments)
    assert refused.code == 2
    assert said in refused.line


def test_a_file_is_emitted_line_by_line_with_exact_counts(hookline, tmp_path, site, of_type) -> None:
    file = tmp_path / "events.ndjson"
    lines = [json.dumps({"type": of_type, "data": {"n": n}}) for n in range(1_200)]
    lines[10] = '{"type": "a..b", "data": {}}'
    lines[500] = "not json"
    lines[501] = ""
    lines[900] = json.dumps({"type": of_type, "data": 1, "colour": "red"})
    lines[1_000] = json.dumps({"type": of_type, "data": 1, "id": "of-its-own"})
    lines[1_001] = f'{{"type": "{of_type}", "data": 12345678901234567890.10, "id": "a-number"}}'
    file.write_text("\n".join(lines))
    first = hookline("emit", "--file", str(file), "--json")
    assert first.code == 1
    assert [refusal["line"] for refusal in first.json["refused_lines"]] == [11, 501, 901]
    assert (first.json["accepted"], first.json["duplicates"], first.json["refused"]) == (1_196, 0, 3)
    assert first.json["complete"] is True
    assert "line 11: event.type" in first.err
    (record,) = eventually(lambda: arrived(site, "a-number"))
    assert '"data":12345678901234567890.10' in record["body"]

    lines[10] = lines[500] = json.dumps({"type": of_type, "data": "mended"})
    file.write_text("\n".join(lines))
    again = hookline("emit", "--file", str(file))
    assert again.code == 1
    assert "accepted 2, duplicates 1196, refused 1" in again.out
    assert "refused lines: 901" in again.out
    anew = hookline("emit", "--file", str(file), "--run", "another", "--json").json
    assert (anew["accepted"], anew["duplicates"]) == (1_196, 2)  # those with ids of their own stay duplicates


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "event: 'not json' is not JSON (invalid character (byte 1)); right is a JSON object"),
        ("[]", "event: '[]' is no object"),
        ('{"data": 1}', "event.type: is missing; right is text like invoice.paid"),
        ('{"type": 5, "data": 1}', "event.type: 5 is not right; right is text like invoice.paid"),
        ('{"type": "bad type", "data": 1}', "event.type: 'bad type'"),
        ('{"typ": "a.b"}', "event.typ: is not known; did you mean type?"),
        ('{"type": "a.b"}', "event.data: is missing"),
        ('{"type": "a.b", "data": 1, "data_base64": ""}', "event.data: stands beside data_base64"),
        ('{"type": "a.b", "data_base64": "!!"}', 'event.data_base64: "!!" is not right; right is base64'),
        ('{"type": "a.b", "data": 1, "time": "yesterday"}', 'event.time: "yesterday" is not right; right is RFC 3339'),
        ('{"type": "a.b", "data": 1, "labels": {"a": 1}}', 'event.labels: {"a": 1} is not right; right is an object'),
        ('{"type": "a.b", "data": {"note": "\\ud800"}}', r"event.data: has half a surrogate pair (\ud800 at byte 34)"),
        ('{"type": "a.b", "data": 1, "id": "\\udc00"}', r"event.id: has half a surrogate pair (\udc00 at byte 34)"),
        ('{"type": "a.b", "data": ' + "[" * 100_000 + "]" * 100_000 + "}", "event.data: is nested deeper than 512 levels"),
        ('{"type": "a.b", "subject": "' + "x" * 3000 + '"}' * 2, "event: "),
    ],
)
def test_a_refused_line_names_the_member_its_value_and_what_is_right(hookline, tmp_path, text, said) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"type": "a.b", "data": 1}\n' + text + '\n{"type": "a.b", "data": 2}\n')
    emitted = hookline("emit", "--file", str(file), "--json")
    assert emitted.code == 1
    assert (emitted.json["accepted"], emitted.json["refused"], emitted.json["complete"]) == (2, 1, True)
    (refusal,) = emitted.json["refused_lines"]
    assert refusal["line"] == 2
    assert said in refusal["message"]
    assert len(refusal["message"]) < 300


def test_refused_lines_are_told_in_their_order(hookline, tmp_path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"type": "a..b", "data": 1}\nnot json\n{"type": "a..b", "data": 1}\n')
    emitted = hookline("emit", "--file", str(file), "--json")
    assert [refusal["line"] for refusal in emitted.json["refused_lines"]] == [1, 2, 3]
    assert [line.split(":")[1] for line in emitted.err.splitlines()[:3]] == [" line 1", " line 2", " line 3"]


def test_what_ends_a_run_leaves_its_account(hookline, tmp_path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('not json\n{"type": "a.b", "data": 1}\n')
    ended = hookline("emit", "--file", str(file), "--json", "--tenant", "no such tenant")
    assert ended.code == 2
    assert (ended.json["complete"], ended.json["accepted"], ended.json["refused"]) == (False, 0, 1)
    assert "tenant" in ended.err
    assert "run the same command again" in ended.err


def test_a_file_that_was_interrupted_goes_on_and_emits_nothing_twice(hookline, site, tmp_path) -> None:
    file, half, rest = _many(tmp_path)
    total = len(half) + len(rest)
    run = ("--run", "interrupted", "--json")
    running = process("emit", "--file", "-", *run, stdin=subprocess.PIPE, env={**os.environ, "HOOKLINE_SERVER": site.address})
    assert running.stdin is not None
    running.stdin.writelines(half)
    assert eventually(lambda: any(item["type"] == "bulk.item" for item in _events(site)))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(b"".join(rest), timeout=60)
    assert running.returncode == 130, err
    assert b"Traceback" not in err
    before = json.loads(out)
    assert before["complete"] is False
    assert before["accepted"] < total
    after = hookline("emit", "--file", str(file), *run).json
    assert after["accepted"] + after["duplicates"] == total
    # What was on the wire at the interruption may have been accepted without our hearing of it.
    assert before["accepted"] <= after["duplicates"] <= before["accepted"] + 500


def _many(folder: Path) -> tuple[Path, list[bytes], list[bytes]]:
    """A file of many events, and the two halves of its lines: while the second is kept back, no run of them all is over."""
    lines = [f'{{"type":"bulk.item","data":{{"n":{n}}}}}\n'.encode() for n in range(30_000)]
    file = folder / "many.ndjson"
    file.write_bytes(b"".join(lines))
    return file, lines[:15_000], lines[15_000:]


def _events(site) -> list[dict]:
    import asyncio

    import hookline

    async def look() -> list[dict]:
        async with hookline.connect(site.address) as client:
            page = await client.events.list(page_size=10)
            return [{"type": event.type} for event in page.items]

    return asyncio.run(look())


def test_a_file_whose_server_went_away_goes_on_when_it_is_back(hookline, tmp_path) -> None:
    import asyncio

    file, half, rest = _many(tmp_path)
    total = len(half) + len(rest)
    port = str(lasting_port())
    serve = ("serve", "--data-dir", str(tmp_path), "--log-format", "json", "--port", port)
    run = ("--run", "gone", "--json")
    server = Child(tmp_path, "server", *serve)
    try:
        address = asyncio.run(server.ready(serving_address))
        running = process("emit", "--file", "-", *run, "--server", address, "--timeout", "5", stdin=subprocess.PIPE)
        assert running.stdin is not None
        running.stdin.writelines(half)
        eventually(lambda: (tmp_path / "hookline.db-wal").stat().st_size > 1_000_000)
        server.kill()
        out, err = running.communicate(b"".join(rest), timeout=60)
        assert running.returncode == 5
        assert b"run the same command again" in err
        before = json.loads(out)
        server = Child(tmp_path, "server", *serve)
        asyncio.run(server.ready(serving_address))
        after = hookline("emit", "--file", str(file), *run, "--server", address).json
    finally:
        server.stop()
    assert 0 < before["accepted"] < total
    assert after["accepted"] + after["duplicates"] == total
    assert before["accepted"] <= after["duplicates"] <= before["accepted"] + 500
