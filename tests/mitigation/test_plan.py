"""The plan: drafted once, people's words kept, judged by a second audit, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from audit import api, codec
from audit.analysis.rates import Rate
from audit.analysis.slice_report import SliceReport
from audit.analysis.slices import find_slices
from audit.cli import additions
from audit.cli.main import main
from audit.governance.register import Book
from audit.mitigation import plan as plans
from audit.mitigation.catalogue import METHODS
from audit.mitigation.drafts import Evidence, drafts
from audit.mitigation.plan import Plan
from audit.mitigation.plan_files import neutral, to_csv, to_markdown
from audit.mitigation.trial_report import Trials
from audit.mitigation.trials import run_trials
from audit.report import plan_page
from audit.report.additions import Additions, added
from audit.report.html import document
from audit.result import AuditResult
from tests.mitigation import small
from tests.mitigation.test_compare import CREATED, mended, spec

TODAY = date(2026, 1, 2)
HOSTILE = "=HYPERLINK(\"x\")|<script>alert('1')</script>\n# `x` 😀"


@pytest.fixture(scope="module")
def trials() -> Trials:
    problem = small.problem(small.people(1500), training=small.people(1500, 1, marked=True), folds=2)
    names = ("retrain", "drop-proxies", "threshold-optimizer")
    return run_trials(problem, tuple(METHODS[n] for n in names), limit=0.15, positives_limit=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trials: Trials) -> Path:
    """Two bundles of the same people, before and after, with their policy files and the trials."""
    made, frame = tmp_path_factory.mktemp("plan"), small.people(4000, 3)
    for name, rows in (("before", frame), ("after", mended(frame)), ("again", frame)):
        api.run(spec(made, name, rows), out=made / f"{name}-evidence", created_at=CREATED)
    (made / "trials.json").write_bytes(codec.dumps(trials))
    report = find_slices(frame, Rate("error_rate", label="good", prediction="said"), person="person")
    (made / "slices.json").write_bytes(codec.dumps(report))
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> AuditResult:
    return codec.loads(AuditResult, (folder / "before-evidence/audit.json").read_bytes(), where="x")


def drafted(project: Path, folder: Path) -> int:
    return main(
        ["plan", "draft", str(folder / "before-evidence"), "--project", str(project),
         "--trials", str(folder / "trials.json"), "--slices", str(folder / "slices.json")]
    )  # fmt: skip


def carried_out(project: Path, action: str = "A-001") -> Book:
    book = Book.open(project / "governance" / "harms.yaml")
    book.set(action, owner="Ada", approver="Grace", due=TODAY)
    for step in ("approved", "in_progress", "implemented"):
        book.move(action, step, by="Ada", on=TODAY)
    book.save()
    return book


def checked(project: Path, folder: Path, after: str, *words: str) -> int:
    rows = ("--rows", str(folder / "before.yaml"), str(folder / f"{after}.yaml"))
    return main(
        ["plan", "check", "A-001", str(folder / "before-evidence"), str(folder / f"{after}-evidence"),
         *rows, "--project", str(project), "--by", "Grace", *words]
    )  # fmt: skip


def test_a_violation_leads_to_the_advised_remedy_and_to_watching(result: AuditResult, trials: Trials) -> None:
    made = drafts(Evidence("b" * 64, result, trials=trials))
    (remedy,) = [one for one in made if one.key.startswith("remedy:")]
    assert remedy.type == "feature"
    assert remedy.expected is not None
    assert remedy.expected.low > 0
    assert remedy.target is not None
    assert (remedy.target.rule, remedy.target.group) == ("opportunity", "b")
    assert any("threshold-optimizer" in one for one in remedy.alternatives_rejected)
    assert any(one.type == "monitor" for one in made)


def test_the_evidence_of_a_slice_has_no_more_digits_than_it_can_have(
    folder: Path, result: AuditResult
) -> None:
    report = codec.loads(SliceReport, (folder / "slices.json").read_bytes(), where="slices.json")
    sure = tuple(replace(one, p_adjusted=8.4e-51, confirmed=True) for one in report.slices)
    made = drafts(Evidence("b" * 64, result, slices=replace(report, slices=sure)))
    said = [one.evidence[0] for one in made if one.key.startswith("slice:")]
    assert said
    assert all(words.endswith("adjusted p below 0.0001") for words in said)


def test_without_trials_somebody_is_asked_to_look(result: AuditResult) -> None:
    made = drafts(Evidence("b" * 64, result))
    assert any(one.key.startswith("find:opportunity") for one in made)


def test_drafting_twice_changes_nothing_and_keeps_every_edit(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "governance" / "harms.yaml"
    assert drafted(tmp_path, folder) == 0
    first = file.read_text()
    edited = first.replace("Leave out proxies (area)", "Leave out AREA, said Ada", 1)
    edited = edited.replace("last_harm", "# a note of ours\nlast_harm", 1)
    assert edited != first
    file.write_text(edited)
    assert drafted(tmp_path, folder) == 0
    assert file.read_text() == edited


def test_a_remedy_that_works_is_verified(tmp_path: Path, folder: Path) -> None:
    drafted(tmp_path, folder)
    carried_out(tmp_path)
    assert checked(tmp_path, folder, "after", "--limit", "0.3") == 0
    book = Book.open(tmp_path / "governance" / "harms.yaml")
    action = book.register.actions[0]
    assert action.status == "verified"
    assert action.effect is not None
    assert action.effect.low > 0
    assert "paired: 4,000 rows" in str(book.row("A-001")["result"])


def test_a_remedy_that_does_nothing_is_ineffective_and_its_harm_opens_again(
    tmp_path: Path, folder: Path
) -> None:
    drafted(tmp_path, folder)
    carried_out(tmp_path)
    assert checked(tmp_path, folder, "again") == 0
    register = Book.open(tmp_path / "governance" / "harms.yaml").register
    assert register.actions[0].status == "ineffective"
    assert {h.status for h in register.harms if h.id in register.actions[0].harms} == {"reopened"}


def test_harm_done_elsewhere_is_not_verified(tmp_path: Path, folder: Path) -> None:
    """Group c is small: with a limit of nothing, a worsening cannot be ruled out."""
    drafted(tmp_path, folder)
    carried_out(tmp_path)
    assert checked(tmp_path, folder, "after", "--limit", "0") == 0
    book = Book.open(tmp_path / "governance" / "harms.yaml")
    assert book.register.actions[0].status == "ineffective"
    assert any(side.over for side in book.register.actions[0].side_effects)


def test_only_what_is_done_is_judged(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafted(tmp_path, folder)
    assert checked(tmp_path, folder, "after") == 2
    assert "implemented action is judged" in capsys.readouterr().err


@pytest.fixture
def hostile(tmp_path: Path, folder: Path, result: AuditResult) -> Plan:
    drafted(tmp_path, folder)
    book = Book.open(tmp_path / "governance" / "harms.yaml")
    book.set("A-001", description=HOSTILE, rationale=HOSTILE, owner="@ada", cost="+1")
    return plans.read_plan(book, result, "b" * 64, on=TODAY)


def test_a_spreadsheet_computes_nothing(hostile: Plan) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(hostile), newline="")))
    assert len(rows) == len(hostile.actions) + 1
    assert all(len(row) == len(rows[0]) for row in rows)
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert neutral("\t=1").startswith("'")


def test_pages_hold_hostile_words_as_text(hostile: Plan, trials: Trials) -> None:
    page = plan_page.render(hostile)
    assert "<script>" not in page
    assert "HYPERLINK" in page
    views = added(Additions(trials=trials, plan=hostile))
    both = document("mend.html", heading=HOSTILE, eyebrow="x", added=views)
    assert "<script>" not in both
    assert 'id="remedies-tried"' in both
    text = to_markdown(hostile)
    assert not re.search(r"(?<!\\)<script", text)
    assert text.count("\n## ") == len(hostile.actions)


def test_equal_plans_give_equal_bytes(hostile: Plan, trials: Trials) -> None:
    assert plan_page.render(hostile) == plan_page.render(hostile)
    assert to_csv(hostile) == to_csv(hostile)
    assert codec.loads(Plan, codec.dumps(hostile), where="x") == hostile


def test_files_and_the_report_with_sections(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafted(tmp_path, folder)
    evidence, out = str(folder / "before-evidence"), tmp_path / "plan"
    assert main(["plan", "show", evidence, "--project", str(tmp_path), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"plan.json", "plan.md", "plan.csv", "plan.html"}
    page = tmp_path / "page.html"
    documents = [folder / "slices.json", folder / "trials.json", out / "plan.json"]
    words = [word for one in documents for word in ("--with", str(one))]
    assert main(["report", evidence, *words, "--out", str(page)]) == 0
    text = page.read_text()
    assert text.index('id="causes"') < text.index('id="plan"') < text.index('id="silent"')
    assert "Where the errors come from" not in text.split('id="silent"')[1]
    capsys.readouterr()
    assert main(["report", evidence, "--with", str(folder / "before.csv"), "--out", str(page)]) == 2
    assert "no JSON" in capsys.readouterr().err
    (tmp_path / "other.json").write_text(json.dumps({"x": 1}))
    assert main(["report", evidence, "--with", str(tmp_path / "other.json")]) == 2
    assert main(["report", evidence, *words[:2], *words[:2]]) == 2


def test_what_rests_on_few_rows_is_withheld(folder: Path) -> None:
    path = folder / "slices.json"
    shown, kept = (additions.read((path,), suppress_below=least).causes[0] for least in (None, 60))
    assert len(kept.table.rows) < len(shown.table.rows)
    assert "withheld" in kept.notes[-1]
    assert additions.read((folder / "trials.json",), suppress_below=10**6).remedies == ()


def test_additions_know_each_document(folder: Path) -> None:
    views = additions.read((folder / "slices.json", folder / "trials.json"))
    assert [one.anchor for one in views.causes] == ["slices"]
    assert [one.anchor for one in views.remedies] == ["remedies-tried"]
