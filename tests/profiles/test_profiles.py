"""Each profile: its figures against published ones, drafts that say so, and nothing that escapes its page."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from audit import bundle, codec
from audit.cli.main import main
from audit.errors import UsageError
from audit.governance.facts import STATEMENTS, Facts, load_facts
from audit.report.profiles import PROFILES, ll144, us_employment
from audit.report.profiles.frame import Document
from audit.result import AuditResult
from tests.profiles.cases import DAY, ORACLE, RACES, case, city, facts, with_rows_dropped
from tests.report.sample import HOSTILE, sample_result

PAGES = [name for name in PROFILES if name not in ("in-toto", "oscal")]


def render(name: str, form: str = "html", **given: Any) -> Document:
    module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
    document: Document = module.FORMATS[form](case(**given))
    return document


class Rows(HTMLParser):
    """The cells of every table row of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        elif tag == "small" and self.inside:
            self.rows[-1][-1] += "|"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def rows_of(text: str) -> dict[str, list[str]]:
    """Table rows by the first line of their first cell, the first of each name."""
    found: dict[str, list[str]] = {}
    for row in Rows(text).rows:
        if row:
            found.setdefault(row[0].split("|")[0].strip(), [cell.split("|")[0].strip() for cell in row])
    return found


def test_ll144_prints_the_worked_example(tmp_path: Path) -> None:
    document = render("ll144", result=city())
    assert document.complete
    assert "Draft" not in document.text
    rows = rows_of(document.text)
    for sex, n, k, rate, ratio in ORACLE["selection"]["sex"]:
        assert rows[sex][1:2] + rows[sex][3:] == [f"{n:,}", f"{k:,}", f"{rate:.3f}", f"{ratio:.3f}"]
    for sex, race, n, k, rate, ratio in ORACLE["selection"]["both"]:
        row = rows[f"{sex} × {RACES[race]}"]
        assert row[1:2] + row[3:] == [f"{n:,}", f"{k:,}", f"{rate:.3f}", f"{ratio:.3f}"]
    for race, n, k, rate, ratio in ORACLE["selection"]["race"]:
        row = rows[RACES[race]]
        if race == "Hispanic":  # the published row disagrees with the people it counts
            assert row[1:2] + row[3:] == ["395", "172", "0.435", "0.842"]
        else:
            assert [row[1], row[3]] == [f"{n:,}", f"{k:,}"]
            assert float(row[4]) == pytest.approx(rate, abs=5.1e-3)
            assert float(row[5]) == pytest.approx(ratio, abs=5.1e-3)
    assert "250 people are in no known category" in document.text
    assert document.text.count("below 0.8</small>") == 1


def test_ll144_leaves_a_small_category_out_only_with_a_reason() -> None:
    name = "Female × Native American or Alaska Native"
    document = render("ll144", result=city(), told=facts(left_out={name: "too few to tell"}))
    row = rows_of(document.text)[name]
    assert row[1] == "17"
    assert row[5].endswith("too few to tell")
    assert "below 0.8</small>" not in document.text
    with pytest.raises(UsageError, match="cannot be left out"):
        render("ll144", result=city(), told=facts(left_out={"Female": "x"}))
    stray = render("ll144", result=city(), told=facts(left_out={"Martian": "x"}))
    assert stray.faults == ("left_out names 'Martian', which is in no table",)


@pytest.mark.parametrize(
    ("day", "fault"),
    [(date(2027, 11, 20), None), (date(2027, 11, 21), "older than one year"), (date(2026, 11, 1), "after")],
)
def test_ll144_knows_its_dates(day: date, fault: str | None) -> None:
    document = render("ll144", result=city(), on=day)
    assert [fault in f if fault else f for f in document.faults] == ([True] if fault else [])


def test_ll144_says_what_the_audit_lacks() -> None:
    result = city()
    sex, race = result.data.attributes
    only_sex = replace(result, data=replace(result.data, attributes=(sex,)))
    assert "race_ethnicity" in render("ll144", result=only_sex).faults[0]
    odd = replace(race, values=("Other", *race.values[1:]))
    strange = render("ll144", result=replace(result, data=replace(result.data, attributes=(sex, odd))))
    assert "'Other' is no category" in strange.faults[0]
    assert (
        "40 rows that were read are not in the audit"
        in render("ll144", result=with_rows_dropped(result)).text
    )
    none = replace(result, cells=tuple(replace(c, prediction=0) for c in result.cells))
    assert "nobody was selected in any category" in render("ll144", result=none).text
    weighted = replace(result, data=replace(result.data, weights="sampling"))
    with pytest.raises(UsageError, match="weighted"):
        render("ll144", result=weighted)
    partial = facts(auditor_independent="no")
    assert render("ll144", result=result, told=partial).faults == ("The auditor is not independent",)


def test_an_adverse_outcome_counts_the_others() -> None:
    result = city()
    turned = replace(result, system=replace(result.system, outcome="adverse"))
    flipped = replace(
        turned, cells=tuple(replace(c, prediction=1 - (c.prediction or 0)) for c in result.cells)
    )
    assert (
        rows_of(render("ll144", result=flipped).text)["Male"]
        == rows_of(render("ll144", result=city()).text)["Male"]
    )


