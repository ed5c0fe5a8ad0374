"""SARIF 2.1.0: each finding at its rule's line in the policy file, tracked by slice and not by line."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote

from audit.gate import Decision
from audit.report.numbers import clean
from audit.report.outcome import TEXT_LIMIT, Outcome, Status, outcomes, worst_first
from audit.result import AuditResult, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
KEPT = 5000
"""Results that GitHub keeps of a run; the worst come first."""
FINGERPRINT = "harmAudit/v1"
LEVELS = {"blocker": "error", "major": "error", "minor": "note"}


def render(result: AuditResult, decision: Decision, *, passes: bool = False) -> str:
    """The SARIF log. Passes are left out by default: GitHub shows every result as an alert, also a pass."""
    found = [o for o in worst_first(outcomes(result, decision)) if passes or o.status is not Status.PASS]
    rules = list(result.policy.rules)
    position = {rule.id: index for index, rule in enumerate(rules)}
    uri = _uri(result.policy.path)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "harm-audit",
                "version": result.tool_version,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "automationDetails": {"id": f"harm-audit/{clean(result.system.name)}/"},
        "invocations": [_invocation(decision, left_out=max(0, len(found) - KEPT))],
        "results": [_result(outcome, uri, position[outcome.rule.id]) for outcome in found[:KEPT]],
        "properties": {
            "verdict": decision.verdict.value,
            "policyDigest": result.policy.digest,
            "dataDigest": result.data.digest,
        },
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _uri(path: str | None) -> str:
    """The policy's path as a URI reference, relative where the path is."""
    if path is None:
        return "audit.yaml"
    if PurePosixPath(path).is_absolute():
        return "file://" + quote(clean(path, None))
    windows = PureWindowsPath(path)
    if windows.drive:
        return "file:///" + quote(windows.as_posix(), safe="/:")
    return quote(clean(path, None))


def _rule(rule: Rule) -> dict[str, Any]:
    metric = rule.metric.replace("_", " ")
    return {
        "id": clean(rule.id),
        "name": clean(rule.metric),
        "shortDescription": {"text": clean(f"{metric}, {rule.comparison.replace('_', ' ')}")},
        "help": {
            "text": f"`harm-audit explain {clean(rule.metric)}` says what this metric means and misses."
        },
        "defaultConfiguration": {"level": LEVELS.get(rule.severity, "warning")},
        "properties": {"severity": rule.severity, "judge": rule.judge, "tags": ["fairness", "harm-audit"]},
    }


def _invocation(decision: Decision, *, left_out: int) -> dict[str, Any]:
    said = [
        {"level": "error", "message": {"text": clean(f"{reason.text} {reason.next_step}", TEXT_LIMIT)}}
        for reason in decision.reasons
        if reason.kind != "rule"
    ]
    if left_out:
        text = f"{left_out} more results stand in audit.json; the worst {KEPT} are here."
        said.append({"level": "warning", "message": {"text": text}})
    invocation: dict[str, Any] = {"executionSuccessful": True, "exitCode": decision.exit_code}
    return {**invocation, "toolExecutionNotifications": said} if said else invocation


def _result(outcome: Outcome, uri: str, position: int) -> dict[str, Any]:
    failed = outcome.finding.verdict.value == "violation"
    if failed:
        kind, level = "fail", LEVELS.get(outcome.rule.severity, "warning")
    else:
        kind, level = ("pass" if outcome.status is Status.PASS else "open"), "none"
    found: dict[str, Any] = {
        "ruleId": clean(outcome.rule.id),
        "ruleIndex": position,
        "kind": kind,
        "level": level,
        "message": {"text": outcome.text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": max(1, outcome.rule.line or 1)},
                },
                "logicalLocations": [{"name": outcome.slice, "fullyQualifiedName": outcome.against}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: _fingerprint(outcome)},
        "properties": _properties(outcome),
    }
    waiver = outcome.finding.waived
    if outcome.status is Status.WAIVED and waiver is not None:
        text = clean(f"{waiver.approver}, until {waiver.expires}: {waiver.reason}", TEXT_LIMIT)
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": text}]
    return found


def _fingerprint(outcome: Outcome) -> str:
    """Of rule, metric and slice alone: it stays when a line moves, a bound changes or data is new."""
    finding = outcome.finding
    parts = [
        finding.rule,
        finding.metric,
        finding.comparison,
        finding.grouping,
        finding.group,
        finding.stratum,
    ]
    return hashlib.sha256(json.dumps([*parts, finding.reference]).encode()).hexdigest()


def _properties(outcome: Outcome) -> dict[str, Any]:
    finding, comparison = outcome.finding, outcome.comparison
    words = {"status": outcome.status.value, "bound": finding.bound, "severity": finding.severity}
    if outcome.hidden:
        return words
    return {
        **words,
        "estimate": finding.value,
        "low": finding.low,
        "high": finding.high,
        "n": comparison.n,
        "pPass": comparison.p_pass,
        "pViolation": comparison.p_violation,
        "rowsNeeded": finding.rows_needed,
    }
