"""Cases to render profiles from: the city's worked example, and the report's own samples."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from audit.gate import decide
from audit.governance.applicability import Control, controls
from audit.governance.facts import STATEMENTS, Facts
from audit.governance.harms import Nothing, Register
from audit.governance.references import load_registry
from audit.governance.signoff import Signed, Statement
from audit.governance.situation import Situation
from audit.governance.themes import load_kinds
from audit.report.profiles.frame import Case
from audit.result import Attribute, AuditResult, Cell, Exclusion
from tests.gate import factory
from tests.report.sample import sample_result

DAY = date(2026, 11, 22)
BUNDLE = "7c" * 32
ORACLE = json.loads((Path(__file__).parents[1] / "governance" / "ll144.json").read_text(encoding="utf-8"))
RACES = {
    "Hispanic": "Hispanic or Latino",
    "White": "White",
    "Black": "Black or African American",
    "Pacific": "Native Hawaiian or Pacific Islander",
    "Asian": "Asian",
    "Native": "Native American or Alaska Native",
    "Two or more": "Two or more races",
}


def city(unknown: int = 250) -> AuditResult:
    """The people of the worked example, `unknown` of them with no race on record."""
    cells = []
    for sex, race, n, k, _, _ in ORACLE["selection"]["both"]:
        for prediction, count in ((1, k), (0, n - k)):
            cells.append(Cell(("sex", "race"), (sex, RACES[race]), (), None, prediction, count))
    cells.append(Cell(("sex", "race"), ("Male", None), (), None, 1, unknown))
    sexes = Attribute("sex", "sex", "largest", ("Female", "Male"), (1181, 1390 + unknown))
    races = Attribute("race", "race_ethnicity", "largest", (*RACES.values(), None), (0,) * 7 + (unknown,))
    plain = factory.result(policy=factory.policy())
    data = replace(
        plain.data, rows_read=2571 + unknown, rows_audited=2571 + unknown, attributes=(sexes, races)
    )
    return replace(plain, data=data, cells=tuple(cells))


def facts(**changes: Any) -> Facts:
    """Every fact and sentence that any profile asks for."""
    told = Facts(
        provider="Lender Ltd",
        intended_purpose="Deciding on small loans",
        population_served="Adult applicants",
        modality="tabular",
        role="provider",
        simplified_output="yes",
        distribution_date=date(2026, 11, 30),
        data_source="One year of applications",
        auditor="Grace",
        auditor_independent="yes",
        auditor_basis="had no part in it",
        statements={name: f"What was said of {name}" for name in STATEMENTS},
    )
    return replace(told, **changes)


def walked() -> Register:
    """A register in which every theme was looked at and nothing found."""
    themes = dict.fromkeys(kind.theme for kind in load_kinds())
    return Register(nothing=tuple(Nothing(theme, "looked with the union", "Ada") for theme in themes))


def case(result: AuditResult | None = None, told: Facts | None = None, on: date = DAY) -> Case:
    """A signed case; where everything was told, its register was walked and every control spoken of."""
    result = result or sample_result(groups=3)
    stated = Statement(BUNDLE, "Ada", "owner", "2026-11-22T10:00:00Z", "the report")
    situation = Situation(
        as_of=on,
        result=result,
        bundle_id=BUNDLE,
        facts=facts() if told is None else told,
        register=Register() if told == Facts() else walked(),
        signed=(Signed(stated, "attestation", "Ada (owner) attests by typed name", "owner-ada.json"),),
        applicability={}
        if told == Facts()
        else {name: Control(True, "it does", "in_place", None) for name, _ in controls(load_registry())},
    )
    model = result.system.model
    decision = decide(result, today=DAY, model_sha256=model.sha256 if model else None)
    return Case(result, BUNDLE, decision, situation)


def with_rows_dropped(result: AuditResult) -> AuditResult:
    """The result, of which some rows were not audited."""
    data = replace(result.data, excluded=(Exclusion("no decision yet", 40),))
    return replace(result, data=data)
