"""What an answer is worth: missing never passes, a number is not talked away, and nobody approves himself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from audit.governance import catalogue as catalogue_module
from audit.governance import status as status_module
from audit.governance.references import Registry, load_registry
from audit.result import Verdict
from tests.gate import factory
from tests.governance.project import DAY, POLICY, SYSTEM, answer, failing, look, other_model, passing, status

URL = [{"path": "https://example.org/doc"}]


def test_nothing_said_is_not_started_and_open(tmp_path: Path) -> None:
    found = status(tmp_path, "SCOPE-01")
    assert (found.status, found.open, found.blocker) == ("not_started", True, True)


def test_a_named_persons_yes_with_a_document_is_attested(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL)
    found = status(tmp_path, "SCOPE-01")
    assert (found.status, found.source) == ("satisfied", "attested")


def test_a_yes_without_its_document_is_not_evidence(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes")
    found = status(tmp_path, "SCOPE-01")
    assert found.status == "not_evidenced"
    assert "no document" in found.why


def test_a_yes_by_nobody_is_not_evidence(tmp_path: Path) -> None:
    answer(tmp_path, "LAUNCH-05", answer="yes")
    path = tmp_path / "governance/answers/LAUNCH.yaml"
    path.write_text(path.read_text("utf-8").replace("answered_by: Ada", "answered_by:"), encoding="utf-8")
    found = status(tmp_path, "LAUNCH-05")
    assert found.status == "not_evidenced"
    assert "name" in found.why


@pytest.mark.parametrize("said", ["no", "partly"])
def test_no_and_partly_are_not_satisfied(tmp_path: Path, said: str) -> None:
    answer(tmp_path, "SCOPE-01", answer=said, evidence=URL)
    assert status(tmp_path, "SCOPE-01").status == "not_satisfied"


def test_an_automatic_item_follows_the_result_whatever_anybody_says(tmp_path: Path) -> None:
    assert status(tmp_path, "EVAL-03").status == "not_evidenced"
    assert status(tmp_path, "EVAL-03", passing()).status == "satisfied"
    answer(tmp_path, "EVAL-03", answer="yes")
    found = status(tmp_path, "EVAL-03", failing())
    assert (found.status, found.source) == ("not_satisfied", "derived")
    assert found.evidence is not None
    assert (found.evidence.value, found.evidence.n) == (0.6, 500)
    assert found.evidence.low == pytest.approx(0.55)
    assert found.evidence.limit is not None
    assert found.evidence.bundle == "aa" * 32


def test_a_metric_that_no_rule_judges_is_missing_and_never_a_pass(tmp_path: Path) -> None:
    found = status(tmp_path, "EVAL-05", passing())
    assert found.status == "not_evidenced"
    assert "no rule" in found.why


def test_what_is_inconclusive_stays_inconclusive(tmp_path: Path) -> None:
    unclear = factory.result(
        factory.comparison(p_pass=0.6, p_violation=0.4),
        factory.passing(rule="opportunity", metric="true_positive_rate", comparison="difference"),
        policy=POLICY,
        system=SYSTEM,
    )
    assert unclear.rules[0].verdict is Verdict.INCONCLUSIVE
    assert status(tmp_path, "EVAL-03", unclear).status == "inconclusive"


def test_an_undefined_value_is_not_a_pass(tmp_path: Path) -> None:
    blank = factory.result(
        factory.comparison(
            p_pass=None, p_violation=None, value=None, low=None, high=None, why="nobody", blocked="undefined"
        ),
        policy=factory.policy(factory.rule()),
        system=SYSTEM,
    )
    assert status(tmp_path, "EVAL-03", blank).status == "inconclusive"


def test_hybrid_items_need_the_number_and_the_person(tmp_path: Path) -> None:
    assert status(tmp_path, "EVAL-11", passing()).status == "not_started"
    answer(tmp_path, "EVAL-11", answer="yes")
    assert status(tmp_path, "EVAL-11").status == "not_evidenced"
    found = status(tmp_path, "EVAL-11", passing())
    assert (found.status, found.source) == ("satisfied", "mixed")
    nameless = replace(passing(), system=replace(SYSTEM, model=None))
    assert status(tmp_path, "EVAL-11", nameless).status == "not_evidenced"


def test_na_needs_somebody_else(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-02", na={"reason": "no alternative", "approved_by": "Grace"})
    assert status(tmp_path, "SCOPE-02").status == "not_applicable"
    for approver in (None, "Ada", " ADA "):
        answer(tmp_path, "SCOPE-02", na={"reason": "no alternative", "approved_by": approver})
        found = status(tmp_path, "SCOPE-02")
        assert (found.status, found.fault) == ("not_evidenced", "na_refused")


def test_na_is_refused_to_the_owner_too(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-02", owner="Grace", na={"reason": "none", "approved_by": "Gräce"})
    assert status(tmp_path, "SCOPE-02").fault == "na_refused"


def test_na_ages_like_any_answer(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-02", na={"reason": "none", "approved_by": "Grace"})
    assert status(tmp_path, "SCOPE-02", on=DAY + timedelta(days=366)).status == "stale"


def test_a_false_condition_takes_an_item_out_and_an_unknown_one_keeps_it(tmp_path: Path) -> None:
    found = status(tmp_path, "LEND-10", passing())
    assert (found.status, found.source) == ("not_applicable", "derived")
    assert status(tmp_path, "LEND-10").status == "not_started"


def test_a_condition_can_raise_the_severity(tmp_path: Path) -> None:
    assert status(tmp_path, "OVER-01", passing()).blocker is False
    grave = replace(passing(), system=replace(SYSTEM, tier=3))
    assert status(tmp_path, "OVER-01", grave).blocker is True
    assert status(tmp_path, "OVER-01").blocker is True  # the tier is not known


def test_answers_run_out(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL)
    assert status(tmp_path, "SCOPE-01", on=DAY + timedelta(days=365)).status == "satisfied"
    assert status(tmp_path, "SCOPE-01", on=DAY + timedelta(days=366)).status == "stale"


def test_an_own_date_shortens_and_never_lengthens(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL, expires_at=date(2026, 12, 1))
    assert status(tmp_path, "SCOPE-01", on=date(2026, 12, 2)).status == "stale"
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL, expires_at=date(2036, 12, 1))
    assert status(tmp_path, "SCOPE-01", on=DAY + timedelta(days=366)).status == "stale"


def test_an_answer_from_the_future_is_not_believed(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL, on=DAY + timedelta(days=2))
    assert status(tmp_path, "SCOPE-01").status == "stale"


@pytest.mark.parametrize("changed", ["model", "data", "policy"])
def test_an_answer_belongs_to_what_it_was_given_for(tmp_path: Path, changed: str) -> None:
    result = passing()
    answer(tmp_path, "EVAL-02", answer="yes", evidence=URL, bound=dict(look(tmp_path, result).hashes()))
    assert status(tmp_path, "EVAL-02", result).status == "satisfied"
    other = {
        "model": other_model(result),
        "data": replace(result, data=replace(result.data, digest="ff" * 32)),
        "policy": replace(result, policy=replace(result.policy, digest="ff" * 32)),
    }[changed]
    found = status(tmp_path, "EVAL-02", other)
    assert found.status == "stale"
    assert changed in found.why


def test_a_changed_document_is_noticed(tmp_path: Path) -> None:
    document = tmp_path / "scope.md"
    document.write_text("loans", encoding="utf-8")
    from audit.governance.answers import document_of

    answer(tmp_path, "SCOPE-01", answer="yes", evidence=[document_of("scope.md", tmp_path)])
    assert status(tmp_path, "SCOPE-01").status == "satisfied"
    document.write_text("loans and more", encoding="utf-8")
    assert status(tmp_path, "SCOPE-01").status == "stale"
    document.unlink()
    assert "gone" in status(tmp_path, "SCOPE-01").why


def test_a_new_version_of_the_question_asks_again(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL)
    item = replace(catalogue_module.load_catalogue().item("SCOPE-01"), version=2)
    checklist = catalogue_module.load_catalogue().list("SCOPE")
    from audit.governance.answers import AnswerFile

    given = AnswerFile.open(tmp_path / "governance/answers", checklist).answers["SCOPE-01"]
    found = status_module.assess(item, checklist, given, look(tmp_path), tmp_path)
    assert found.status == "stale"
    assert "version 2" in found.why


def test_a_law_that_ended_after_the_answer_makes_it_stale(tmp_path: Path) -> None:
    answer(tmp_path, "SCOPE-01", answer="yes", evidence=URL)
    item = catalogue_module.load_catalogue().item("SCOPE-01")
    checklist = catalogue_module.load_catalogue().list("SCOPE")
    from audit.governance.answers import AnswerFile

    given = AnswerFile.open(tmp_path / "governance/answers", checklist).answers["SCOPE-01"]
    known = load_registry()

    def on(ended: date, day: date) -> str:
        law = replace(known.get(item.references[0]), ended=ended, status="repealed")
        rest = tuple(r for r in known.references if r.cite != law.cite)
        situation = replace(
            look(tmp_path, on=day), registry=Registry((*rest, law), known.within, known.as_of)
        )
        return status_module.assess(item, checklist, given, situation, tmp_path).status

    assert on(date(2027, 1, 1), DAY + timedelta(days=1)) == "satisfied"
    assert on(date(2027, 1, 1), date(2027, 1, 1)) == "stale"
    assert on(date(2026, 11, 1), DAY) == "satisfied"  # it had ended before, and was answered all the same


def test_independent_review_is_by_another(tmp_path: Path) -> None:
    grave = replace(passing(), system=replace(SYSTEM, tier=3))
    answer(tmp_path, "LAUNCH-06", answer="yes")
    assert status(tmp_path, "LAUNCH-06", grave).status == "not_evidenced"
    answer(tmp_path, "LAUNCH-06", answer="yes", reviewer={"name": "ada"})
    assert status(tmp_path, "LAUNCH-06", grave).status == "not_evidenced"
    answer(tmp_path, "LAUNCH-06", answer="yes", reviewer={"name": "Grace"})
    assert status(tmp_path, "LAUNCH-06", grave).status == "satisfied"


def test_a_waiver_runs_to_its_day_and_is_somebody_elses(tmp_path: Path) -> None:
    waiver = {"reason": "pilot", "approved_by": "Grace", "until": date(2026, 12, 31)}
    answer(tmp_path, "EVAL-03", waiver=waiver)
    found = status(tmp_path, "EVAL-03", failing())
    assert (found.status, found.source) == ("satisfied_with_waiver", "attested")
    assert "0.6" in found.why
    late = status(tmp_path, "EVAL-03", failing(), on=date(2027, 1, 1))
    assert (late.status, late.fault) == ("not_satisfied", "waiver_expired")
    answer(tmp_path, "EVAL-03", waiver={**waiver, "approved_by": "Ada"})
    assert status(tmp_path, "EVAL-03", failing()).fault == "waiver_expired"


def test_a_waiver_of_the_policy_is_a_waiver_here(tmp_path: Path) -> None:
    waived = factory.policy(factory.rule(waivers=(factory.waiver("2026-12-31"),)))
    result = factory.result(factory.violating(), policy=waived, system=SYSTEM)
    assert status(tmp_path, "EVAL-03", result).status == "satisfied_with_waiver"
    assert status(tmp_path, "EVAL-03", result, on=date(2027, 1, 1)).status == "not_satisfied"
