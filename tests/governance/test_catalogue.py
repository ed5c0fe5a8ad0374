"""The catalogue of questions: every reference, metric and case resolves, and mistakes are refused."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from audit import registry, resources
from audit.errors import SpecError, UsageError
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Catalogue, Item
from audit.governance.references import load_registry

SIZES = {
    "SCOPE": 7,
    "HARM": 7,
    "DATA": 8,
    "EVAL": 11,
    "OVER": 6,
    "LAUNCH": 8,
    "MON": 7,
    "GEN": 8,
    "LL144": 12,
    "EMPUS": 10,
    "LEND": 10,
    "EUHR": 15,
    "HEALTH": 6,
    "PUBLIC": 6,
}
PREFIXES = {"HEALTH": "HLTH", "PUBLIC": "PUB"}
NOT_PRODUCED_YET = {
    "complaint_rate_gap",
    "content_rate_gap",
    "correlation_ratio",
    "counterfactual_flip_rate",
    "cramers_v",
    "diversity_drop",
    "exposure_ratio",
    "inferred_label_sensitivity",
    "judge_gap",
    "label_need_gap",
    "missingness_gap",
    "mitigation_candidates",
    "monitor_last_run_age",
    "override_gap",
    "protected_inputs",
    "proxy_auc",
    "quality_of_service_gap",
    "refusal_gap",
    "representation_gap",
    "scoring_rate",
    "sensitivity_flips",
    "standardised_mean_difference",
}
"""What will answer an item by itself once the project measures it; until then a document or a person does."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def items(catalogue: Catalogue) -> list[Item]:
    return [item for each in catalogue.lists for item in each.items]


def test_every_list_is_whole_and_in_order(catalogue: Catalogue) -> None:
    assert {each.id: len(each.items) for each in catalogue.lists} == SIZES
    assert [each.id for each in catalogue.lists] == list(SIZES)
    for each in catalogue.lists:
        prefix = PREFIXES.get(each.id, each.id)
        assert [item.id for item in each.items] == [
            f"{prefix}-{n:02d}" for n in range(1, len(each.items) + 1)
        ]
    assert [each.id for each in catalogue.lists if each.optional] == ["HEALTH", "PUBLIC"]


def test_every_reference_resolves(items: list[Item]) -> None:
    known = {reference.cite for reference in load_registry().references}
    assert all(item.references for item in items)
    assert {cite for item in items for cite in item.references} <= known


def test_metrics_that_answer_an_item_are_in_the_registry_or_named_as_planned(items: list[Item]) -> None:
    known = set(registry.metrics()) | set(registry.aliases())
    used = {metric for item in items if item.auto for metric in item.auto.metrics}
    assert used - known <= {"calibration_slope"}
    assert "selection_rate" in used


def test_what_cannot_be_measured_yet_is_listed_here(items: list[Item]) -> None:
    planned = {name for item in items for name in item.auto_later}
    assert planned == NOT_PRODUCED_YET
    waiting = [item for item in items if item.auto_later and item.auto is None]
    assert all({"document", "person"} & set(item.evidence) for item in waiting)


def test_words_are_plain_and_said_once(items: list[Item]) -> None:
    questions = Counter(item.question for item in items)
    assert [q for q, n in questions.items() if n > 1] == []
    reasons = Counter(item.why for item in items)
    assert [r for r, n in reasons.items() if n > 1] == []
    assert all(item.question.endswith("?") and item.why.endswith(".") for item in items)
    banned = ("debias", "unbiased", "fair model", "certified")
    assert not [i.id for i in items if any(word in (i.question + i.why).lower() for word in banned)]


def test_cases_are_dated_placed_and_used(items: list[Item]) -> None:
    used = {item.case.id for item in items if item.case}
    cases = {item.case for item in items if item.case}
    assert all(case.found.startswith("https://") and case.what and case.where for case in cases)
    text = (resources.checklists() / "cases.yaml").read_text("utf-8")
    assert used == {line.split(":")[1].strip() for line in text.splitlines() if line.startswith("  - id:")}


def test_judgment_is_never_left_to_a_number(items: list[Item]) -> None:
    for item in items:
        people = {"document", "person"} & set(item.evidence)
        assert item.classification == (
            "judgment" if item.auto is None else "hybrid" if people else "automatable"
        )
    assert load_catalogue().item("launch-05").classification == "judgment"
    assert load_catalogue().item("EVAL-03").classification == "automatable"


def test_independence_is_asked_where_it_matters(items: list[Item]) -> None:
    asked = {item.id for item in items if item.reviewer_not}
    assert asked == {"LAUNCH-06", "LL144-02", "LEND-09"}


def test_unknown_names_are_answered_with_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="evel") as raised:
        catalogue.list("evel")
    assert raised.value.hint == "Did you mean EVAL?"
    with pytest.raises(UsageError, match="EVAL-3"):
        catalogue.item("EVAL-3")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "checklists"
    shutil.copytree(resources.checklists(), folder)
    return folder


@pytest.mark.parametrize(
    ("file", "change", "said", "line"),
    [
        ("eval.yaml", ("US-UGESP 1607.4D, NYC-LL144 5-301]", "US-UGESP 1607.4Z]"), "1607.4D", 42),
        ("eval.yaml", ("check: attributes_covered", "check: attributes_coverd"), "attributes_covered", 18),
        ("eval.yaml", ("case: compas", "case: compass"), "compas", None),
        ("eval.yaml", ("comparison: ratio", "comparison: ration"), "no comparison", None),
        ("eval.yaml", ("severity: blocker", "severity: block"), "Did you mean blocker", 19),
        ("eval.yaml", ("    if_no: stop", "    if_not: stop"), "if_no", None),
        ("eval.yaml", ("id: EVAL-02", "id: EVAL-01"), "stands also at", None),
        ("eval.yaml", ("evidence: [audit_metric]", "evidence: [document]"), "needs `auto`", None),
        ("over.yaml", ("blocker_if: tier >= 3", "blocker_if: teir >= 3"), "did you mean tier", None),
        ("over.yaml", ("blocker_if: tier >= 3", "blocker_if: open('x')"), "call is not allowed", None),
        ("gen.yaml", ("list: GEN", "lists: GEN"), "lacks 'list'", None),
        ("mon.yaml", ("max_age_days: 180", "max_age_days: 0"), "from 1 to 3650", None),
    ],
)
def test_a_planted_mistake_is_refused_with_file_and_line(
    copy: Path, file: str, change: tuple[str, str], said: str, line: int | None
) -> None:
    path = copy / file
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        load_catalogue(copy)
    assert said in str(raised.value)
    where = str(raised.value.where)
    assert where.startswith(f"{path}:")
    assert line is None or where == f"{path}:{line}"
