"""What governance holds against a release: each fault with its own reason, and the exit code for it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import gate
from audit.errors import UsageError
from audit.governance import seeding, stages
from audit.governance.catalogue import load_catalogue
from audit.governance.readiness import Reason, applicable, assess_all, reasons, warnings
from audit.governance.register import Book
from audit.result import AuditResult
from tests.governance.prepared import URL, prepare
from tests.governance.project import DAY, SYSTEM, answer, failing, look, other_model, passing

BUNDLE_ID = "aa" * 32


def release(
    project: Path, result: AuditResult | None = None, on: date = DAY, stage: str = "launch", **more: Any
) -> tuple[Reason, ...]:
    return reasons(project, result or passing(), BUNDLE_ID, stage, on, bundle=project / "bundle", **more)


def exit_code(found: tuple[Reason, ...], on: date = DAY) -> int:
    """What the gate ends with where the rules themselves pass."""
    extra = tuple(gate.Reason(**asdict(reason)) for reason in found)
    return gate.decide(passing(), today=on, model_sha256="11" * 32, extra=extra).exit_code


@pytest.fixture
def ready(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared project, to spoil."""
    return Path(shutil.copytree(prepared, tmp_path / "project"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tier 1 project in the EU with every question that applies answered, and signed."""
    tmp_path = tmp_path_factory.mktemp("prepared")
    prepare(tmp_path, passing(), BUNDLE_ID, tmp_path / "bundle" / "signatures")
    return tmp_path


def test_a_ready_project_has_no_reasons_and_passes(ready: Path) -> None:
    assert release(ready) == ()
    assert exit_code(()) == 0


def test_an_empty_project_has_a_reason_for_each_open_blocker(tmp_path: Path) -> None:
    found = release(tmp_path)
    ids = {reason.id for reason in found}
    assert {"SCOPE-01", "HARM-02", "EVAL-02", "LAUNCH-05", "sign-off:owner"} <= ids
    assert all(reason.text and reason.next_step for reason in found)
    assert len({(reason.id, reason.text) for reason in found}) == len(found)
    assert exit_code(found) in (1, 3)


def test_early_stages_ask_less(tmp_path: Path) -> None:
    frame = {reason.id for reason in release(tmp_path, stage="frame")}
    assert "SCOPE-01" in frame
    assert not {"EVAL-02", "LAUNCH-05", "MON-02", "sign-off:owner"} & frame
    with pytest.raises(UsageError, match="no stage"):
        release(tmp_path, stage="lunch")


def only(found: tuple[Reason, ...], name: str) -> Reason:
    assert [reason.id for reason in found] == [name], found
    return found[0]


def test_a_no_blocks_with_one(ready: Path) -> None:
    answer(ready, "OVER-04", answer="no")
    found = release(ready)
    assert only(found, "OVER-04").kind == "governance"
    assert exit_code(found) == 1


def test_a_self_approved_na_blocks_with_one(ready: Path) -> None:
    answer(ready, "SCOPE-02", na={"reason": "not ours", "approved_by": "ada"})
    found = release(ready)
    assert "who answers for it" in only(found, "SCOPE-02").text
    assert exit_code(found) == 1


def test_a_blanket_na_is_refused_however_well_approved(ready: Path) -> None:
    situation = look(ready, passing())
    for item in load_catalogue().list("OVER").items:
        answer(ready, item.id, na={"reason": "not for us", "approved_by": "Grace"})
    found = release(ready)
    assert "not answered that way" in only(found, "OVER").text
    assert exit_code(found) == 1
    (assessed,) = [done for each, done in assess_all(ready, situation) if each.id == "OVER"]
    assert "6 of 6" in warnings(load_catalogue().list("OVER"), assessed, situation)[0]


def test_half_a_list_of_nas_is_no_warning_and_more_is(ready: Path) -> None:
    situation = look(ready, passing())
    checklist = load_catalogue().list("OVER")
    for count, said in ((3, 0), (4, 1)):
        for item in checklist.items[:count]:
            answer(ready, item.id, na={"reason": "not for us", "approved_by": "Grace"})
        (assessed,) = [done for each, done in assess_all(ready, situation) if each.id == "OVER"]
        assert len(warnings(checklist, assessed, situation)) == said
        assert release(ready) == ()


def test_a_waiver_past_its_day_blocks_with_one(ready: Path) -> None:
    answer(ready, "OVER-04", answer="no", waiver={"reason": "x", "approved_by": "Grace", "until": DAY})
    assert release(ready) == ()
    late = release(ready, on=DAY + timedelta(days=1))
    assert "ran out on 2026-11-22" in only(late, "OVER-04").text
    assert exit_code(late) == 1


def test_expired_evidence_blocks_with_three(ready: Path) -> None:
    answer(ready, "OVER-04", answer="yes", evidence=URL, waiver=None, expires_at=DAY)
    assert release(ready) == ()
    late = release(ready, on=DAY + timedelta(days=1))
    assert only(late, "OVER-04").kind == "stale"
    assert exit_code(late) == 3


@pytest.mark.parametrize("changed", ["policy", "model"])
def test_a_changed_policy_or_model_is_stale_and_blocks_with_three(ready: Path, changed: str) -> None:
    answer(
        ready, "EVAL-02", answer="yes", evidence=URL, bound=dict(look(ready, passing()).hashes()), waiver=None
    )
    other = (
        other_model(passing())
        if changed == "model"
        else replace(passing(), policy=replace(passing().policy, digest="ff" * 32))
    )
    found = [r for r in release(ready, other) if r.id == "EVAL-02"]
    assert [r.kind for r in found] == ["stale"]
    assert f"another {changed}" in found[0].text
    assert exit_code(tuple(found)) == 3


def test_waivers_can_be_left_out_of_account(ready: Path) -> None:
    found = release(ready, no_waivers=True)
    assert found
    assert all("waivers do not count" in reason.text for reason in found)


def test_an_unowned_harm_blocks_a_launch_with_one(ready: Path) -> None:
    book = Book.open(ready / "governance/harms.yaml")
    seeding.from_result(book, failing(), BUNDLE_ID, on=DAY)
    book.save()
    found = [r for r in release(ready) if r.id == "H-001"]
    assert "nobody owns it" in found[0].text
    assert exit_code(tuple(found)) == 1
    assert not [r for r in release(ready, stage="test") if r.id == "H-001"]


def test_an_acceptance_that_ran_out_blocks_with_three(ready: Path) -> None:
    grave = {
        "severity": 4, "likelihood": 4, "scale": 3, "reversibility": 2, "detectability": 2, "rationale": "x",
    }  # fmt: skip
    book = Book.open(ready / "governance/harms.yaml")
    book.add_harm("x", source="incident", by="Ada", on=DAY, owner="Ada")
    word = {"by": "Grace", "role": "risk", "rationale": "x", "until": DAY}
    book.set("H-001", inherent=grave, residual=grave, treatment="accept", due=DAY, acceptance=word)
    for step in ("assessed", "residual_review", "accepted"):
        book.move("H-001", step, by="Grace", on=DAY)
    book.save()
    assert [r for r in release(ready) if r.id == "H-001"] == []
    late = [r for r in release(ready, on=DAY + timedelta(days=1)) if r.id == "H-001"]
    assert [r.kind for r in late] == ["stale"]
    assert exit_code(tuple(late)) == 3


def test_a_missing_sign_off_names_the_role_and_blocks_with_three(ready: Path) -> None:
    for file in (ready / "bundle/signatures").iterdir():
        file.unlink()
    found = release(ready)
    assert "owner" in only(found, "sign-off:owner").text
    assert exit_code(found) == 3


def test_a_signature_under_another_bundle_is_none(ready: Path) -> None:
    found = reasons(ready, passing(), "bb" * 32, "launch", DAY, bundle=ready / "bundle")
    assert only(found, "sign-off:owner")


def test_a_tampered_statement_blocks_with_one(ready: Path) -> None:
    (file,) = (ready / "bundle/signatures").iterdir()
    file.write_text("{}", encoding="utf-8")
    found = release(ready)
    assert {reason.id for reason in found} == {f"signature:{file.name}", "sign-off:owner"}
    assert exit_code(found) == 1


def test_the_higher_tier_counts_and_asks_for_more_names(ready: Path) -> None:
    grave = replace(passing(), system=replace(SYSTEM, tier=3))
    ids = {reason.id for reason in release(ready, grave)}
    assert {"sign-off:reviewer", "sign-off:independent", "sign-off:executive"} <= ids
    assert "sign-off:owner" not in ids


def test_an_optional_list_is_in_only_once_begun(ready: Path) -> None:
    situation = look(ready, passing())
    assert "PUBLIC" not in [each.id for each in applicable(load_catalogue(), situation, ready)]
    answer(ready, "PUB-05", answer="yes", evidence=URL)
    assert "PUBLIC" in [each.id for each in applicable(load_catalogue(), situation, ready)]


def test_without_facts_the_lists_are_in(tmp_path: Path) -> None:
    lists = [each.id for each in applicable(load_catalogue(), look(tmp_path), tmp_path)]
    assert {"GEN", "LL144", "LEND", "EUHR"} <= set(lists)


def test_the_same_day_and_files_give_the_same_reasons(tmp_path: Path) -> None:
    assert release(tmp_path) == release(tmp_path)
    assert stages.FOLDER == "governance"


def test_a_yes_that_no_change_can_reach_is_warned_of(ready: Path) -> None:
    checklist = load_catalogue().list("OVER")

    def said() -> tuple[str, ...]:
        situation = look(ready, passing())
        (assessed,) = [done for each, done in assess_all(ready, situation) if each.id == "OVER"]
        return warnings(checklist, assessed, situation)

    assert said() == ()
    answer(ready, "OVER-04", answer="yes", evidence=URL, bound={})
    assert len(said()) == 1
    assert said()[0].startswith("1 yes in OVER given without a bundle")
