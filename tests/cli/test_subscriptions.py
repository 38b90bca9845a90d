"""`hookline subscriptions`."""

import io
import json
from dataclasses import fields

import pytest

from hookline import PROFILE_NAMES, profile
from hookline.model import Subscription
from hookline.signing import generate_key, public_key
from hookline_server.cli.plain import plain

from .conftest import SECRET

KEYS = {field.name for field in fields(Subscription)} - {"secrets", "pauses", "former_lanes"}


def test_create_says_everything_that_was_asked_for_and_the_secret(hookline, site) -> None:
    made = hookline(
        "subscriptions", "create", f"{site.url}a", "--name", "billing-a", "-t", "one.*", "-t", "two.three", "-H", "X-Key: a:b",
        "--retry", "1s,2m", "--max-elapsed", "2h", "--jitter", "0.2", "--attempt-timeout", "3s", "--max-in-flight", "5",
        "--lanes", "2",
        "--label", "team=money", "--body-format", "raw", "--ordering", "by-key", "--json",
    )  # fmt: skip
    assert made.code == 0
    assert made.json.keys() == KEYS | {"secret"}
    assert made.json["secret"].startswith("whsec_")
    assert made.json["event_types"] == ["one.*", "two.three"]
    assert made.json["headers"] == {"X-Key": "a:b"}
    assert made.json["labels"] == {"team": "money", "name": "billing-a"}
    assert made.json["retry"] == {
        "steps": [1.0, 120.0],
        "max_attempts": 3,
        "max_elapsed": 7200.0,
        "jitter": 0.2,
        "count_paused": True,
    }
    assert (made.json["timeout"], made.json["max_in_flight"], made.json["lanes"], made.json["ordering"]) == (3.0, 5, 2, "by-key")


def test_show_and_list_show_what_was_created_without_the_secret(hookline, subscribed) -> None:
    shown = hookline("subscriptions", "show", subscribed["id"], "--json")
    assert shown.json.keys() == KEYS
    assert shown.json["id"] == subscribed["id"]
    listed = hookline("subscriptions", "list", "--json")
    assert listed.json.keys() == {"items", "next_page_token"}
    assert subscribed["id"] in [item["id"] for item in listed.json["items"]]
    table = hookline("subscriptions", "list")
    assert subscribed["id"] in table.out
    assert "secret" not in hookline("subscriptions", "show", subscribed["id"]).out


def test_lists_are_paged(hookline, subscribed) -> None:
    first = hookline("subscriptions", "list", "--limit", "1", "--json").json
    hookline("subscriptions", "create", "https://example.com/another")
    second = hookline("subscriptions", "list", "--limit", "1", "--page-token", first["next_page_token"], "--json").json
    assert first["items"][0]["id"] != second["items"][0]["id"]


def test_update_changes_what_is_named_and_leaves_the_rest(hookline, subscribed) -> None:
    changed = hookline("subscriptions", "update", subscribed["id"], "--max-in-flight", "3", "--max-attempts", "9", "--json").json
    assert changed["max_in_flight"] == 3
    assert changed["retry"] == {**subscribed["retry"], "max_attempts": 9}
    assert changed["event_types"] == subscribed["event_types"]
    cleared = hookline("subscriptions", "update", subscribed["id"], "--clear", "max_in_flight", "--name", "n", "--json").json
    assert (cleared["max_in_flight"], cleared["labels"]) == (64, {"name": "n"})


def test_update_with_an_old_etag_is_a_conflict(hookline, subscribed) -> None:
    hookline("subscriptions", "update", subscribed["id"], "--description", "new")
    again = hookline("subscriptions", "update", subscribed["id"], "--description", "newer", "--etag", subscribed["etag"])
    assert again.code == 4
    assert "etag" in again.line


def test_update_without_a_field_is_wrong_usage(hookline, subscribed) -> None:
    refused = hookline("subscriptions", "update", subscribed["id"])
    assert refused.code == 2
    assert "--url" in refused.line


def test_pause_and_resume(hookline, subscribed) -> None:
    paused = hookline("subscriptions", "pause", subscribed["id"], "--reason", "the receiver moves", "--json").json
    assert (paused["state"], paused["state_reason"]) == ("paused", "the receiver moves")
    assert hookline("subscriptions", "resume", subscribed["id"], "--json").json["state"] == "active"


def test_delete_asks_and_then_deletes(hookline, site, monkeypatch) -> None:
    made = hookline("subscriptions", "create", f"{site.url}b", "--json").json
    monkeypatch.setattr("sys.stdin", io.StringIO(""))  # nobody answers
    assert hookline("subscriptions", "delete", made["id"]).code == 1
    assert hookline("subscriptions", "show", made["id"]).code == 0
    assert hookline("subscriptions", "delete", made["id"], "--yes", "--json").json == {"deleted": made["id"]}
    assert hookline("subscriptions", "show", made["id"]).code == 3


def test_a_test_event_is_sent_and_verified(hookline, site, subscribed) -> None:
    sent = hookline("subscriptions", "test", subscribed["id"], "--json")
    assert sent.code == 0
    assert sent.json["attempt"]["status"] == 200
    webhook_id = dict(sent.json["headers"])["webhook-id"]
    records = [json.loads(line) for line in site.received.read_text().splitlines()]
    assert [record["verified"] for record in records if record["webhook_id"] == webhook_id] == [True]


def test_a_dry_run_shows_the_request_and_sends_nothing(hookline, site, subscribed) -> None:
    shown = hookline("subscriptions", "test", subscribed["id"], "--dry-run", "--json")
    assert shown.code == 0
    assert shown.json["attempt"] is None
    assert dict(shown.json["headers"])["webhook-id"] not in site.received.read_text()


