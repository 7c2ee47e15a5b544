"""`report.junit.xml`: the gates of an evaluation, or its verdict, as test cases that continuous integration shows."""

import re
from xml.etree import ElementTree

from evals.data.contract import GateReport, Report
from loopwright.console import printable
from prep.pii import mask

# What `printable` leaves of the characters that XML 1.0 has no way to write.
_NOT_XML = re.compile("[\ufffe\uffff]")


def render_junit(report: Report) -> str:
    """Returns the XML: one test case a gate; without gates one of the verdict, which fails where it is worse and is skipped undecided."""
    cases = [_gate(gate) for gate in report.gates] or [_verdict(report)]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{report.seconds:.3f}",
    }
    suite = ElementTree.Element("testsuite", {"name": _text(f"evals {report.dataset_name} {report.split}"), **counts})
    for case in cases:
        case.set("classname", _text(f"evals.{report.dataset_name}"))
        suite.append(case)
    said = report.headline.sentence if report.headline is not None else ""
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(text for text in (said, report.verdict, *report.warnings) if text))
    suites = ElementTree.Element("testsuites", {"name": "loopwright", **counts})
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _gate(gate: GateReport) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": _text(gate.name)})
    if not gate.passed:
        value = "there is no value" if gate.value is None else f"{gate.value:.6g}"
        failure = ElementTree.SubElement(case, "failure", {"type": "gate", "message": f"{value}, the limit is {gate.limit:.6g}"})
        failure.text = _text(f"{gate.name}: {value}, the limit is {gate.limit:.6g}")
    return case


def _verdict(report: Report) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": "verdict"})
    if report.verdict_detail.outcome == "worse":
        ElementTree.SubElement(case, "failure", {"type": "verdict", "message": _text(report.verdict)}).text = _text(report.verdict)
    elif report.verdict_detail.outcome == "cannot tell":
        ElementTree.SubElement(case, "skipped", {"message": _text(report.verdict)})
    return case


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", printable(mask(text)))
