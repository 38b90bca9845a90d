"""The plugin: a team's own receiver, one test a requirement."""

import subprocess
import sys

import pytest
from conformance.cli.receiving import SECRET, receiving

pytest_plugins = ["pytester"]

HEAD = """
import pytest
from hookline_conformance.pytest_plugin import Receiver

@pytest.fixture(scope="session")
def hookline_receiver():
    return Receiver(url={url!r}, secret={secret!r}, effects=effects)

def effects():
    import json, urllib.request
    return json.load(urllib.request.urlopen({effects!r}))

"""
TEST = """
@pytest.mark.hookline_conformance({options})
def test_webhooks(hookline_requirement):
    hookline_requirement.hold()
"""


@pytest.fixture(autouse=True)
def settled(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")


def outcomes(pytester: pytest.Pytester, app: object, options: str, *, head: str = HEAD) -> pytest.RunResult:
    text = head.format(url=app.url, secret=SECRET, effects=app.effects_url)
    pytester.makepyfile(text + TEST.format(options=options))
    return pytester.runpytest_inprocess("-rA", "-p", "no:cacheprovider")


def test_each_requirement_is_a_test_of_its_own(pytester):
    with receiving() as app:
        result = outcomes(pytester, app, "scheme='standard', only=('SIG-001', 'SIG-003')")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_webhooks[[]SIG-001[]]*", "*test_webhooks[[]SIG-003[]]*"])


def test_a_must_that_fails_is_a_failed_test_that_shows_everything_but_the_secret(pytester):
    with receiving(verifies=False) as app:
        result = outcomes(pytester, app, "scheme='standard', only=('SIG-003',)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SIG-003 (MUST)*", "*expected:*", "*POST /hooks HTTP/1.1*", "*repeat:*--only SIG-003*"])
    assert SECRET not in result.stdout.str()


def test_a_declared_failure_is_an_expected_failure(pytester):
    pytester.makefile(".toml", known='[[failure]]\nrequirement = "SIG-003"\nreason = "it verifies nothing"\n')
    with receiving(verifies=False) as app:
        result = outcomes(pytester, app, "scheme='standard', only=('SIG-003',), known='known.toml'")
    result.assert_outcomes(xfailed=1)


def test_a_declared_failure_that_holds_is_a_warning(pytester):
    pytester.makefile(".toml", known='[[failure]]\nrequirement = "SIG-003"\nreason = "it verifies nothing"\n')
    with receiving() as app:
        result = outcomes(pytester, app, "scheme='standard', only=('SIG-003',), known='known.toml'")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*UnexpectedPass: SIG-003 is declared as failing, and it holds: it verifies nothing*"])


def test_what_cannot_be_checked_is_skipped_with_its_reason(pytester):
    with receiving() as app:
        head = HEAD.replace(", effects=effects", "")
        result = outcomes(pytester, app, "scheme='standard', areas=('IDM',), level='MUST'", head=head)
    assert result.parseoutcomes()["skipped"] > 0
    result.stdout.fnmatch_lines(["*effects cannot be seen*"])


def test_an_effects_callable_that_errs_is_no_verdict(pytester):
    with receiving() as app:
        head = HEAD.replace("return json.load", "return len")
        result = outcomes(pytester, app, "scheme='standard', only=('SIG-003',)", head=head)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: no verdict: the effects probe*"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("scheme='standard', only=('SIG-999',)", "*SIG-999*"),
        ("scheme='standard', level='PERHAPS'", "*PERHAPS*"),
        ("scheme='standard', nonsense=1", "*nonsense*"),
        ("scheme='standard', areas=('EMI',)", "*no requirement fits*"),
    ],
)
def test_a_marker_that_means_nothing_is_named(pytester, options, said):
    with receiving() as app:
        result = outcomes(pytester, app, options)
    assert result.ret != 0
    result.stdout.fnmatch_lines([said])


def test_where_the_extra_is_not_installed_pytest_works_and_says_what_is_missing(pytester):
    pytester.makeconftest("import sys\nsys.modules['hypothesis'] = None\n")
    pytester.makepyfile(TEST.format(options="scheme='standard'").replace("@", "import pytest\n@", 1) + "def test_other(): pass\n")
    environment = {"PYTHONPATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
    command = [sys.executable, "-m", "pytest", "-p", "hookline_conformance.pytest_plugin"]
    every = subprocess.run(command, cwd=pytester.path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "pip install 'hookline[conformance]'" in every.stdout + every.stderr
    only = subprocess.run(
        [*command, "-k", "other", "--continue-on-collection-errors"],
        cwd=pytester.path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "No module named" not in only.stdout + only.stderr


def test_loading_the_plugin_loads_nothing_of_the_extra():
    code = (
        "import sys, hookline_conformance.pytest_plugin\n"
        "assert not {'hypothesis', 'pydantic', 'rich', 'typer', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
