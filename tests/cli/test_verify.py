"""`hookline verify`: right requests of every scheme, and for each thing that goes wrong one line that says what to do."""

import io
import re
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cli.conftest import Ran, process
from core.signing.cases import CASES, HUBSPOT_OLD, NOW, TWILIO_FORM, named
from hypothesis import given
from hypothesis import strategies as st

from hookline.signing import PARAMETRISED, SCHEME_NAMES, SignableRequest, ed25519
from hookline_server.cli import run
from hookline_server.cli.signature_diagnosis import Check

PARAMETERS = {
    "http-message": {"key_id": "k1"},
    "http-message-ed25519": {"key_id": "k1", "algorithm": "ed25519"},
    "custom": {
        "signature_header": "X-Acme-Signature",
        "prefix": "v1=",
        "separator": ",",
        "id_header": "X-Acme-Id",
        "timestamp_header": "X-Acme-Time",
    },
    "custom-api-key": {
        "signature_header": "X-Saber-Signature",
        "template": "{method}\n{url}\n{body}",
        "encoding": "base64",
        "api_key_header": "X-Api-Key",
        "api_key": "key-1",
    },
}


CHANGED = "the body is not the one whose digest stands in"
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture
def verify(capfd, monkeypatch):
    """Run `hookline verify` in this process."""

    def execute(*arguments: str, body: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body), isatty=lambda: False))
        capfd.readouterr()
        code = run(["verify", *arguments])
        out, err = capfd.readouterr()
        return Ran(code=code, out=out, err=err)

    return execute


def signed(name="stripe", *, ago=0, **more):
    """A case, a secret, and a request that it signed."""
    case = named(name)
    secret = case.secret()
    return case, secret, case.scheme.sign(case.request(**more), [secret], int(time.time()) - ago)


def typed(name: str, request: SignableRequest, *secrets: str) -> list[str]:
    """The command line for it."""
    words = ["--scheme", named(name).scheme.name, "--url", request.url, "--method", request.method]
    for header, value in request.headers:
        words += ["--header", f"{header}: {value}"]
    for secret in secrets:
        words += ["--secret", secret]
    for parameter, value in PARAMETERS.get(name, {}).items():
        words += ["--parameter", f"{parameter}={value}"]
    return words


@pytest.mark.parametrize("case", [*CASES, TWILIO_FORM], ids=lambda case: case.name)
def test_what_hookline_signs_is_right(verify, case):
    _, secret, request = signed(case.name)
    ran = verify(*typed(case.name, request, case.secret(), secret), body=request.body)
    assert ran.code == 0, ran.err
    (line,) = ran.out.splitlines()
    assert line.startswith(f"verified: the signature is right ({case.scheme.name}, ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_secret_is_refused_in_one_line_that_says_so_and_shows_none(verify, case):
    _, secret, request = signed(case.name)
    other = case.secret()
    ran = verify(*typed(case.name, request, other), body=request.body)
    assert ran.code == 1
    assert ran.out == ""
    assert "another secret" in ran.line
    assert secret not in ran.line
    assert other not in ran.line


def test_every_scheme_is_there():
    assert {case.scheme.name for case in CASES} == {*SCHEME_NAMES, *PARAMETRISED}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body + b"\n", ["without the line break at the end of the body"]),
        (lambda body: body.replace(b":", b": "), ["something parsed the body and wrote it again"]),
        (lambda body: b"\xef\xbb\xbf" + body, ["without the byte order mark"]),
        (lambda body: body.replace(b"100", b"900"), ["another secret, or", "another secret, another URL", CHANGED]),
        (lambda body: b"", ["another secret, or", "another secret, another URL", CHANGED]),
    ],
    ids=["echo", "rewritten", "byte order mark", "changed", "empty"],
)
@every_case
def test_what_became_of_the_body_is_said(verify, case, change, said):
    _, secret, request = signed(case.name)
    ran = verify(*typed(case.name, request, secret), body=change(request.body))
    assert ran.code == 1
    assert any(each in ran.line for each in said), ran.line


