"""OSCAL assessment results 1.1: rules and checklist items as findings, the harm register as risks."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from audit.governance.harms import Harm
from audit.governance.status import Assessed
from audit.report import numbers
from audit.report.governed import has_figures
from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, Field, harm_title, missing
from audit.report.profiles.measured import RuleLine

OSCAL = "1.1.3"
NAMESPACE = "https://harm-audit.invalid/ns/oscal"
CONTROLS = "NIST-AI-RMF"
"""Whose subcategories are the reviewed controls: measure-2.11 is MEASURE 2.11."""
RISK_STATUS = {"closed": "closed", "accepted": "deviation-approved", "treating": "remediating"}
"""OSCAL's word for each status of a harm; any other is open."""


def as_json(case: Case) -> Document:
    """The assessment results; equal evidence gives equal identifiers, so that a run can be compared."""
    blanks, faults = missing(_fields(case)), _faults(case)
    draft = bool(blanks or faults)
    results = {
        "uuid": _id(case, "assessment-results"),
        "metadata": _metadata(case, draft, blanks),
        "import-ap": {
            "href": f"#{_id(case, 'plan')}",
            "remarks": "The plan is the policy file that was fixed before the test.",
        },
        "results": [_result(case)],
        "back-matter": {"resources": _resources(case)},
    }
    text = json.dumps({"assessment-results": results}, ensure_ascii=True, indent=1, allow_nan=False)
    return Document(text + "\n", blanks, faults)


FORMATS: dict[str, Callable[[Case], Document]] = {"json": as_json}


def _fields(case: Case) -> tuple[Field, ...]:
    return (
        case.system("owner", "Owner", "who answers for the system"),
        case.system("version", "Version", "which version was audited"),
        case.fact("auditor", "Assessor", "who audited"),
        case.fact("intended_purpose", "Purpose", "what the system is for"),
        case.fact("data_source", "Data", "where the data come from, and why these"),
    )


def _faults(case: Case) -> tuple[str, ...]:
    faults = []
    if not case.result.policy.digest:
        faults.append("the policy came from no file, so that there is no assessment plan to point to")
    if not case.lists:
        faults.append("no checklist is in use, so that no control was reviewed but by the rules")
    if case.situation.register is None:
        faults.append("there is no harm register, so that no risks can be listed: `harm-audit harms`")
    return tuple(faults)


def _id(case: Case, name: str) -> str:
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}#{case.bundle_id}"), name))


def _line(text: str, limit: int = 400) -> str:
    """One line that is not empty."""
    return " ".join(numbers.clean(text, limit).split()) or "(empty)"


def _token(text: str) -> str:
    """A name as OSCAL's tokens are: a letter first, then letters, digits, dots, dashes, underscores."""
    plain = re.sub(r"[^\w.-]", "-", text, flags=re.ASCII).strip("-.")
    return plain if re.match(r"[A-Za-z_]", plain) else f"x-{plain}".rstrip("-")


def _prop(name: str, value: object) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": _line(str(value))}


def _metadata(case: Case, draft: bool, blanks: tuple[Field, ...]) -> dict[str, Any]:
    result = case.result
    owner, assessor = _id(case, "owner"), _id(case, "assessor")
    fields = {field.name: field for field in _fields(case)}
    parties = [
        {"uuid": key, "type": kind, "name": _line(fields[name].value or f"TO BE FILLED: {fields[name].ask}")}
        for key, kind, name in ((owner, "organization", "owner"), (assessor, "person", "auditor"))
    ]
    return {
        "title": _line(f"{'DRAFT: ' if draft else ''}Disparity assessment of {result.system.name}"),
        "last-modified": _moment(result.created_at),
        "version": _line(result.system.version or "unversioned"),
        "oscal-version": OSCAL,
        "props": [_prop("tool-version", result.tool_version), _prop("bundle-id", case.bundle_id)],
        "roles": [{"id": "owner", "title": "Owner"}, {"id": "assessor", "title": "Assessor"}],
        "parties": parties,
        "responsible-parties": [
            {"role-id": "owner", "party-uuids": [owner]},
            {"role-id": "assessor", "party-uuids": [assessor]},
        ],
        "remarks": " ".join(
            (
                "Measurements for the groups and metrics examined; no legal advice, and no statement that a "
                "law is met.",
                *(f"To be filled: {field.label} ({field.where})." for field in blanks),
            )
        ),
    }


def _moment(text: str) -> str:
    return text if "T" in text else f"{text[:10]}T00:00:00Z"


def _result(case: Case) -> dict[str, Any]:
    items = [one for _, assessed in case.lists for one in assessed]
    rules = measured.rules(case)
    risks = [_risk(case, harm) for harm in (case.situation.register.harms if case.situation.register else ())]
    found: dict[str, Any] = {
        "uuid": _id(case, "result"),
        "title": _line(f"Audit of {case.result.system.name}"),
        "description": _line(
            f"{len(rules)} rules judged on {case.result.data.rows_audited} rows of "
            f"{case.result.data.source}; {len(items)} checklist items as of {case.situation.as_of}."
        ),
        "start": _moment(case.result.created_at),
        "end": _moment(case.result.created_at),
        "props": [_prop("verdict", case.decision.verdict.value)],
        "reviewed-controls": {"control-selections": [_selection(items)]},
    }
    observations = [_of_rule(case, rule) for rule in rules] + [_of_item(case, one) for one in items]
    findings = [_rule_finding(case, rule) for rule in rules] + [_item_finding(case, one) for one in items]
    for name, rows in (("observations", observations), ("risks", risks), ("findings", findings)):
        if rows:
            found[name] = rows
    return found


