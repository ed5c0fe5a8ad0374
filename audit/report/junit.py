"""JUnit XML: a suite per rule, a case per comparison, so that a CI server lists what kept the gate shut."""

from __future__ import annotations

from collections import defaultdict
from xml.etree import ElementTree as ET

from audit.gate import Decision, Reason
from audit.report.numbers import clean
from audit.report.outcome import TEXT_LIMIT, Outcome, Status, inconclusive_fails, outcomes
from audit.result import AuditResult, Rule, Verdict

NO_TIME = "0"
"""An audit takes its time as a whole: a case has none of its own, and a figure is no time."""


def render(result: AuditResult, decision: Decision) -> str:
    """The XML document. Violations, and what is inconclusive where that shuts the gate, are failures."""
    fails = inconclusive_fails(result, decision)
    of_rule: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes(result, decision):
        of_rule[outcome.rule.id].append(outcome)
    suites = [_suite(rule, of_rule[rule.id], result, fails) for rule in result.policy.rules]
    others = [reason for reason in decision.reasons if reason.kind != "rule" or reason.id == "policy"]
    if others:
        suites.append(_gate_suite(others, fails))
    root = ET.Element("testsuites", {"name": clean(f"harm-audit {result.system.name}"), **_totals(suites)})
    root.extend(suites)
    ET.indent(root, " ")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="unicode") + "\n"


def _suite(rule: Rule, found: list[Outcome], result: AuditResult, fails: bool) -> ET.Element:
    cases = [_case(outcome, fails) for outcome in found]
    if not found:
        why = next((said.why for said in result.rules if said.rule == rule.id), "no comparison was made")
        case = ET.Element("testcase", _names(f"{rule.id}.{rule.metric}", "no comparison"))
        _inconclusive(case, why, fails and rule.severity != "minor")
        cases = [case]
    return _suite_of(rule.id, cases)


def _gate_suite(reasons: list[Reason], fails: bool) -> ET.Element:
    cases = []
    for reason in reasons:
        case = ET.Element("testcase", _names(f"gate.{reason.kind}", reason.id))
        text = f"{reason.text} {reason.next_step}"
        if reason.verdict is Verdict.VIOLATION:
            ET.SubElement(case, "failure", {"type": reason.kind, "message": clean(text, TEXT_LIMIT)})
        elif reason.kind in ("mismatch", "stale"):
            ET.SubElement(case, "error", {"type": reason.kind, "message": clean(text, TEXT_LIMIT)})
        else:
            _inconclusive(case, text, fails)
        cases.append(case)
    return _suite_of("gate", cases)


def _suite_of(name: str, cases: list[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": clean(name)})
    suite.extend(cases)
    counts = {
        "tests": len(cases),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.set("time", NO_TIME)
    return suite


def _totals(suites: list[ET.Element]) -> dict[str, str]:
    counts = {
        key: str(sum(int(suite.get(key, "0")) for suite in suites))
        for key in ("tests", "failures", "errors", "skipped")
    }
    return {**counts, "time": NO_TIME}


def _names(class_name: str, name: str) -> dict[str, str]:
    return {"classname": clean(class_name), "name": clean(name, TEXT_LIMIT), "time": NO_TIME}


def _case(outcome: Outcome, fails: bool) -> ET.Element:
    case = ET.Element("testcase", _names(f"{outcome.rule.id}.{outcome.finding.metric}", outcome.against))
    properties = ET.SubElement(case, "properties")
    for key, value in _properties(outcome).items():
        ET.SubElement(properties, "property", {"name": key, "value": value})
    match outcome.status:
        case Status.VIOLATION:
            failure = ET.SubElement(case, "failure", {"type": "violation", "message": outcome.text})
            failure.text = outcome.text
        case Status.INCONCLUSIVE:
            _inconclusive(case, outcome.text, fails)
        case Status.WAIVED:
            waiver = outcome.finding.waived
            by = f"waived by {waiver.approver} until {waiver.expires}: {waiver.reason}. " if waiver else ""
            message = clean(by, TEXT_LIMIT) + outcome.text
            ET.SubElement(case, "skipped", {"message": message})
        case Status.REPORTED:
            message = f"{outcome.finding.verdict.value}, reported and not deciding. {outcome.text}"
            ET.SubElement(case, "skipped", {"message": message})
        case Status.PASS:
            ET.SubElement(case, "system-out").text = outcome.text
    return case


def _inconclusive(case: ET.Element, text: str, fails: bool) -> None:
    message = clean(text, TEXT_LIMIT)
    if fails:
        ET.SubElement(case, "failure", {"type": "inconclusive", "message": message}).text = message
    else:
        ET.SubElement(case, "skipped", {"message": f"inconclusive. {message}"})


def _properties(outcome: Outcome) -> dict[str, str]:
    finding, comparison = outcome.finding, outcome.comparison
    figures: dict[str, float | int | None] = {}
    if not outcome.hidden:
        figures = {
            "value": finding.value,
            "low": finding.low,
            "high": finding.high,
            "n": comparison.n,
            "reference_n": comparison.reference_n,
            "p_pass": comparison.p_pass,
            "p_violation": comparison.p_violation,
            "rows_needed": finding.rows_needed,
        }
    words = {"verdict": finding.verdict.value, "bound": finding.bound, "severity": finding.severity}
    return {**words, **{key: repr(value) for key, value in figures.items() if value is not None}}
