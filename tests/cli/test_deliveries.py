"""`hookline deliveries`, `tail`, `stats` and `replay`."""

import asyncio
import json
import os
import signal

from ports import lasting_port

from hookline_server.demo.processes import Child, serving_address

from .conftest import eventually, process

DELIVERY = {
    "tenant", "id", "event_id", "event_type", "subscription_id", "webhook_id", "state", "reason", "run", "attempts", "create_time",
    "next_attempt_time", "finish_time", "hold", "replay_id",
}  # fmt: skip


def deliveries(hookline, *options: str) -> list[dict]:
    return hookline("deliveries", "list", "--json", *options).json["items"]


def test_a_delivery_is_listed_and_shown_with_its_attempts(hookline, subscribed, of_type) -> None:
    hookline("emit", of_type, "-d", "{}")
    (found,) = eventually(lambda: deliveries(hookline, "--subscription", subscribed["id"], "--state", "delivered"))
    assert found.keys() == DELIVERY
    shown = hookline("deliveries", "show", found["id"], "--json").json
    assert shown["delivery"] == found
    assert [attempt["status"] for attempt in shown["attempts"]] == [200]
    assert shown["attempts"][0]["answer"] == "taken\n"
    text = hookline("deliveries", "show", found["id"]).out
    assert "delivered" in text
    assert "200" in text
    assert found["id"] in hookline("deliveries", "list", "--from", "1h").out


def test_a_hold_is_said_in_words_with_what_would_release_it(hookline, subscribed, of_type) -> None:
    hookline("subscriptions", "pause", subscribed["id"])
    hookline("emit", of_type, "-d", "{}")
    (held,) = eventually(lambda: deliveries(hookline, "--subscription", subscribed["id"], "--state", "pending"))
    assert held["hold"]["kind"] == "paused"
    text = hookline("deliveries", "show", held["id"]).out
    assert f"hookline subscriptions resume {subscribed['id']}" in text
    cancelled = hookline("deliveries", "cancel", held["id"], "--reason", "not needed", "--json").json
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "not needed")


def test_retry_runs_again_and_names_each_that_it_cannot(hookline, subscribed, of_type) -> None:
    hookline("emit", of_type, "-d", "{}")
    (found,) = eventually(lambda: deliveries(hookline, "--subscription", subscribed["id"], "--state", "delivered"))
    assert hookline("deliveries", "retry", found["id"], "--json").json["run"] == 2
    eventually(lambda: len(hookline("deliveries", "show", found["id"], "--json").json["attempts"]) == 2)
    some = hookline("deliveries", "retry", found["id"], "dlv_none")
    assert some.code == 1
    assert found["id"] in some.out
    assert "dlv_none" in some.err
    finished = eventually(lambda: deliveries(hookline, "--subscription", subscribed["id"], "--state", "delivered"))
    refused = hookline("deliveries", "cancel", finished[0]["id"])
    assert refused.code == 1
    assert refused.line


def test_what_does_not_exist_is_not_found(hookline) -> None:
    for arguments in (
        ("deliveries", "show", "dlv_none"),
        ("deliveries", "retry", "dlv_none"),
        ("subscriptions", "show", "sub_none"),
        ("event-types", "show", "no.such"),
        ("replay", "show", "rpl_none"),
    ):
        missing = hookline(*arguments)
        assert missing.code == 3
        assert missing.line


def test_tail_prints_what_happens_as_json_and_in_words(hookline, site, subscribed, of_type) -> None:
    environment = {**os.environ, "HOOKLINE_SERVER": site.address}
    last = _cursor_now(hookline, of_type)
    lines = process("tail", "--cursor", last, "--type", of_type, "--json", "--count", "2", env=environment)
    words = process("tail", "--cursor", last, "--type", of_type, "--count", "2", env=environment)
    hookline("emit", of_type, "-d", "{}")
    hookline("emit", of_type, "-d", "{}")
    out, err = lines.communicate(timeout=60)
    assert (lines.returncode, err) == (0, b"")
    changes = [json.loads(line) for line in out.splitlines()]
    assert [change.keys() for change in changes] == [{"delivery", "attempt", "cursor"}] * 2
    assert {change["delivery"]["event_type"] for change in changes} == {of_type}
    out, err = words.communicate(timeout=60)
    assert (words.returncode, err) == (0, b"")
    for line in out.decode().splitlines():
        assert of_type in line
        assert "200" in line
        assert "delivered" in line


