"""The pages of docs/conformance are what the suite is."""

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from hookline_conformance import Binds, load_catalogue

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import kill_matrix  # noqa: E402 - it is found in scripts/


def test_the_committed_catalogue_and_matrix_are_the_present_ones():
    command = [sys.executable, "scripts/generate_conformance_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("binds", kill_matrix.present())
def test_the_kept_results_are_those_of_the_present_mutants_and_each_was_killed_by_what_it_breaks(binds):
    kept = kill_matrix.load()[binds]
    assert sorted((result.name, result.breaks) for result in kept) == sorted(kill_matrix.present()[binds])
    assert [result.name for result in kept if not result.killed] == []


def test_the_schema_of_reports_is_a_schema():
    import jsonschema_rs

    jsonschema_rs.meta.validate(json.loads((ROOT / "docs/conformance/report.schema.json").read_text("utf-8")))


def test_the_sample_report_is_a_page_of_its_own():
    text = (ROOT / "docs/conformance/sample-report.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "default-src 'none'" in text


def test_the_sample_report_is_of_the_present_requirements():
    text = (ROOT / "docs/conformance/sample-report.html").read_text("utf-8")
    found = re.findall(
        r'<span class="id">([A-Z]{3}-[0-9]{3})</span><span class="tag [^>]*>([A-Z]+)</span>.*?sentence">(.*?)</span>', text
    )
    binding = load_catalogue().binding(Binds.RECEIVER)
    wanted = {item.id: (str(item.level), item.text) for item in binding if item.applies_to("standard")}
    assert {name: (level, re.sub("<[^>]*>", "`", unescape(sentence))) for name, level, sentence in found} == wanted