def test_us_employment_gives_the_published_tests() -> None:
    rows = rows_of(render("us-employment", result=city(0)).text)
    black = rows["Black or African American"]
    assert black[1:4] == ["170 of 390", "0.436", "0.843"]
    assert black[4:7] == ["−2.62", "0.0094", "21.2"]
    assert rows["Female"][3:7] == ["0.979", "−0.50", "0.63", "6.3"]
    native = rows["Female × Native American or Alaska Native"]
    assert (native[3], native[8]) == ("0.789", "inconclusive")


def test_us_employment_orders_by_gravity() -> None:
    assert sorted(us_employment.VERDICTS, key=us_employment._gravity)[0] == "flag"
    small = render("us-employment", result=city(0)).text
    assert "<strong>inconclusive</strong>, neither, or too few people to say" in small


def test_lending_names_its_control_and_its_deviation() -> None:
    text = render("lending").text
    assert "Control group: <bdi>White</bdi>" in text
    assert "population convention" in text
    rows = rows_of(text)
    ratio, difference = float(rows["Black"][3]), rows["Black"][7]
    assert ratio < 0.8
    assert rows["Black"][4] == "practically significant"
    assert difference.startswith("−")
    assert "Not given: the audit had no scores" in render("lending", result=sample_result(scores=False)).text


def test_in_toto_is_a_statement_about_the_model() -> None:
    said = json.loads(render("in-toto", "json").text)
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["subject"] == [{"name": sample_result().system.model.path, "digest": {"sha256": "ab" * 32}}]  # type: ignore[union-attr]
    predicate = said["predicate"]
    assert predicate["result"] == "FAILED"
    named = [predicate[f"{word}Tests"] for word in ("passed", "warned", "failed")]
    assert sorted(test for tests in named for test in tests) == sorted(
        rule.id for rule in sample_result().policy.rules
    )
    assert "approval" in predicate["failedTests"]


def test_model_card_json_has_the_toolkits_shape() -> None:
    card = json.loads(render("model-card", "json").text)
    assert card["schema_version"] == "0.0.2"
    assert set(card) == {
        "schema_version", "model_details", "model_parameters", "quantitative_analysis", "considerations",
    }  # fmt: skip
    metrics = card["quantitative_analysis"]["performance_metrics"]
    assert all(set(m) <= {"type", "value", "slice"} and isinstance(m["value"], float) for m in metrics)
    assert {"sex: Female", "race: Black"} <= {m.get("slice") for m in metrics}
    assert not card["model_details"]["overview"].startswith("DRAFT")
    draft = json.loads(render("model-card", "json", told=Facts()).text)
    assert draft["model_details"]["overview"].startswith("DRAFT, ")


def test_model_index_is_front_matter() -> None:
    text = render("model-card", "yaml", result=sample_result(groups=len(HOSTILE), hostile=True)).text
    head, body, end = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
    assert (head, end) == ("", "\n")
    (model,) = YAML(typ="safe").load(body)["model-index"]
    assert all({"task", "dataset", "metrics"} == set(entry) for entry in model["results"])
    assert "*id" not in text
    assert (
        YAML(typ="safe")
        .load(render("model-card", "yaml", told=Facts()).text.strip("-\n"))["model-index"][0]["name"]
        .startswith("DRAFT ")
    )


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_project_gives_a_draft_that_lists_what_is_missing(name: str) -> None:
    document = render(name, told=Facts())
    assert not document.complete
    assert "<title>Draft: " in document.text
    assert "Draft: not complete, not to be published or filed" in document.text
    assert document.text.count("To be filled: ") == len(document.missing)
    assert all(field.where in document.text for field in document.missing)
    assert "no legal advice" in document.text


@pytest.mark.parametrize("name", PAGES)
def test_a_filled_project_is_no_draft(name: str) -> None:
    document = render(name, result=city() if name == "ll144" else None)
    assert (document.missing, document.faults) == ((), ())
    assert "<title>Draft" not in document.text
    assert 'class="draft"' not in document.text


@pytest.mark.parametrize("typed", ["TODO", "tbd.", " n/a ", "?"])
def test_a_placeholder_is_no_answer(typed: str) -> None:
    document = render("model-card", told=facts(data_source=typed))
    assert [field.name for field in document.missing] == ["data_source"]


def test_an_annex_needs_a_signature_and_limits() -> None:
    given = case(sample_result(groups=3, rules=()))
    bare = replace(given.situation, signed=(), register=None)
    found = importlib.import_module("audit.report.profiles.eu_annex_iv").html(replace(given, situation=bare))
    assert [fault.split(" (")[0] for fault in found.faults] == [
        "no metric with a limit was set before the test",
        "the test report is signed by nobody",
        "there is no harm register, which the account of risks rests on: `harm-audit harms`",
    ]


