"""The command line's way to authentication and shaping: what is typed arrives, and no secret is printed."""

import json

import trustme


def test_what_is_typed_is_what_the_subscription_has_and_no_secret_is_shown(hookline, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "t0ken")
    issued = trustme.CA().issue_cert("me@example.com")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    made = hookline(
        *("subscriptions", "create", "https://example.com/", "--bearer-token", "env:THE_TOKEN"),
        *("--client-certificate", str(certificate), "--client-key", str(key)),
        *("--filter", "event.data.amount > 100", "--field", "amount", "--field", "customer.id", "--json"),
    )
    assert made.code == 0, made.err
    assert made.json["filter"] == "event.data.amount > 100"
    assert made.json["fields"] == ["amount", "customer.id"]
    assert made.json["authentication"] == {"kind": "bearer", "token": ""}
    shown = hookline("subscriptions", "show", made.json["id"])
    assert "a client certificate and a bearer token" in shown.out
    for printed in (made.out, shown.out, hookline("subscriptions", "list", "--json").out):
        assert "t0ken" not in printed
        assert "PRIVATE KEY" not in printed
    changed = hookline("subscriptions", "update", made.json["id"], "--api-key", "X-Key:k3y", "--clear", "fields", "--json").json
    assert changed["authentication"] == {"header": "X-Key", "kind": "api-key", "value": ""}
    assert changed["fields"] == []
    hookline("subscriptions", "delete", made.json["id"], "--yes")


def test_an_event_in_a_file_is_shown_as_it_would_be_sent_and_is_not_sent(hookline, site, subscribed, tmp_path, of_type) -> None:
    hookline("subscriptions", "update", subscribed["id"], "--transform", "{'n': event.data.amount}", "--bearer-token", "t0ken")
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"type": of_type, "data": {"amount": 7}, "id": "shown-1"}, indent=2))
    shown = hookline("subscriptions", "test", subscribed["id"], "--event", str(file), "--json")
    assert shown.code == 0, shown.err
    headers = dict(shown.json["headers"])
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["authorization"] == "Bearer ***"
    assert '"data":{"n":7}' in json.dumps(shown.json["body"]).replace("\\", "") or "n" in shown.out
    assert "t0ken" not in shown.out
    assert "shown-1" not in site.received.read_text()
    sent = hookline("subscriptions", "test", subscribed["id"], "--event", str(file), "--send", "--json")
    assert sent.code == 0, sent.err
    assert "shown-1" in site.received.read_text()
    assert "t0ken" not in sent.out


def test_a_wrong_expression_is_refused_with_its_place(hookline) -> None:
    refused = hookline("subscriptions", "create", "https://example.com/", "--filter", "event.tpye == 'a'")
    assert refused.code == 2
    assert "subscription.filter: line 1, column 7" in refused.err


def test_what_does_not_go_together_is_wrong_usage(hookline) -> None:
    create = ("subscriptions", "create", "https://example.com/")
    for arguments, said in (
        (("--bearer-token", "a", "--basic", "a:b"), "one of them"),
        (("--oauth2-client", "a:b"), "--oauth2-token-url"),
        (("--basic", "nocolon"), "USER:SECRET"),
        (("--client-key", "key.pem"), "--client-certificate"),
        (("--bearer-token", "env:NOT_THERE_AT_ALL"), "is not set"),
        (("--field", "a..b"), "fields[0]"),
    ):
        refused = hookline(*create, *arguments)
        assert refused.code == 2, refused.err
        assert said in refused.line
        assert "nocolon" not in refused.err


def test_a_declaration_holds_authentication_and_shaping_and_is_kept_to(hookline, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("THE_SECRET", "s3cret")
    file = tmp_path / "hookline.yaml"
    file.write_text(
        """
subscriptions:
  - name: shaped
    url: https://example.com/
    filter: event.type == 'a'
    fields: [customer.id]
    authentication: {kind: oauth2, token_url: "https://example.com/token", client_id: me, client_secret: "env:THE_SECRET"}
"""
    )
    first = hookline("apply", "--file", str(file), "--yes")
    assert first.code == 0, first.err
    assert "s3cret" not in first.out
    again = hookline("apply", "--file", str(file), "--yes", "--json")
    assert again.code == 0, again.err
    (found,) = [
        item for item in hookline("subscriptions", "list", "--json").json["items"] if item["labels"].get("name") == "shaped"
    ]
    assert found["etag"] == "1"
    assert found["authentication"]["client_id"] == "me"
    assert found["fields"] == ["customer.id"]
    hookline("subscriptions", "delete", found["id"], "--yes")