def _cursor_now(hookline, of_type: str) -> str:
    """A cursor after one event of this type, so that a tail that starts late misses nothing."""
    hookline("emit", of_type, "-d", "{}")
    tailed = hookline("tail", "--cursor", "c1-0", "--type", of_type, "--count", "1", "--json")
    return str(json.loads(tailed.out)["cursor"])


def test_stats_count_by_subscription(hookline, subscribed, of_type) -> None:
    hookline("emit", of_type, "-d", "{}")
    counted = eventually(lambda: hookline("stats", "--json").json["by_subscription"].get(subscribed["id"], {}).get("delivered"))
    assert counted == 1
    assert subscribed["id"] in hookline("stats").out


def test_a_replay_delivers_past_events_again(hookline, site, subscribed, of_type) -> None:
    hookline("emit", of_type, "-d", "{}", "--id", f"replayed-{of_type.split('.')[0]}")
    eventually(lambda: deliveries(hookline, "--subscription", subscribed["id"], "--state", "delivered"))
    started = hookline("replay", "start", subscribed["id"], "--from", "1h", "--wait", "--json")
    assert (started.code, started.json["state"], started.json["replayed"]) == (0, "done", 1)
    assert hookline("replay", "show", started.json["id"], "--json").json["state"] == "done"
    eventually(lambda: len(deliveries(hookline, "--subscription", subscribed["id"], "--state", "delivered")) == 2)
    assert hookline("replay", "cancel", started.json["id"]).code == 0
    listed = hookline("replay", "list", "-s", subscribed["id"], "--json").json["items"]
    assert [one["id"] for one in listed] == [started.json["id"]]
    queued = hookline("deliveries", "list", "--replay", started.json["id"], "--json").json["items"]
    assert [one["replay_id"] for one in queued] == [started.json["id"]]
    chosen = hookline(
        "replay", "start", subscribed["id"], "--state", "exhausted", "--filter", "event.type == 'x'", "--wait", "--json"
    )
    assert (chosen.json["replayed"], chosen.json["states"], chosen.json["filter"]) == (0, ["exhausted"], "event.type == 'x'")
    assert "exhausted" in hookline("replay", "show", chosen.json["id"]).out


def test_tail_goes_on_when_the_server_is_back_and_ends_with_ctrl_c(hookline, tmp_path) -> None:
    folder = ("--data-dir", str(tmp_path), "--log-format", "json", "--port")
    port = str(lasting_port())
    server = Child(tmp_path, "server", "serve", *folder, port)
    tail = None
    try:
        address = asyncio.run(server.ready(serving_address))
        at = ("--server", address, "--json")
        made = hookline("subscriptions", "create", "https://192.0.2.1/", "--attempt-timeout", "1s", *at).json
        hookline("subscriptions", "pause", made["id"], *at)
        first, second = (hookline("emit", "a.b", "-d", "1", *at).json["event_id"] for _ in range(2))
        ids = [hookline("deliveries", "list", "--event", event_id, *at).json["items"][0]["id"] for event_id in (first, second)]
        tail = process("tail", "--cursor", "c1-0", "--timeout", "1", *at)
        hookline("deliveries", "cancel", ids[0], *at)
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["delivery"]["id"] == ids[0]
        server.kill()
        server = Child(tmp_path, "server", "serve", *folder, port)
        asyncio.run(server.ready(serving_address))
        hookline("deliveries", "cancel", ids[1], *at)
        assert json.loads(tail.stdout.readline())["delivery"]["id"] == ids[1]
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=60)
        assert tail.returncode == 130
        assert len(err.splitlines()) <= 2  # one that it was away; and one before, if it stood still meanwhile
    finally:
        if tail is not None:
            tail.kill()
        server.stop()
