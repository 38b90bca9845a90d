"""Limits on the command line and in files: set, shown, refused; and what is done about what was held."""

import pytest

URL = "https://example.com/limits"
TENANT = ("--tenant", "flags")
"""Of their own, as a subscription for every type would get the events of other tests."""

FILE = """
subscriptions:
  - name: limited
    url: https://example.com/limited
    rate: {requests_per_second: 5, burst: 10}
    breaker: {consecutive_failures: 3, open_for: 10s, open_at_most: 5m}
    ordering: by-key
    step_aside_after: 3
    hold_for: 7d
    disable_after: never
  - name: short
    url: https://example.com/short
    rate: 2.5
    breaker: off
    hold_for: ever
    disable_after: 10d
"""


def test_every_limit_can_be_set_changed_shown_and_cleared(hookline) -> None:
    made = hookline(
        "subscriptions", "create", URL, "--rate", "5", "--burst", "10", "--breaker", "3:0.5:2s:10m", "--hold-for", "7d",
        "--disable-after", "10d", "--ordering", "by-key", "--step-aside-after", "3", "--json", *TENANT,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.json["rate"] == {"requests_per_second": 5, "burst": 10}
    assert made.json["breaker"] == {
        "off": False, "consecutive_failures": 3, "failure_rate": 0.5, "open_for": 2, "open_at_most": 600,
    }  # fmt: skip
    assert (made.json["hold_for"], made.json["disable_after"], made.json["step_aside_after"]) == (604_800, 864_000, 3)
    shown = hookline("subscriptions", "show", made.json["id"], *TENANT).out
    for words in (
        "5 requests a second, 10 at once",
        "opens after 3 failures in a row or 50% of 100",
        "after 3 attempts",
        "of failures",
    ):
        assert words in shown
    changed = hookline(
        "subscriptions", "update", made.json["id"], "--burst", "20", "--breaker", "off", "--disable-after", "never", "--hold-for",
        "ever", "--json", *TENANT,
    )  # fmt: skip
    assert changed.json["rate"] == {"requests_per_second": 5, "burst": 20}
    assert changed.json["breaker"]["off"] is True
    assert (changed.json["hold_for"], changed.json["disable_after"]) == (None, 0)
    unlimited = hookline("subscriptions", "update", made.json["id"], "--rate", "0", "--clear", "breaker", "--json", *TENANT)
    assert unlimited.json["rate"] is None
    assert unlimited.json["breaker"]["off"] is False


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--rate", "-1"], "rate.requests_per_second"),
        (["--rate", "1", "--burst", "0"], "rate.burst"),
        (["--burst", "5"], "--rate"),
        (["--breaker", "often"], "--breaker"),
        (["--breaker", "0"], "breaker.consecutive_failures"),
        (["--breaker", "5:2"], "breaker.failure_rate"),
        (["--hold-for", "400d"], "hold_for"),
        (["--hold-for", "soon"], "--hold-for"),
        (["--disable-after", "1s"], "disable_after"),
        (["--step-aside-after", "3"], "ordering by key"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(hookline, options: list[str], field: str) -> None:
    refused = hookline("subscriptions", "create", URL, *options, *TENANT)
    assert refused.code != 0
    assert field in refused.err


def test_a_file_declares_limits_and_a_second_apply_changes_nothing(hookline, tmp_path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(FILE)
    applied = hookline("apply", "-f", str(file), "--tenant", "limits", "--yes")
    assert applied.code == 0, applied.err
    items = hookline("subscriptions", "list", "--json", "--tenant", "limits").json["items"]
    limited, short = sorted(items, key=lambda item: item["labels"]["name"])
    assert limited["rate"] == {"requests_per_second": 5, "burst": 10}
    assert (limited["breaker"]["open_at_most"], limited["hold_for"], limited["disable_after"]) == (300, 604_800, 0)
    assert limited["step_aside_after"] == 3
    assert (short["rate"]["requests_per_second"], short["breaker"]["off"], short["hold_for"]) == (2.5, True, None)
    assert "no changes" in hookline("apply", "-f", str(file), "--tenant", "limits", "--dry-run").out


def test_resume_discards_what_was_held_if_asked(hookline, subscribed, of_type) -> None:
    name = subscribed["id"]
    hookline("subscriptions", "pause", name, "--reason", "we move house")
    hookline("emit", of_type, "-d", "{}")
    (held,) = hookline("deliveries", "list", "--subscription", name, "--json").json["items"]
    shown = hookline("deliveries", "show", held["id"]).out
    assert "we move house" in shown
    assert f"hookline subscriptions resume {name}" in shown
    assert hookline("subscriptions", "resume", name, "--discard-held", "--json").json["state"] == "active"
    after = hookline("deliveries", "show", held["id"], "--json").json["delivery"]
    assert (after["state"], after["reason"]) == ("cancelled", "discarded when its subscription was resumed")


def test_a_replay_has_a_rate(hookline, subscribed) -> None:
    started = hookline("replay", "start", subscribed["id"], "--rate", "7", "--json")
    assert started.json["max_per_second"] == 7
    assert "at most 7 a second" in hookline("replay", "show", started.json["id"]).out
    assert "max_per_second" in hookline("replay", "start", subscribed["id"], "--rate", "100000").err