def _selection(items: list[Assessed]) -> dict[str, Any]:
    prefix = f"{CONTROLS} "
    cited = dict.fromkeys(
        cite.removeprefix(prefix).lower().replace(" ", "-")
        for one in items
        for cite in one.item.references
        if cite.startswith(prefix)
    )
    ids = sorted({*cited, "measure-2.11"})
    return {
        "description": "Subcategories of the NIST AI Risk Management Framework that the questions cite.",
        "include-controls": [{"control-id": name} for name in ids],
    }


def _of_rule(case: Case, rule: RuleLine) -> dict[str, Any]:
    return {
        "uuid": _id(case, f"observation:rule:{rule.id}"),
        "title": _line(f"Rule {rule.id}: {rule.title}"),
        "description": _line(f"{rule.comparison}, allowed {rule.bound}: {rule.verdict}. {rule.why}"),
        "props": [_prop("source", "derived"), _prop("severity", rule.severity)],
        "methods": ["TEST"],
        "types": ["control-objective"],
        "relevant-evidence": [
            {"href": f"#{_id(case, 'evidence')}", "description": "The audit's result, cells included."}
        ],
        "collected": _moment(case.result.created_at),
    }


def _rule_finding(case: Case, rule: RuleLine) -> dict[str, Any]:
    state = "satisfied" if rule.verdict == "pass" else "not-satisfied"
    reason = {"pass": "pass", "violation": "fail"}.get(rule.verdict, "other")
    return {
        "uuid": _id(case, f"finding:rule:{rule.id}"),
        "title": _line(f"Rule {rule.id}"),
        "description": _line(f"{rule.verdict}: {rule.why}"),
        "target": {
            "type": "objective-id",
            "target-id": _token(f"rule.{rule.id}"),
            "status": {"state": state, "reason": reason, "remarks": _line(rule.verdict)},
        },
        "related-observations": [{"observation-uuid": _id(case, f"observation:rule:{rule.id}")}],
    }


def _of_item(case: Case, one: Assessed) -> dict[str, Any]:
    return {
        "uuid": _id(case, f"observation:item:{one.item.id}"),
        "title": _line(f"{one.item.id}: {one.item.question}"),
        "description": _line(_why(case, one)),
        "props": [_prop("source", one.source), _prop("severity", one.item.severity)],
        "methods": ["TEST"] if one.source == "derived" else ["EXAMINE", "INTERVIEW"],
        "types": ["control-objective"],
        "collected": f"{case.situation.as_of.isoformat()}T00:00:00Z",
    }


def _item_finding(case: Case, one: Assessed) -> dict[str, Any]:
    reason = {"satisfied": "pass", "not_satisfied": "fail"}.get(one.status, "other")
    return {
        "uuid": _id(case, f"finding:item:{one.item.id}"),
        "title": _line(f"{one.item.id}: {one.item.question}"),
        "description": _line(f"{one.words}: {_why(case, one)}"),
        "target": {
            "type": "objective-id",
            "target-id": _token(one.item.id),
            "status": {
                "state": "not-satisfied" if one.open else "satisfied",
                "reason": reason,
                "remarks": _line(one.words),
            },
        },
        "related-observations": [{"observation-uuid": _id(case, f"observation:item:{one.item.id}")}],
    }


def _why(case: Case, one: Assessed) -> str:
    """The reason; without its figures where the policy withholds groups."""
    hidden = case.withheld.limit is not None and has_figures(one)
    return "the figures are in the audit; the policy withholds small groups" if hidden else one.why


def _risk(case: Case, harm: Harm) -> dict[str, Any]:
    rating = harm.residual or harm.inherent
    level = rating.level if rating else "unrated"
    title = _line(f"{harm.id}: {harm_title(case, harm)}")
    affected = ", ".join(harm.affected) or "nobody named"
    return {
        "uuid": _id(case, f"risk:{harm.id}"),
        "title": title,
        "description": _line((harm.description if case.withheld.limit is None else None) or title),
        "statement": _line(f"Affected: {affected}. Level: {level}."),
        "props": [_prop("level", level), _prop("owner", harm.owner or "nobody")],
        "status": RISK_STATUS.get(harm.status_on(case.situation.as_of), "open"),
    }


def _resources(case: Case) -> list[dict[str, Any]]:
    policy = case.result.policy
    rows = (("plan", policy.path or "policy", policy.digest), ("evidence", "audit.json", case.bundle_id))
    found = []
    for name, path, digest in rows:
        link: dict[str, Any] = {"href": re.sub(r"[^\w./-]", "-", path, flags=re.ASCII)}
        if digest:
            link["hashes"] = [{"algorithm": "SHA-256", "value": digest}]
        found.append({"uuid": _id(case, name), "title": _line(path), "rlinks": [link]})
    return found
