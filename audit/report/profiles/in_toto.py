"""An in-toto statement with the test-result predicate v0.1, for a supply chain's own signing and policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from audit.report.profiles.frame import Case, Document
from audit.result import Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def as_json(case: Case) -> Document:
    """The statement; unsigned, for who wraps it signs it. Its subject is the model, where one is named.

    A shut gate is FAILED, an open one that rests on a waiver or on `on_inconclusive` is WARNED. A rule
    that the evidence does not decide is failed where the gate is shut, and warned where it is not.
    """
    result, decision = case.result, case.decision
    model = result.system.model
    if model is not None:
        subject = _resource(model.path, model.sha256)
    else:
        subject = _resource("audit.json", case.bundle_id)
    lists: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    severities = {rule.id: rule.severity for rule in result.policy.rules}
    shut = (
        {reason.id for reason in decision.reasons if reason.kind == "rule"} if decision.exit_code else set()
    )
    for rule in result.rules:
        if rule.verdict is Verdict.PASS:
            lists["passedTests"].append(rule.rule)
        elif rule.rule in shut and severities.get(rule.rule) != "minor":
            lists["failedTests"].append(rule.rule)
        else:
            lists["warnedTests"].append(rule.rule)
    clean = decision.verdict is Verdict.PASS and not decision.rests_on_waivers and not lists["warnedTests"]
    configuration = _resource(result.policy.path or "policy", result.policy.digest)
    document = {
        "_type": STATEMENT,
        "subject": [subject],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "FAILED" if decision.exit_code else "PASSED" if clean else "WARNED",
            "configuration": [configuration, _resource("audit.json", case.bundle_id)],
            **lists,
        },
    }
    faults = () if model else ("no model file is named, so the statement is about the audit's own result",)
    return Document(json.dumps(document, ensure_ascii=True, indent=1) + "\n", (), faults)


FORMATS: dict[str, Callable[[Case], Document]] = {"json": as_json}


def _resource(name: str, sha256: str | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": name}
    if sha256:
        plain["digest"] = {"sha256": sha256}
    return plain