@pytest.mark.parametrize(
    ("sent", "came", "said"),
    [
        (b"a\n", b"a", "with b'\\n' at the end of the body, which something took away"),
        (b"a\r\nb", b"a\nb", "with other line breaks in the body"),
        (b"a\nb", b"a\r\nb", "with other line breaks in the body"),
    ],
)
def test_converted_line_breaks_are_said(verify, sent, came, said):
    _, secret, request = signed(body=sent)
    ran = verify(*typed("stripe", request, secret), body=came)
    assert ran.code == 1
    assert said in ran.line


@pytest.mark.parametrize("case", [each for each in CASES if each.timed], ids=lambda case: case.name)
def test_the_time_is_said_and_that_all_else_is_right(verify, case):
    _, secret, request = signed(case.name, ago=4000)
    words = typed(case.name, request, secret)
    old = verify(*words, body=request.body)
    assert old.code == 1
    assert re.search(r"s ago; 300 s are tolerated, and all else (is|was) right.*: verify a recorded request with --at", old.line)
    assert verify(*words, "--at", str(int(time.time()) - 4000), body=request.body).code == 0
    ahead = verify(*words, "--at", "10h", body=request.body)
    assert ahead.code == 1
    assert "in the future; 300 s are tolerated, and all else is right: is the clock right" in ahead.line


def test_a_tolerance_may_be_given(verify):
    _, secret, request = signed(ago=4000)
    assert verify(*typed("stripe", request, secret), "--tolerance", "2h", body=request.body).code == 0


@pytest.mark.parametrize("case", [each for each in CASES if each.timed], ids=lambda case: case.name)
def test_an_old_request_that_is_wrong_otherwise_too_is_not_said_to_be_right(verify, case):
    _, _, request = signed(case.name, ago=4000)
    ran = verify(*typed(case.name, request, case.secret()), body=request.body)
    assert ran.code == 1
    assert "s ago; 300 s are tolerated" in ran.line
    assert "all else" not in ran.line


def test_an_old_request_that_is_wrong_otherwise_too_is_said_to_be_both(verify):
    case, _, request = signed(ago=4000)
    ran = verify(*typed("stripe", request, case.secret()), body=request.body)
    assert ran.code == 1
    assert "s ago; 300 s are tolerated; nor is it right otherwise: " in ran.line
    assert "another secret" in ran.line


def test_a_form_whose_type_was_not_given_is_said_to_be_one(verify):
    _, secret, request = signed("twilio-form")
    for headers in (request.headers[1:], (("Content-Type", "text/plain"), *request.headers[1:])):
        ran = verify(*typed("twilio-form", replace(request, headers=headers), secret), body=request.body)
        assert ran.code == 1
        assert "give it as --header 'Content-Type: application/x-www-form-urlencoded'" in ran.line


def test_a_missing_header_is_named_and_what_the_others_look_like(verify):
    _, _, request = signed("github")
    ran = verify("--scheme", "stripe", "--secret", "whsec_" + "a" * 20, *typed("github", request)[6:], body=request.body)
    assert ran.code == 1
    assert "the request has no header stripe-signature; there are content-type, x-github-delivery" in ran.line
    assert "which look like --scheme github" in ran.line
    none = verify("--scheme", "stripe", "--secret", "whsec_" + "a" * 20)
    assert "no header stripe-signature; none was given; right is --header" in none.line


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("twilio", lambda url: url.replace("https:", "http:"), "https://example.com/hooks/in?tenant=7&b=2&bodySHA256="),
        ("hubspot", lambda url: url.replace("/in?", "/in/?"), "https://example.com/hooks/in?tenant=7&b=2"),
        ("http-message", lambda url: url.replace("https:", "http:"), "https://example.com/hooks/in?tenant=7&b=2"),
        ("custom-api-key", lambda url: url.replace("https:", "http:"), "https://example.com/hooks/in?tenant=7&b=2"),
    ],
)
def test_the_url_that_was_called_is_said(verify, name, wrong, right):
    _, secret, request = signed(name)
    ran = verify(*typed(name, replace(request, url=wrong(request.url)), secret), body=request.body)
    assert ran.code == 1
    assert f"the signature is right for the URL {right}" in ran.line


