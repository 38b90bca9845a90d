"""Laws of all formats, and of each."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from conformance.report.samples import SECRET, failure, mixed, report, reports, verdict
from hypothesis import given, settings
from rich.console import Console

from hookline_conformance import Exchange, Level, Status
from hookline_conformance.report import FORMATS, render, show

SCHEMA = Path(__file__).parents[3] / "docs/conformance/report.schema.json"


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")), validate_formats=True)


def terminal(given_report: object, **options: object) -> str:
    out = io.StringIO()
    show(given_report, Console(file=out, width=120, **options))
    return out.getvalue()


@settings(max_examples=30)
@given(reports)
def test_every_format_can_tell_every_report(given_report):
    for name in FORMATS:
        render(given_report, name).encode()
    terminal(given_report)


@settings(max_examples=60)
@given(given_report=reports)
def test_json_reports_validate_against_the_published_schema(schema, given_report):
    schema.validate(json.loads(render(given_report, "json")))


@settings(max_examples=60)
@given(given_report=reports)
def test_junit_is_well_formed_and_counts_what_it_holds(given_report):
    for suite in ET.fromstring(render(given_report, "junit")):
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        for what, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(what)) == len(suite.findall(f"testcase/{tag}"))


class _Scripts(HTMLParser):
    """Counts script elements, and keeps every address that the page would load from."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.loads: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.loads += [value for name, value in attrs if name == "src" or (name == "href" and tag == "link")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


@settings(max_examples=30)
@given(reports)
def test_the_page_runs_no_script_but_its_own_and_loads_nothing(given_report):
    page = render(given_report, "html")
    parser = _Scripts()
    parser.feed(page)
    assert (parser.scripts, parser.loads, parser.handlers) == (1, [], [])
    assert "default-src 'none'" in page


def test_the_policy_of_the_page_names_the_hashes_of_its_style_and_script():
    import hashlib

    page = render(mixed(), "html")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in page


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"badge"}))
def test_a_failure_is_told_with_requirement_source_example_bytes_expectation_and_command(name):
    text = render(report(failure()), name).replace("&#39;", "'")
    for part in (
        "SIG-003",
        "A forged delivery is refused.",
        "standardwebhooks.com",
        "body b'{}'",
        "POST /hooks HTTP/1.1",
        "HTTP/1.1 200 OK",
        "a 4xx status",
        "--only SIG-003 --seed 7",
        "curl -sS",
    ):
        assert part in text, part


def test_the_terminal_tells_a_failure_in_full_and_the_table_by_area():
    text = terminal(mixed())
    for part in ("✗ SIG-002", "Standard Webhooks", "a 4xx status", "POST /hooks", "--only SIG-002 --seed 7", "curl -sS"):
        assert part in text, part
    assert re.search(r"Signing +1 passed, 1 known failure, 1 failed +1 not met", text)
    assert "not checked: no way to see effects was given (IDM-001)" in text
    assert "TIM-001 is declared as failing, and it passed: the library's issue 13" in text
    assert text.rstrip().endswith("Does not conform: 1 MUST requirement fails")


def test_commands_stand_in_one_line_however_narrow_the_terminal():
    out = io.StringIO()
    show(report(failure()), Console(file=out, width=40))
    assert re.search(r"^repeat .*--seed 7$", out.getvalue(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"badge"}))
def test_an_expected_failure_that_passes_is_reported(name):
    assert "the library's issue 13" in render(mixed(), name).replace("&#39;", "'")


def test_what_was_not_checked_counts_as_passed_nowhere():
    unseen = report(verdict("IDM-001", Status.NOT_CHECKED, detail="no way to see effects was given"), verdict("SIG-001"))
    document = json.loads(render(unseen, "json"))
    assert document["summary"]["MUST"] == {"passed": 1, "not-checked": 1}
    assert len(ET.fromstring(render(unseen, "junit")).findall(".//skipped")) == 1
    assert "1 passed" in render(unseen, "badge")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_report_without_a_verdict_says_so_and_why(name):
    text = render(report(no_verdict="127.0.0.1:1 does not answer"), name)
    assert "no verdict" in text.lower() or "no_verdict" in text
    assert name == "badge" or "127.0.0.1:1 does not answer" in text


@pytest.mark.parametrize(
    ("verdicts", "tone", "message"),
    [
        ((verdict("SIG-001"),), "#1a7f4e", "1 passed"),
        ((verdict("SIG-001"), failure("SIG-002", Level.SHOULD)), "#96690a", "1 passed"),
        ((verdict("SIG-001"), failure("SIG-002")), "#b3362c", "1 MUST failed"),
        ((), "#5d6673", "no verdict"),
    ],
)
def test_the_badge_says_how_many_passed_or_failed(verdicts, tone, message):
    picture = render(report(*verdicts), "badge")
    ET.fromstring(picture)
    assert tone in picture
    assert message in picture


def test_json_holds_every_byte():
    sent = bytes(range(256)) * 40
    (found,) = json.loads(render(report(failure(exchanges=(Exchange(sent=sent, received=b""),))), "json"))["verdicts"]
    assert base64.b64decode(found["exchanges"][0]["sent"]["data"]) == sent


@pytest.mark.parametrize("name", [*sorted(FORMATS), "terminal"])
def test_no_format_shows_the_secret(name):
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    leaky = report(
        failure(
            detail=f"key {SECRET}",
            expected=key.hex(),
            got=SECRET.removeprefix("whsec_"),
            example=repr(SECRET),
            exchanges=(Exchange(sent=b"X: " + key, received=SECRET.encode(), note=SECRET, secrets=(SECRET,)),),
            known=SECRET,
        )
    )
    text = terminal(leaky) if name == "terminal" else render(leaky, name)
    assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in text
    assert key.hex() not in text
