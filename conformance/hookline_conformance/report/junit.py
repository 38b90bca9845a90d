"""The report as JUnit XML, one test case a requirement, which every CI system reads."""

import re
from typing import Final
from xml.etree import ElementTree as ET

from hookline_conformance.report.failure_text import failure_text
from hookline_conformance.report.standing import Standing, areas, dialled, no_verdict, standing
from hookline_conformance.verdict import Report, Verdict

# XML 1.0 has no way to write these, not even as a reference.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """`report` as a JUnit document; a SHOULD or MAY that failed is skipped with its reason, since it breaks nothing."""
    root = ET.Element("testsuites", name="hookline-conformance", time=f"{report.duration:.3f}")
    if reason := no_verdict(report):
        suite = _suite(root, report, "no verdict", tests=1, failures=0, skipped=0, errors=1)
        case = ET.SubElement(suite, "testcase", classname=f"conformance.{report.kind.value}", name="verdict")
        ET.SubElement(case, "error", message=_xml(reason), type="NoVerdict")
    else:
        for area in areas(report):
            standings = [standing(verdict) for verdict in area.verdicts]
            failed, passed = standings.count(Standing.FAILED), standings.count(Standing.PASSED)
            skipped = len(standings) - failed - passed
            suite = _suite(root, report, area.title, tests=len(standings), failures=failed, skipped=skipped, errors=0)
            for verdict in area.verdicts:
                _case(suite, report, verdict)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, report: Report, name: str, *, tests: int, failures: int, skipped: int, errors: int) -> ET.Element:
    suite = ET.SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(tests),
        failures=str(failures),
        errors=str(errors),
        skipped=str(skipped),
        timestamp=report.start.isoformat(),
    )
    properties = ET.SubElement(suite, "properties")
    facts = {"target": report.target, "scheme": report.scheme or "", "seed": str(report.seed), "mode": report.mode}
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=key, value=_xml(value))
    return suite


def _case(suite: ET.Element, report: Report, verdict: Verdict) -> None:
    requirement = verdict.requirement
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"conformance.{report.kind.value}.{requirement.area}",
        name=f"{requirement.id} {requirement.level.value}: {_xml(requirement.text)}",
    )
    how = standing(verdict)
    if how is Standing.FAILED:
        failure = ET.SubElement(case, "failure", message=_xml(verdict.detail), type=requirement.level.value)
        failure.text = _xml(failure_text(verdict, dialled(report)))
    elif how is Standing.PASSED:
        if verdict.unexpected_pass:
            ET.SubElement(case, "system-out").text = _xml(f"declared as a known failure, and it passed: {verdict.known}")
    else:
        ET.SubElement(case, "skipped", message=_xml(f"{how.label}: {verdict.known or verdict.detail}"))
        if how in (Standing.WARNED, Standing.KNOWN):
            ET.SubElement(case, "system-out").text = _xml(failure_text(verdict, dialled(report)))


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
