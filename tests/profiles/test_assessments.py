"""The assessments: what each takes from the register and the audit, what it lacks, and its exact figures."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit.cli.main import main
from audit.errors import SpecError
from audit.governance.applicability import load_applicability, template
from audit.governance.facts import Facts
from audit.governance.harms import Acceptance, Harm, Register
from audit.governance.rating import Rating
from audit.governance.readiness import assess_all
from audit.governance.references import load_registry
from audit.report.profiles import PROFILES, hhs_1557, insurance
from audit.report.profiles.frame import Case, Document
from audit.result import Attribute, AuditResult, Cell
from tests.needs import needs_extra
from tests.profiles.cases import DAY, case, city, facts, walked
from tests.profiles.test_profiles import Rows, render, rows_of
from tests.report.sample import HOSTILE, sample_result

GRAVE = Rating(5, 4, 4, 3, 2, "jobs are lost")


def harm(**changes: Any) -> Harm:
    plain = Harm(
        "H-001", "Women are refused", None, "consultation", ("allocative.opportunity_loss",), ("women",),
        None, None, GRAVE, GRAVE, (), "reduce", "Ada", date(2027, 1, 1), "residual_review", None, (),
        "harms.yaml:9",
    )  # fmt: skip
    return replace(plain, **changes)


def given(name: str, form: str = "html", *, found: Case | None = None, **changes: Any) -> Document:
    """A profile of a case whose situation is changed."""
    found = found or case()
    module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
    document: Document = module.FORMATS[form](replace(found, situation=replace(found.situation, **changes)))
    return document


def with_harms(*harms: Harm) -> Register:
    return replace(walked(), harms=harms)


class TestRights:
    def test_the_six_letters_stand_in_their_order(self) -> None:
        heads = re.findall(r'<h2 id="part-\d">\((\w)\)', render("eu-fria").text)
        assert heads == list("abcdef")

    def test_harms_and_groups_come_from_the_evidence(self) -> None:
        text = given("eu-fria", register=with_harms(harm())).text
        rows = rows_of(text)
        assert rows["H-001"][1:4] == ["women", "critical", "critical"]
        assert "Hispanic" not in rows or rows["Hispanic"]
        assert all(a.name in text for a in sample_result(groups=3).data.attributes)

    @pytest.mark.parametrize(
        ("register", "said"),
        [
            (None, "no harm register"),
            (Register(), "representational, allocative"),
            (
                with_harms(harm(affected=(), inherent=None, owner=None)),
                "H-001 lacks whom it meets, a rating, an",
            ),
        ],
    )
    def test_a_register_that_carries_nothing_is_said(self, register: Register | None, said: str) -> None:
        document = given("eu-fria", register=register)
        assert not document.complete
        assert said in document.faults[0]
        assert "<title>Draft" in document.text

    def test_a_closed_row_needs_no_owner(self) -> None:
        closed = harm(status="closed", owner=None)
        assert given("eu-fria", register=with_harms(closed)).complete


class TestDataProtection:
    def test_a_high_remaining_risk_asks_for_the_authority(self) -> None:
        told = facts(statements={k: v for k, v in facts().statements.items() if k != "prior_consultation"})
        low = replace(GRAVE, severity=1, likelihood=1, scale=1, reversibility=1)
        asked = given("gdpr-dpia", found=case(told=told), register=with_harms(harm()))
        assert [field.name for field in asked.missing] == ["prior_consultation"]
        calm = given("gdpr-dpia", found=case(told=told), register=with_harms(harm(residual=low)))
        assert calm.complete
        word = Acceptance("Grace", "risk", "pilot", date(2027, 1, 1))
        taken = harm(status="accepted", acceptance=word)
        assert not given("gdpr-dpia", found=case(told=told), register=with_harms(taken)).complete

    def test_both_kinds_of_harm_are_asked_for(self) -> None:
        assert given("gdpr-dpia", register=Register()).faults == (
            "nobody has looked for harm of these kinds: allocative, representational",
        )


class TestHealth:
    def test_traits_are_found_by_kind_and_by_name(self) -> None:
        names = (("s", "sex"), ("years", "age"), ("disability status", None), ("race", "race_ethnicity"))
        result = sample_result(groups=3)
        attributes = tuple(Attribute(n, k, "largest", ("a",), (9,)) for n, k in names)
        found = hhs_1557.traits(case(replace(result, data=replace(result.data, attributes=attributes))))
        assert {t.name: t.attributes for t in found} == {
            "race or colour": ("race",),
            "national origin": (),
            "sex": ("s",),
            "age": ("years",),
            "disability": ("disability status",),
        }

    def test_what_was_not_examined_is_said(self) -> None:
        assert rows_of(render("hhs-1557").text)["disability"] == ["disability", "nothing: not examined"]

    def test_without_labels_it_is_a_draft(self) -> None:
        result = sample_result(groups=3)
        bare = tuple(e for e in result.estimates if e.metric == "selection_rate")
        document = render("hhs-1557", result=replace(result, estimates=bare))
        assert "missed cases" in document.faults[0]


def people(**counts: tuple[int, int]) -> AuditResult:
    """(n, approved) by race."""
    cells = []
    for name, (n, k) in counts.items():
        cells += [Cell(("race",), (name,), (), None, p, m) for p, m in ((1, k), (0, n - k))]
    rows = tuple(n for n, _ in counts.values())
    race = Attribute("race", "race_ethnicity", "White", tuple(counts), rows)
    plain = city(0)
    data = replace(plain.data, attributes=(race,), rows_read=sum(rows), rows_audited=sum(rows))
    return replace(plain, data=data, cells=tuple(cells))


class TestInsurance:
    @pytest.mark.parametrize(
        ("group", "verdict"),
        [
            ((390, 170), "flag"),  # 8.1 points, Fisher 0.0094
            ((100_000, 46_693), "flag"),  # five points exactly
            ((100_000, 46_694), "undecided"),
            ((100_000, 51_693), "below"),
            ((390, 190), "undecided"),
            ((29, 0), "too few"),
        ],
    )
    def test_the_drafts_limits(self, group: tuple[int, int], verdict: str) -> None:
        base = (797, 412) if group[0] < 1000 else (100_000, 51_693)
        document = render("insurance", result=people(White=base, Black=group))
        row = rows_of(document.text)["Black"]
        assert row[5] == verdict
        assert [field.name for field in document.missing] == ["owner"]
        assert document.faults == ()

    def test_the_gap_is_that_of_the_rates(self) -> None:
        row = rows_of(render("insurance", result=people(White=(797, 412), Black=(390, 170))).text)["Black"]
        assert row[1:5] == ["390", "43.6\u202f%", "−8.1 points", "0.0094"]

    def test_it_says_that_the_draft_is_none(self) -> None:
        text = render("insurance").text
        assert "never became law" in text
        assert insurance.PRESET in text
        assert "a draft, never law" in text

    def test_without_race_it_is_a_draft(self) -> None:
        result = sample_result(groups=3)
        sex = tuple(a for a in result.data.attributes if a.kind == "sex")
        document = render("insurance", result=replace(result, data=replace(result.data, attributes=sex)))
        assert document.faults == ("no attribute is read `as: race_ethnicity`, which the draft tests by",)

    def test_scores_count_as_premiums_only_where_somebody_says_so(self) -> None:
        told = facts(statements={k: v for k, v in facts().statements.items() if k != "score_meaning"})
        document = render("insurance", told=told)
        assert [field.name for field in document.missing] == ["score_meaning"]
        assert 'id="scores-title"' in document.text
        bare = render("insurance", told=told, result=sample_result(groups=3, scores=False))
        assert bare.complete
        assert 'id="scores-title"' not in bare.text

    def test_small_groups_and_a_second_are_withheld(self) -> None:
        result = sample_result(groups=6, suppress_below=400)
        held = case(result).withheld
        hidden = {g[0] for by, g in held.small | held.second if by == ("race",) and g[0]}
        assert held.second
        for row in Rows(render("insurance", result=result).text).rows:
            if row and row[0] in hidden:
                assert not any(re.search(r"\d", cell) for cell in row[1:]), row


class TestApplicability:
    def test_a_file_made_by_the_command_is_read_and_each_gap_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["checklist", "new", "iso42001"]) == 0
        path = tmp_path / "governance/iso42001.yaml"
        assert path.read_text("utf-8") == template(load_registry())
        assert all(c.applicable is None for c in load_applicability(path).values())
        text = path.read_text("utf-8")
        head, _, rest = text.partition("    applicable:\n    why:\n    status:\n")
        path.write_text(f"{head}    applicable: no\n    why: bought in\n    status:\n{rest}", "utf-8")
        document = given("iso-42001", applicability=load_applicability(path))
        assert len(document.missing) == 37
        assert rows_of(document.text)["A.2.2"][1:4] == ["no", "bought in", "–"]

    def test_an_applicable_control_needs_a_reason_and_a_state(self, tmp_path: Path) -> None:
        path = tmp_path / "iso42001.yaml"
        path.write_text(
            "controls:\n  A.2.2: {applicable: yes}\n  A.2.3: {applicable: yes, why: x}\n", "utf-8"
        )
        asks = {f.name: f.ask for f in given("iso-42001", applicability=load_applicability(path)).missing}
        assert asks["A.2.2"].startswith("why")
        assert asks["A.2.3"].startswith("status")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("controls:\n  A.99: {applicable: yes}\n", "no control"),
            ("controls:\n  A.2.2: {applicable: perhaps}\n", "perhaps"),
            ("controls:\n  A.2.2: {applies: yes}\n", "unknown key"),
        ],
    )
    def test_a_wrong_file_is_named_by_line(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "iso42001.yaml"
        path.write_text(text, "utf-8")
        with pytest.raises(SpecError, match=said) as raised:
            load_applicability(path)
        assert raised.value.where == f"{path}:2"

    def test_questions_that_touch_a_control_stand_beside_it(self, tmp_path: Path) -> None:
        found = case()
        found = replace(found, lists=assess_all(tmp_path, found.situation))
        row = rows_of(given("iso-42001", found=found).text)["A.5.2"]
        assert "SCOPE-01: not started" in row[4]


def oscal(found: Case) -> Any:
    module: Any = importlib.import_module("audit.report.profiles.oscal")
    return json.loads(module.as_json(found).text)["assessment-results"]


def full(tmp_path: Path, result: AuditResult | None = None, told: Facts | None = None) -> Case:
    found = case(result, told)
    situation = replace(found.situation, register=with_harms(harm()))
    return replace(found, situation=situation, lists=assess_all(tmp_path, situation))


class TestMachineForms:
    def test_a_bias_profile_says_what_it_lacks(self) -> None:
        draft = json.loads(render("bias-profile", "json", told=Facts()).text)
        assert draft["status"] == "draft"
        assert "data_source" in {blank["field"] for blank in draft["to_be_filled"]}
        whole = json.loads(given("bias-profile", "json", register=with_harms(harm())).text)
        assert (whole["status"], whole["to_be_filled"], whole["lacking"]) == ("complete", [], [])
        assert [clause["clause"] for clause in whole["clauses"]] == ["4", "6", "7", "8", "9"]
        assert whole["clauses"][1]["affected"] == ["women"]
        assert whole["clauses"][3]["harms"][0]["after"] == "critical"

    def test_a_bias_profile_withholds_small_groups(self) -> None:
        result = sample_result(groups=6, suppress_below=400)
        held = case(result).withheld
        hidden = {g[0] for by, g in held.small | held.second if by == ("race",)}
        said = json.loads(render("bias-profile", "json", result=result).text)
        rows = {line["group"]: line["rows"] for line in said["clauses"][2]["groups"]}
        assert hidden
        assert all(rows[name] is None for name in hidden if name)

    @pytest.mark.parametrize("kind", ["whole", "draft", "hostile"])
    def test_oscal_is_read_by_trestle(self, tmp_path: Path, kind: str) -> None:
        needs_extra("trestle")
        hostile = sample_result(groups=len(HOSTILE), hostile=True)
        found = full(tmp_path, hostile if kind == "hostile" else None, Facts() if kind == "draft" else None)
        file = tmp_path / "oscal.json"
        file.write_text(json.dumps({"assessment-results": oscal(found)}), encoding="utf-8")
        script = (
            "import sys, pathlib; from trestle.oscal.assessment_results import AssessmentResults as A\n"
            "print(len(A.oscal_read(pathlib.Path(sys.argv[1])).results[0].findings))"
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        items = sum(len(assessed) for _, assessed in found.lists)
        assert int(done.stdout) == items + len(found.result.policy.rules)

    def test_oscal_findings_say_what_the_evidence_said(self, tmp_path: Path) -> None:
        said = oscal(full(tmp_path))
        (result,) = said["results"]
        states = {f["target"]["target-id"]: f["target"]["status"]["state"] for f in result["findings"]}
        verdicts = {f"rule.{rule.rule}": rule.verdict.value for rule in sample_result(groups=3).rules}
        assert {name: states[name] == "satisfied" for name in verdicts} == {
            name: verdict == "pass" for name, verdict in verdicts.items()
        }
        assert states["SCOPE-01"] == "not-satisfied"
        assert result["risks"][0]["status"] == "open"
        assert said["metadata"]["oscal-version"].startswith("1.1")
        ids = re.findall(r'"uuid": "([^"]+)"', json.dumps(said))
        assert len(ids) == len(set(ids))
        held = {o["uuid"] for o in result["observations"]}
        assert all(f["related-observations"][0]["observation-uuid"] in held for f in result["findings"])
        sources = {o["props"][0]["value"] for o in result["observations"]}
        assert {"derived", "attested"} <= sources

    def test_oscal_withholds_small_groups(self, tmp_path: Path) -> None:
        found = full(tmp_path, sample_result(groups=6, suppress_below=400))
        text = json.dumps(oscal(found))
        assert "smallest group" not in text
        assert "the policy withholds small groups" in text
        assert "the policy withholds" not in json.dumps(oscal(full(tmp_path)))

    def test_oscal_is_a_draft_until_people_spoke(self, tmp_path: Path) -> None:
        module: Any = importlib.import_module("audit.report.profiles.oscal")
        document = module.as_json(full(tmp_path, told=Facts()))
        assert [field.name for field in document.missing] == ["auditor", "intended_purpose", "data_source"]
        assert json.loads(document.text)["assessment-results"]["metadata"]["title"].startswith("DRAFT: ")
        assert module.as_json(full(tmp_path)).complete
        assert module.as_json(full(tmp_path)).text == module.as_json(full(tmp_path)).text


def test_every_profile_has_a_module_with_a_format() -> None:
    for name in PROFILES:
        module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
        assert module.FORMATS, name
    assert case().situation.as_of == DAY