def test_the_method_that_was_used_is_said(verify):
    _, secret, request = signed("hubspot")
    ran = verify(*typed("hubspot", replace(request, method="GET"), secret), body=request.body)
    assert "the signature is right for the method POST: give it as --method" in ran.line


def test_the_secret_may_stand_in_the_environment(verify, monkeypatch):
    case, secret, request = signed()
    monkeypatch.setenv("HOOKLINE_SECRET", secret)
    assert verify(*typed("stripe", request), body=request.body).code == 0
    monkeypatch.setenv("HOOKLINE_SECRET", f"{case.secret()} {secret}")
    assert verify(*typed("stripe", request), body=request.body).code == 0
    words = "It's a Secret to Everybody"
    monkeypatch.setenv("HOOKLINE_SECRET", words)
    spaced = named("github").scheme.sign(named("github").request(), [words], 0)
    assert verify(*typed("github", spaced), body=spaced.body).code == 0


def test_the_api_key_may_stand_in_the_environment(verify, monkeypatch):
    _, secret, request = signed("custom-api-key")
    words = [each for each in typed("custom-api-key", request, secret) if each != "api_key=key-1"]
    words.pop()  # the option that has lost its value
    monkeypatch.setenv("HOOKLINE_API_KEY", "key-1")
    assert verify(*words, body=request.body).code == 0
    monkeypatch.setenv("HOOKLINE_API_KEY", "key-2")
    assert "the API key in X-Api-Key is another one" in verify(*words, body=request.body).line


def test_headers_and_body_may_come_from_files(verify, tmp_path):
    _, secret, request = signed("standard")
    (tmp_path / "headers").write_text("".join(f"{name}: {value}\r\n" for name, value in request.headers))
    (tmp_path / "body").write_bytes(request.body)
    words = ["--scheme", "standard", "--secret", secret, "--header", f"@{tmp_path / 'headers'}", "--body", str(tmp_path / "body")]
    assert verify(*words).code == 0
    gone = verify(*words[:-1], str(tmp_path / "gone"))
    assert gone.code == 1
    assert "gone: No such file" in gone.line


def test_a_file_of_headers_may_be_a_request_as_it_came(verify, tmp_path):
    case = named("standard")
    secret = case.secret()
    request = case.scheme.sign(case.request(), [case.secret(), secret], int(time.time()))
    folded = "".join(f"{name}: {value.replace(' ', chr(13) + chr(10) + chr(9))}\r\n" for name, value in request.headers)
    came = tmp_path / "request"
    came.write_bytes(f"\r\nPOST /hooks/in?tenant=7&b=2 HTTP/1.1\r\nHost: example.com\r\n{folded}\r\nno header\r\n".encode())
    ran = verify("--scheme", "standard", "--secret", secret, "--header", f"@{came}", body=request.body)
    assert ran.code == 0, ran.err


def test_a_public_key_verifies(verify):
    _, secret, request = signed("standard-v1a")
    assert verify(*typed("standard-v1a", request, ed25519.public_key(secret)), body=request.body).code == 0


