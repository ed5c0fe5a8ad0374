"""A small project on disk, and results to answer it from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from audit.governance.answers import AnswerFile
from audit.governance.catalogue import load_catalogue
from audit.governance.readiness import situation_of
from audit.governance.situation import Situation
from audit.governance.status import Assessed, assess
from audit.result import AuditResult, Model, Policy, System
from tests.gate import factory

DAY = date(2026, 11, 22)
SYSTEM = System("credit", "1", None, "credit", None, ("EU",), 1, "favourable", Model("m.joblib", "11" * 32))
RULES = (
    factory.rule("approval"),
    factory.rule("opportunity", metric="true_positive_rate", comparison="difference"),
)
POLICY: Policy = factory.policy(*RULES)


def passing() -> AuditResult:
    """A result whose two rules pass."""
    return factory.result(
        factory.passing(),
        factory.passing(rule="opportunity", metric="true_positive_rate", comparison="difference"),
        policy=POLICY,
        system=SYSTEM,
    )


def failing(value: float = 0.6) -> AuditResult:
    """A result in which women are selected too seldom."""
    return factory.result(
        factory.violating(value=value, low=value - 0.05, high=value + 0.05),
        factory.passing(rule="opportunity", metric="true_positive_rate", comparison="difference"),
        policy=POLICY,
        system=SYSTEM,
    )


def other_model(result: AuditResult) -> AuditResult:
    """The same result of a model with other bytes."""
    return replace(result, system=replace(result.system, model=Model("m.joblib", "22" * 32)))


def answer(project: Path, item_id: str, *, on: date = DAY, by: str = "Ada", **fields: object) -> None:
    """Write an answer as the command would."""
    item = load_catalogue().item(item_id)
    file = AnswerFile.open(project / "governance" / "answers", load_catalogue().list(item.list))
    file.give(item, by=by, on=on, **fields)
    file.save()


def look(project: Path, result: AuditResult | None = None, on: date = DAY) -> Situation:
    """The project on a day."""
    return situation_of(project, as_of=on, result=result, bundle_id="aa" * 32 if result else None)


def status(project: Path, item_id: str, result: AuditResult | None = None, on: date = DAY) -> Assessed:
    """What the answer to one item is worth."""
    item = load_catalogue().item(item_id)
    checklist = load_catalogue().list(item.list)
    file = AnswerFile.open(project / "governance" / "answers", checklist)
    return assess(item, checklist, file.answers.get(item.id), look(project, result, on), project)