@pytest.mark.parametrize("name", PAGES)
def test_the_standing_of_each_law_is_printed(name: str) -> None:
    module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
    text = render(name).text
    assert all(law.words in text for law in case().laws(module.CITES))


def test_a_law_not_yet_in_force_is_said_to_be() -> None:
    assert "not in force before 2027-12-02" in render("eu-annex-iv").text
    assert "not in force before" not in render("eu-annex-iv", on=date(2028, 1, 1)).text


@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_and_answers_stay_text(name: str) -> None:
    nasty = "<script>alert(1)</script>{{ 7*7 }}"
    told = facts(data_source=nasty, auditor=nasty, statements=dict.fromkeys(STATEMENTS, nasty))
    document = render(name, result=sample_result(groups=len(HOSTILE), hostile=True), told=told)
    assert "<script" not in document.text
    assert "<img" not in document.text
    assert "49" not in re.findall(r"\{\{.*?\}\}", document.text)
    assert (
        document.text == render(name, result=sample_result(groups=len(HOSTILE), hostile=True), told=told).text
    )


@pytest.mark.parametrize("name", ["us-employment", "lending", "eu-annex-iv", "model-card"])
def test_small_groups_are_withheld(name: str) -> None:
    result = sample_result(groups=6, suppress_below=400)
    held = case(result).withheld
    hidden = {group[0] for grouping, group in held.small | held.second if grouping == ("race",) and group[0]}
    assert hidden
    for row in Rows(render(name, result=result).text).rows:
        if row and row[0] in hidden:
            assert not any(re.search(r"\d", cell) for cell in row[1:]), row


def test_facts_are_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "facts.yaml"
    file.write_text("left_out: {Native: too few}\nstatements:\n  mitigation: reweighed\n", encoding="utf-8")
    told = load_facts(file)
    assert (told.left_out, told.statements) == ({"Native": "too few"}, {"mitigation": "reweighed"})
    file.write_text("statements: {mitigations: x}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="mitigations"):
        load_facts(file)


class TestCommand:
    @pytest.fixture
    def evidence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.chdir(tmp_path)
        result: AuditResult = city()
        bundle.write(tmp_path / "evidence", {"audit.json": codec.dumps(result)})
        return str(tmp_path / "evidence")

    def test_a_draft_ends_with_three_and_names_what_to_fill(
        self, evidence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["report", evidence, "--profile", "ll144", "--as-of", str(DAY), "--out", "s.html"]
        assert main(words) == 3
        said = capsys.readouterr().err
        assert "to be filled: Distribution date (governance/facts.yaml: distribution_date)" in said
        first = (tmp_path / "s.html").read_bytes()
        assert main(words) == 3
        assert (tmp_path / "s.html").read_bytes() == first
        (tmp_path / "governance").mkdir()
        (tmp_path / "governance/facts.yaml").write_text(
            "distribution_date: 2026-12-01\ndata_source: all applications of a year\n"
            "auditor: {name: Grace, independent: yes, basis: had no part in it}\n",
            encoding="utf-8",
        )
        assert main(words) == 0
        assert "2026-12-01" in (tmp_path / "s.html").read_text("utf-8")

    def test_the_format_follows_the_file(self, evidence: str, tmp_path: Path) -> None:
        for name in ("c.json", "c.yaml", "c.html"):
            assert main(["report", evidence, "--profile", "model-card", "--out", name]) == 3
        assert json.loads((tmp_path / "c.json").read_text("utf-8"))["schema_version"] == "0.0.2"
        assert (tmp_path / "c.yaml").read_text("utf-8").startswith("---\nmodel-index:")
        assert (tmp_path / "c.html").read_text("utf-8").startswith("<!doctype html>")

    @pytest.mark.parametrize(
        "words",
        [("--format", "json"), ("--profile", "ll144", "--format", "json"), ("--profile", "gdpr")],
    )
    def test_what_there_is_not_is_refused(self, evidence: str, words: tuple[str, ...]) -> None:
        assert main(["report", evidence, *words]) == 2


def test_ll144_scores_come_from_the_scoring_rates() -> None:
    result = city()
    told = ORACLE["scoring"]
    from audit.result import Estimate

    estimates = tuple(
        Estimate("scoring_rate", ("sex", "race"), (sex, RACES[race]), 0.5, None, None,
                 told["above"][sex].get(race, 0), n, None)
        for sex in ("Male", "Female")
        for race in RACES
        if (n := told["above"][sex].get(race, 0) + told["below"][sex].get(race, 0))
    )  # fmt: skip
    part = ll144._scoring(case(replace(result, estimates=estimates)), "sex", "race")
    assert part is not None
    counted = {line.row.category: (line.row.n, line.row.selected) for line in part.tables[0].lines}
    assert counted == {sex: (n, k) for sex, n, k, _, _ in told["sex"]}
    counted = {line.row.category: (line.row.n, line.row.selected) for line in part.tables[1].lines}
    assert counted == {RACES[race]: (n, k) for race, n, k, _, _ in told["race"]}
