"""A bias profile, kept as a living record: who, which data, which risks, what was measured, after IEEE 7003.

The clauses are named by number and short title; the layout of the JSON is this project's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from audit.report import numbers
from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, harm_title, missing
from audit.report.profiles.sections import Section, document, groups, register_faults

TITLE = "Bias profile, after IEEE 7003"
VERSION = "1.0"
CLAUSES = ("cl.4", "cl.6", "cl.7", "cl.8", "cl.9")
CITES = tuple(f"IEEE-7003 {clause}" for clause in CLAUSES)


def html(case: Case) -> Document:
    """The profile as a page."""
    return document(case, TITLE, CITES, _sections(case), register_faults(case))


def as_json(case: Case) -> Document:
    """The profile as JSON; `status` is draft while something is to be filled or lacking."""
    sections = _sections(case)
    blanks = missing(field for section in sections for field in section.fields)
    faults = register_faults(case)
    shown = (_profile(case), _stakeholders(case), _data(case), _risks(case), _evaluation(case))
    profile = {
        "bias_profile": VERSION,
        "status": "draft" if blanks or faults else "complete",
        "to_be_filled": [{"field": f.name, "where": f.where, "ask": f.ask} for f in blanks],
        "lacking": list(faults),
        "as_of": case.situation.as_of.isoformat(),
        "bundle": case.bundle_id,
        "clauses": [
            {
                "clause": clause.removeprefix("cl."),
                "title": section.title,
                "said": {field.name: field.value for field in section.fields},
                **evidence,
            }
            for clause, section, evidence in zip(CLAUSES, sections, shown, strict=True)
        ],
        "note": "Measurements for the groups and metrics examined; no legal advice.",
    }
    return Document(json.dumps(profile, ensure_ascii=True, indent=1, allow_nan=False) + "\n", blanks, faults)


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html, "json": as_json}


def _sections(case: Case) -> tuple[Section, ...]:
    titles = {cite: case.situation.registry.get(cite).title for cite in CITES}
    parts = (
        Section(
            "",
            fields=(
                case.system("owner", "Owner", "who answers for the system"),
                case.system("version", "Version", "which version was audited"),
                case.fact("intended_purpose", "Purpose", "what it is for"),
                case.system("output", "Output", "what it gives out"),
                case.statement("design_choices", "Choices and trade-offs"),
            ),
        ),
        Section(
            "",
            fields=(
                case.fact("population_served", "Persons concerned", "whom it decides on"),
                case.statement("views_sought", "Views sought"),
            ),
            shows=("consulted",),
        ),
        Section(
            "",
            fields=(
                case.fact("data_source", "Data audited", "where the data come from, and why these"),
                case.statement("data_sheet", "Training data"),
            ),
            shows=("groups",),
        ),
        Section(
            "",
            fields=(case.statement("risk_management", "Risk management"),),
            shows=("harms", "actions"),
        ),
        Section(
            "",
            fields=(
                case.statement("metric_reasons", "Why these metrics"),
                case.statement("limitations", "Limits"),
            ),
            shows=("rules", "figures", "not_measured"),
        ),
    )
    return tuple(
        Section(titles[cite], part.about, part.fields, part.shows)
        for cite, part in zip(CITES, parts, strict=True)
    )


def _profile(case: Case) -> dict[str, Any]:
    result = case.result
    model = result.system.model
    return {
        "system": numbers.clean(result.system.name),
        "audited": result.created_at,
        "model_sha256": model.sha256 if model else None,
        "policy_sha256": result.policy.digest,
    }


def _stakeholders(case: Case) -> dict[str, Any]:
    team, register = case.situation.team, case.situation.register
    affected = dict.fromkeys(
        group for harm in (register.harms if register else ()) for group in harm.affected
    )
    consulted = [
        {"who": c.who, "on": c.on.isoformat() if c.on else None, "how": c.how, "changed": c.changed}
        for c in team.consulted
    ]
    return {"affected": list(affected), "consulted": consulted, "reviewers": [r.role for r in team.reviewers]}


def _data(case: Case) -> dict[str, Any]:
    data = case.result.data
    return {
        "source": numbers.clean(data.source),
        "sha256": data.digest,
        "rows_read": data.rows_read,
        "rows_audited": data.rows_audited,
        "excluded": [{"reason": e.reason, "rows": e.rows} for e in data.excluded],
        "groups": [asdict(line) for line in groups(case)],
    }


def _risks(case: Case) -> dict[str, Any]:
    register, day = case.situation.register, case.situation.as_of
    if register is None:
        return {"harms": [], "looked_for_and_not_found": [], "actions": []}
    return {
        "harms": [
            {
                "id": harm.id,
                "title": harm_title(case, harm),
                "kinds": list(harm.taxonomy),
                "affected": list(harm.affected),
                "before": harm.inherent.level if harm.inherent else None,
                "after": harm.residual.level if harm.residual else None,
                "status": harm.status_on(day),
                "owner": harm.owner,
            }
            for harm in register.harms
        ],
        "looked_for_and_not_found": [asdict(nothing) for nothing in register.nothing],
        "actions": [
            {
                "id": action.id,
                "harms": list(action.harms),
                "description": action.description,
                "status": action.status,
                "effect": asdict(action.effect) if action.effect else None,
            }
            for action in register.actions
        ],
    }


def _evaluation(case: Case) -> dict[str, Any]:
    return {
        "verdict": case.decision.verdict.value,
        "rules": [asdict(line) for line in measured.rules(case)],
        "figures": [asdict(figure) for figure in measured.figures(case)],
        "not_measured": [{"what": n.what, "why": n.why} for n in case.result.not_measured],
    }
