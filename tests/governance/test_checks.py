"""The checks that answer by themselves: silent where nothing is known, right where the result shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from audit.governance.answers import Answer, Document
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Item
from audit.governance.checks import CHECKS
from audit.governance.evidence import MISSING, NO, UNCLEAR, YES
from audit.governance.facts import Facts
from audit.governance.harms import Register
from audit.governance.situation import Situation
from audit.governance.status import assess
from audit.result import Attribute, AuditResult
from tests.governance.project import DAY, passing
from tests.report.sample import sample_result

ITEMS = [item for each in load_catalogue().lists for item in each.items]


def ask(check: str, result: AuditResult | None = None, **more: object) -> str:
    return CHECKS[check](Situation(as_of=DAY, result=result, bundle_id="aa", **more)).says  # type: ignore[arg-type]


@pytest.mark.parametrize("check", CHECKS)
def test_of_nothing_no_check_says_yes(check: str) -> None:
    assert CHECKS[check](Situation(as_of=DAY)).says == MISSING
    assert CHECKS[check](Situation(as_of=DAY, register=Register())).says == (
        YES if check in ("actions_verified", "no_side_effects") else MISSING
    )


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_says_why(check: str) -> None:
    for result in (sample_result(), sample_result(intersections=False, scores=False), passing()):
        found = CHECKS[check](Situation(as_of=DAY, result=result, bundle_id="aa"))
        assert found.words
        assert found.id.startswith("ev:")
        assert len(found.id) == 15


@pytest.mark.parametrize("item", [i for i in ITEMS if i.auto], ids=lambda item: item.id)
def test_a_yes_alone_never_satisfies_what_must_be_shown(item: Item) -> None:
    said = Answer(
        item.id,
        1,
        "yes",
        None,
        "Ada",
        "Ada",
        DAY,
        None,
        (Document("https://x", None),),
        "Grace",
        {},
        None,
        None,
        "",
    )
    found = assess(item, load_catalogue().list(item.list), said, Situation(as_of=DAY), Path())
    assert found.open
    assert found.status == "not_evidenced"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_with_nothing_known_every_item_is_open(item: Item) -> None:
    found = assess(item, load_catalogue().list(item.list), None, Situation(as_of=DAY), Path())
    assert found.status in ("not_started", "not_evidenced")


def with_attributes(*attributes: Attribute) -> AuditResult:
    result = sample_result()
    return replace(result, data=replace(result.data, attributes=attributes))


def test_the_smallest_group_is_held_against_the_policy() -> None:
    small = Attribute("race", None, "largest", ("A", "B", None), (500, 29, 3))
    assert ask("group_sizes", with_attributes(small)) == NO
    assert ask("group_sizes", with_attributes(replace(small, rows=(500, 30, 3)))) == YES


def test_an_attribute_that_no_rule_judged_is_named() -> None:
    result = sample_result()
    more = (*result.data.attributes, Attribute("age", "age", "largest", ("young", "old"), (10, 10)))
    found = CHECKS["attributes_covered"](Situation(as_of=DAY, result=with_attributes(*more)))
    assert found.says == NO
    assert "age" in found.words


def test_combinations_have_to_be_there() -> None:
    assert ask("intersections_computed", sample_result()) == YES
    assert ask("intersections_computed", sample_result(intersections=False)) == NO
    assert ask("intersection_sizes", sample_result()) == YES
    assert ask("intersection_sizes", sample_result(intersections=False)) == MISSING


def test_evidence_for_a_release_is_fresh_and_not_from_tomorrow() -> None:
    result = sample_result()
    for made, says in (
        ("2026-11-22", YES),
        ("2026-08-24", YES),
        ("2026-08-23", NO),
        ("2026-11-23", UNCLEAR),
        ("yesterday", UNCLEAR),
    ):
        assert ask("evidence_current", replace(result, created_at=f"{made}T10:00:00Z")) == says


def test_an_audit_for_new_york_is_a_year_old_at_most() -> None:
    result = replace(sample_result(), created_at="2025-11-22T10:00:00Z")
    assert ask("audit_within_a_year", result) == YES
    late = CHECKS["audit_within_a_year"](Situation(as_of=date(2026, 11, 23), result=result))
    assert late.says == NO


def test_new_yorks_tables_need_both_attributes_read_as_such() -> None:
    result = sample_result()
    kinds = {attribute.name: attribute.kind for attribute in result.data.attributes}
    assert kinds == {"sex": "sex", "race": "race_ethnicity"}
    assert ask("ll144_tables", result) == YES
    bare = [replace(attribute, kind=None) for attribute in result.data.attributes]
    for check in ("ll144_tables", "unknown_counted", "sex_and_race_measured"):
        assert ask(check, with_attributes(*bare)) == MISSING
    assert ask("ll144_tables", sample_result(intersections=False)) == MISSING
    assert ask("age_measured", result) == MISSING


def test_new_yorks_summary_needs_what_people_type() -> None:
    whole = Facts(distribution_date=DAY, data_source="2025 applicants", auditor="Grace")
    assert ask("ll144_facts", sample_result(), facts=whole) == YES
    for gap in ("distribution_date", "data_source", "auditor"):
        assert ask("ll144_facts", sample_result(), facts=replace(whole, **{gap: None})) == MISSING


def test_limits_bind_only_from_a_file_and_only_where_they_decide() -> None:
    result = sample_result()
    assert ask("limits_set", result) == YES
    assert ask("limits_set", replace(result, policy=replace(result.policy, digest=None))) == MISSING
    minor = tuple(replace(rule, severity="minor") for rule in result.policy.rules)
    assert ask("limits_set", replace(result, policy=replace(result.policy, rules=minor))) == NO


def test_laws_of_an_unknown_place_are_unclear() -> None:
    result = sample_result()
    abroad = replace(result, system=replace(result.system, jurisdictions=("EU", "Atlantis")))
    assert ask("laws_listed", result) == YES
    assert ask("laws_listed", abroad) == UNCLEAR