def test_a_test_event_that_is_not_taken_fails(hookline) -> None:
    made = hookline("subscriptions", "create", "http://127.0.0.1:9/", "--type", "never.*", "--json").json
    sent = hookline("subscriptions", "test", made["id"])
    assert sent.code == 1
    assert "refused the connection" in sent.line
    hookline("subscriptions", "delete", made["id"], "--yes")


def test_rotating_leaves_the_old_secret_for_a_while(hookline, subscribed) -> None:
    rotated = hookline("subscriptions", "rotate-secret", subscribed["id"], "--overlap", "1h", "--request-id", "r1", "--json").json
    again = hookline("subscriptions", "rotate-secret", subscribed["id"], "--overlap", "1h", "--request-id", "r1", "--json").json
    assert again["value"] == rotated["value"]
    secrets = hookline("subscriptions", "secret", subscribed["id"], "--json").json["items"]
    assert [item["value"] for item in secrets] == [rotated["value"], SECRET]
    assert secrets[0]["expire_time"] is None
    assert secrets[1]["expire_time"].endswith("Z")


def test_a_repeated_request_id_creates_once(hookline) -> None:
    first, second = (
        hookline("subscriptions", "create", "https://example.com/once", "--request-id", "create-1", "--json").json for _ in range(2)
    )
    assert first["id"] == second["id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://example.com/",), "url"),
        (("https://example.com/", "--type", "a..b"), "event_types"),
        (("https://example.com/", "--retry", "often"), "--retry"),
        (("https://example.com/", "--label", "nothing"), "--label"),
        (("https://example.com/", "--attempt-timeout", "soon"), "--attempt-timeout"),
        (("https://example.com/", "--secret", "hunter2"), "secret"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(hookline, arguments, said) -> None:
    refused = hookline("subscriptions", "create", *arguments)
    assert refused.code == 2
    assert said in refused.line
    assert "hunter2" not in refused.line


def test_a_profile_is_taken_and_what_is_said_beside_it_wins(hookline, site) -> None:
    made = hookline(
        "subscriptions", "create", f"{site.url}p", "--profile", "slack", "--attempt-timeout", "4s", "--max-attempts", "2", "--json"
    )
    assert made.code == 0, made.err
    assert (made.json["profile"], made.json["signature_scheme"], made.json["body_format"]) == ("slack", "slack", "template")
    assert (made.json["timeout"], made.json["retry"]["max_attempts"]) == (4.0, 2)
    assert made.json["retry_headers"] == {"X-Slack-Retry-Num": "{retry_number}", "X-Slack-Retry-Reason": "{retry_reason}"}
    assert made.json["answers"]["final_header"] == "X-Slack-No-Retry: 1"
    shown = hookline("subscriptions", "test", made.json["id"], "--dry-run", "--json").json
    assert "x-slack-signature" in {header[0].lower() for header in shown["headers"]}
    refused = hookline("subscriptions", "create", f"{site.url}p", "--profile", "slock")
    assert refused.code == 2
    assert "'slock'" in refused.line
    assert "slack" in refused.line


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_every_profile_reaches_the_subscription_whole(hookline, site, name) -> None:
    key = {"signature_parameters": {"api_key": "hunter2"}} if name == "saber" else {}
    spec = plain(profile(name).spec(url=f"{site.url}{name}", event_types=("never.*",), **key))
    words = ["--signature-parameter", "api_key=hunter2"] if key else []
    made = hookline("subscriptions", "create", spec["url"], "--profile", name, "-t", "never.*", *words, "--json")
    assert made.code == 0, made.err
    spec["signature_parameters"].pop("api_key", None)  # it is shown to nobody
    assert made.json["profile"] == name
    assert {field: made.json[field] for field in spec.keys() - {"secret"}} == {
        field: spec[field] for field in spec.keys() - {"secret"}
    }
    shown = hookline("subscriptions", "show", made.json["id"], "--json").json
    assert shown == {field: value for field, value in made.json.items() if field != "secret"}
    hookline("subscriptions", "delete", made.json["id"], "--yes")


def test_a_scheme_with_parameters_is_made_shown_and_changed_without_its_api_key(hookline, site) -> None:
    made = hookline(
        "subscriptions", "create", f"{site.url}c", "--scheme", "custom", "--signature-parameter", "signature_header=X-Sig",
        "--signature-parameter", "template={body}", "--signature-parameter", "api_key_header=X-Key",
        "--signature-parameter", "api_key=hunter2", "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "hunter2" not in made.out
    changed = hookline(
        "subscriptions", "update", made.json["id"], "--signature-parameter", "signature_header=X-Other",
        "--signature-parameter", "template={body}", "--signature-parameter", "api_key_header=X-Key", "--json",
    )  # fmt: skip
    assert changed.code == 0, changed.err
    shown = dict(map(tuple, hookline("subscriptions", "test", made.json["id"], "--dry-run", "--json").json["headers"]))
    assert shown["X-Key"] == "***"  # kept, and not shown
    assert "X-Other" in shown
    refused = hookline("subscriptions", "create", f"{site.url}c", "--scheme", "custom", "--signature-parameter", "algorithm=md5")
    assert refused.code == 2
    assert "subscription.signature_parameters.algorithm" in refused.line


def test_the_public_key_of_an_ed25519_secret_is_shown(hookline, site) -> None:
    key = generate_key()
    made = hookline("subscriptions", "create", f"{site.url}k", "--secret", key, "--json").json
    shown = hookline("subscriptions", "secret", made["id"], "--public", "--json").json
    assert [item["value"] for item in shown["items"]] == [public_key(key)]
    assert public_key(key).startswith("whpk_")
    shared = hookline("subscriptions", "create", f"{site.url}k", "--json").json
    assert hookline("subscriptions", "secret", shared["id"], "--public").code == 2
