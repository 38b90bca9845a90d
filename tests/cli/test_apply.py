"""`hookline apply`."""

import pytest

FILE = """
event_types:
  - name: apply.paid
    description: Paid in full.
    schema: {type: object, required: [amount]}
    examples: [{amount: 1}]
    enforce: true
subscriptions:
  - name: apply-one
    url: https://example.com/one
    event_types: [apply.*]
    retry: 5s,1m
    timeout: 20s
    headers: {Authorization: Bearer hunter2}
    labels: {team: money}
  - name: apply-two
    url: https://example.com/two
    retry:
      exponential: {initial: 1s, factor: 3, cap: 1h}
      max_attempts: 7
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hookline.yaml"
    path.write_text(FILE)
    return path


def named(hookline, *options: str) -> dict:
    items = hookline("subscriptions", "list", "--json", *options).json["items"]
    return {item["labels"].get("name", ""): item for item in items}


def test_the_first_apply_creates_and_the_second_changes_nothing(hookline, file) -> None:
    shown = hookline("apply", "-f", str(file), "--tenant", "first", "--dry-run")
    assert shown.code == 0
    assert "+ subscription apply-one" in shown.out
    assert "would be: 3 created, 0 updated, 0 deleted" in shown.out
    assert "hunter2" not in shown.out
    assert named(hookline, "--tenant", "first") == {}
    unasked = hookline("apply", "-f", str(file), "--tenant", "first")
    assert unasked.code == 2
    assert "--yes" in unasked.line
    applied = hookline("apply", "-f", str(file), "--tenant", "first", "--yes", "--json")
    assert (applied.code, applied.json["create"], applied.json["applied"]) == (0, 3, True)
    stands = named(hookline, "--tenant", "first")
    assert stands["apply-one"]["labels"] == {"team": "money", "name": "apply-one"}
    assert stands["apply-one"]["timeout"] == 20
    assert stands["apply-two"]["retry"]["exponential"] == {"initial": 1.0, "factor": 3.0, "cap": 3600.0}
    again = hookline("apply", "-f", str(file), "--tenant", "first")
    assert (again.code, again.out) == (0, "no changes\n")


def test_a_change_is_shown_field_by_field_and_made(hookline, file) -> None:
    at = ("--tenant", "second")
    hookline("apply", "-f", str(file), "--yes", *at)
    before = named(hookline, *at)
    file.write_text(FILE.replace("example.com/one", "example.com/moved").replace("Paid in full", "Paid"))
    changed = hookline("apply", "-f", str(file), "--yes", *at)
    assert 'url: "https://example.com/one" → "https://example.com/moved"' in changed.out
    assert "~ event type apply.paid" in changed.out
    assert "0 created, 2 updated, 0 deleted" in changed.out
    after = named(hookline, *at)
    assert after["apply-one"]["id"] == before["apply-one"]["id"]
    assert after["apply-one"]["url"] == "https://example.com/moved"
    assert after["apply-two"]["etag"] == before["apply-two"]["etag"]


def test_what_is_not_declared_goes_only_when_that_is_asked_for(hookline, file) -> None:
    at = ("--tenant", "third")
    hookline("apply", "-f", str(file), "--yes", *at)
    hookline("subscriptions", "create", "https://example.com/by-hand", *at)
    file.write_text("subscriptions:\n  - {name: apply-two, url: https://example.com/two}\n")
    kept = hookline("apply", "-f", str(file), "--yes", "--json", *at).json
    assert kept["delete"] == 0
    pruned = hookline("apply", "-f", str(file), "--yes", "--prune", "--json", *at).json
    assert [(item["action"], item["name"]) for item in pruned["items"]] == [("delete", "apply-one")]
    assert named(hookline, *at).keys() == {"apply-two", ""}  # the one without a name is not apply's
    assert [item["name"] for item in hookline("event-types", "list", "--json", *at).json["items"]] == ["apply.paid"]


def test_a_declared_secret_is_kept_to(hookline, file) -> None:
    at = ("--tenant", "fourth")
    first, second = ("whsec_" + letter * 32 for letter in "AB")
    text = "subscriptions:\n  - {name: signed, url: https://example.com/, secret: %s}\n"
    file.write_text(text % first)
    hookline("apply", "-f", str(file), "--yes", *at)
    assert hookline("apply", "-f", str(file), *at).out == "no changes\n"
    file.write_text(text % second)
    changed = hookline("apply", "-f", str(file), "--yes", *at)
    assert "secret" in changed.out
    assert second not in changed.out
    secrets = hookline("subscriptions", "secret", named(hookline, *at)["signed"]["id"], "--json", *at).json["items"]
    assert [item["value"] for item in secrets] == [second, first]
    assert hookline("apply", "-f", str(file), *at).out == "no changes\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subscriptions: {", "YAML"),
        ("subscriptoins: []", "did you mean subscriptions?"),
        ("subscriptions: [{name: a}]", "subscriptions[0].url"),
        ("subscriptions: [{url: https://example.com/}]", "subscriptions[0].name"),
        ("subscriptions: [{name: a, urll: x}]", "did you mean url?"),
        ("subscriptions: [{name: a, url: https://example.com/, timeout: soon}]", "subscriptions[0].timeout"),
        ("subscriptions: [{name: a, url: https://example.com/, retry: {steps: 5}}]", "subscriptions[0].retry.steps"),
        ("subscriptions: [{name: a, url: ftp://example.com/}]", "subscriptions[0].url: 'ftp://example.com/' is not https"),
        (
            "subscriptions: [{name: a, url: https://example.com/, max_in_flight: many}]",
            "subscriptions[0].max_in_flight: 'many' is out of range",
        ),
        ("subscriptions: [{name: a, url: https://example.com/, retry: {max_attempts: x}}]", "max_attempts"),
        ("subscriptions: [{name: a, url: https://example.com/, retry: {steps: [0]}}]", "subscriptions[0].retry.steps[0]"),
        ("subscriptions: [{name: a, url: https://example.com/, retry: {count_paused: 3}}]", "retry.count_paused: 3 is not right"),
        (
            "subscriptions: [{name: a, url: https://example.com/, retry: {exponential: {initial: 1s, factor: abc}}}]",
            "retry.exponential.factor: 'abc' is no number",
        ),
        ("event_types: [{name: a.b, enforce: perhaps}]", "event_types[0].enforce"),
        ("event_types: [{name: a.b, enforce: true}]", "event_types[0].enforce: has no schema"),
        ("event_types: [{name: a.b, examples: [&a [*a]]}]", "event_types[0].examples"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("a: 2001-13-40", "YAML"),
        ("- a\n- b", "mapping"),
    ],
)
def test_a_file_that_is_not_right_is_one_line_that_names_the_place(hookline, file, text, said) -> None:
    file.write_text(text)
    refused = hookline("apply", "-f", str(file), "--yes", "--json", "--tenant", "fifth")
    assert refused.code == 2
    assert said in refused.line


def test_what_cannot_be_is_found_before_anything_is_changed(hookline, file) -> None:
    file.write_text(FILE + "  - {name: apply-three, url: https://example.com/, max_in_flight: 99999}\n")
    refused = hookline("apply", "-f", str(file), "--yes", "--tenant", "sixth")
    assert refused.code == 2
    assert f"{file}: subscriptions[2].max_in_flight: 99999 is out of range; right is" in refused.line
    assert named(hookline, "--tenant", "sixth") == {}
    file.write_text(FILE)
    assert hookline("apply", "-f", str(file), "--yes", "--tenant", "sixth").code == 0
    file.write_text(FILE.replace("timeout: 20s", "ordering: by-key"))
    assert "subscriptions[0].ordering" in hookline("apply", "-f", str(file), "--yes", "--tenant", "sixth").line


def test_where_the_server_refuses_a_change_it_is_said_how_many_were_made(hookline, file) -> None:
    at = ("--tenant", "seventh")
    old = "  - {name: old, url: https://example.com/, signature_scheme: %s}\n"
    file.write_text("subscriptions:\n" + old.replace("}", ", secret: no-key-in-base64}") % "github")
    assert hookline("apply", "-f", str(file), "--yes", *at).code == 0
    file.write_text("subscriptions:\n  - {name: new, url: https://example.com/new}\n" + old % "standard")
    refused = hookline("apply", "-f", str(file), "--yes", *at)
    assert refused.code == 2
    assert "update subscription 'old': " in refused.line
    assert "1 of 2 changes were made; see to that and run it again" in refused.line
    assert "no-key-in-base64" not in refused.out + refused.err
    assert named(hookline, *at).keys() == {"old", "new"}
    told = hookline("apply", "-f", str(file), "--yes", "--json", *at)
    assert (told.code, told.json["applied"], told.json["made"], len(told.json["items"])) == (2, False, 0, 1)
    assert "0 of 1 changes were made" in told.line


PROFILED = """
subscriptions:
  - name: chat
    url: https://example.com/chat
    profile: slack
    timeout: 2s
    answers: {delivered: [2xx, 302], final: [404], final_header: "X-Slack-No-Retry: 1"}
  - name: saber
    url: https://example.com/saber
    profile: saber
    signature_parameters: {api_key: hunter2}
"""


def test_a_declared_profile_fills_what_is_not_said_and_stays_as_it_is(hookline, tmp_path) -> None:
    path = tmp_path / "profiled.yaml"
    path.write_text(PROFILED)
    shown = hookline("apply", "-f", str(path), "--tenant", "profiled", "--dry-run")
    assert "hunter2" not in shown.out + shown.err
    assert hookline("apply", "-f", str(path), "--tenant", "profiled", "--yes").code == 0
    stands = named(hookline, "--tenant", "profiled")
    assert (stands["chat"]["profile"], stands["chat"]["timeout"], stands["chat"]["retry"]["steps"]) == (
        "slack",
        2.0,
        [0.001, 60.0, 300.0],
    )
    assert stands["chat"]["answers"]["final"] == ["404"]
    assert stands["saber"]["signature_parameters"]["api_key_header"] == "X-API-Key"
    again = hookline("apply", "-f", str(path), "--tenant", "profiled")
    assert (again.code, again.out) == (0, "no changes\n")
    path.write_text(PROFILED.replace("profile: slack", "profile: slock"))
    refused = hookline("apply", "-f", str(path), "--tenant", "profiled")
    assert refused.code == 2
    assert "subscriptions[0].profile: 'slock'" in refused.line