def test_old_versions_of_hubspot_are_taken_if_that_is_asked_for(verify):
    signature = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
    body = (
        b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation",'
        b'"attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
    )
    headers = (("X-HubSpot-Signature-Version", "v1"), ("X-HubSpot-Signature", signature))
    request = SignableRequest(url="https://www.example.com/webhook_uri", headers=headers, body=body)
    HUBSPOT_OLD.verify(request, ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], 0)
    words = typed("hubspot", request, "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy")
    assert verify(*words, "--old-version", "v1", body=body).code == 0
    assert verify(*words, body=body).code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scheme", "strip", "--secret", "a"], "--scheme: 'strip' is no signature scheme; right is one of 'standard'"),
        (["--scheme", "github"], "--secret is missing: give it, or set HOOKLINE_SECRET"),
        (["--scheme", "twilio", "--secret", "a"], "--url is missing: twilio signs the URL"),
        (["--scheme", "http-message", "-p", "key_id=a", "--secret", "a"], "--url is missing: http-message signs the URL"),
        (["--scheme", "custom", "--secret", "a"], "--parameter signature_header: is not set, and 'custom' needs it"),
        (
            ["--scheme", "custom", "-p", "signature_header=X", "-p", "algorithm=md5", "--secret", "a"],
            "--parameter algorithm: 'md5' is not right; right is one of sha1",
        ),
        (["--scheme", "custom", "-p", "signature_header", "--secret", "a"], "right is NAME=VALUE"),
        (["--scheme", "github", "-p", "key_id=a", "--secret", "a"], "the scheme 'github' has none"),
        (["--scheme", "hubspot", "--old-version", "v4", "--secret", "a"], "--old-version: "),
        (["--scheme", "github", "--old-version", "v1", "--secret", "a"], "the scheme github has no versions"),
        (["--scheme", "github", "--secret", "a", "--header", "nothing"], "right is 'Name: value'"),
        (["--scheme", "github", "--secret", "a", "--at", "noon"], "--at: 'noon' is no time"),
        (["--scheme", "github", "--secret", "a", "--tolerance", "long"], "--tolerance: 'long' is no span"),
        (["--scheme", "standard", "--secret", "secret", "-H", "webhook-id: a"], "no header webhook-timestamp"),
    ],
)
def test_a_command_that_cannot_be_understood_says_what_is_right(verify, words, said):
    ran = verify(*words)
    assert ran.code == (1 if "no header" in said else 2)
    assert said in ran.line


def test_a_malformed_secret_is_named_as_such_and_not_shown(verify):
    _, _, request = signed("standard")
    ran = verify(*typed("standard", request, "sesame-open"), body=request.body)
    assert ran.code == 2
    assert "secret: the secret does not begin with 'whsec_'" in ran.line
    assert "sesame" not in ran.line


def test_programs_get_one_object_with_a_stable_fault(verify):
    case, secret, request = signed()
    right = verify(*typed("stripe", request, secret), "--json", body=request.body)
    assert (right.code, right.json) == (0, {"verified": True, "scheme": "stripe", "fault": None, "message": ""})
    wrong = verify(*typed("stripe", request, case.secret()), "--json", body=request.body)
    assert wrong.code == 1
    assert wrong.json["verified"] is False
    assert wrong.json["fault"] == "NO_MATCHING_SIGNATURE"
    assert "another secret" in wrong.json["message"]


@given(
    st.sampled_from(CASES),
    st.text(max_size=30) | st.sampled_from(["http://a/ü?b=%3A", "https://a\udc80/"]),
    st.lists(st.tuples(st.sampled_from(["content-type", "webhook-id", "x-twilio-signature"]), st.text(max_size=20)), max_size=3),
    st.binary(max_size=60),
    st.integers(0, 250_000_000_000),
)
def test_whatever_is_refused_is_explained_in_a_sentence(case, url, headers, body, now):
    secret = case.secret()
    honest = case.scheme.sign(case.request(), [secret], NOW)
    for made in (tuple(headers), (*honest.headers, *headers)):
        request = SignableRequest(url=url, headers=made, body=body)
        check = Check(scheme=case.scheme, request=request, secrets=[secret], now=now, tolerance=300)
        error = check.refusal()
        assert error is not None
        assert check.explained(error)


@pytest.mark.parametrize("at", [str(NOW), f"{NOW}000", "2025-06-15T15:06:40Z"])
def test_the_time_may_be_written_as_headers_have_it(verify, at):
    case, secret = named("slack"), named("slack").secret()
    request = case.scheme.sign(case.request(), [secret], NOW)
    ran = verify(*typed("slack", request, secret), "--at", at, body=request.body)
    assert ran.code == 0, ran.err


def test_the_body_comes_byte_for_byte_through_a_pipe():
    raw = bytes(range(256)) + b"\r\n"
    _, secret, request = signed("github", body=raw)
    child = process("verify", *typed("github", request, secret), stdin=-1)
    out, err = child.communicate(raw, timeout=60)
    assert (child.returncode, err) == (0, b"")
    assert out == b"verified: the signature is right (github, 258 bytes)\n"
