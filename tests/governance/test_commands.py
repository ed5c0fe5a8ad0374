"""The governance commands, as a person types them."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit import bundle, codec
from audit.cli.main import cli, main
from tests.governance.project import failing

HOSTILE = "<script>alert(1)</script> | `x` {oops} =1+1 \u202e[a](javascript:1)"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    bundle.write(tmp_path / "evidence", {"audit.json": codec.dumps(failing())})
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    found = main(words)
    out = capsys.readouterr()
    assert found == code, out.out + out.err
    return out.out + out.err


def typed(*words: str, keys: str) -> str:
    done = CliRunner().invoke(cli, words, input=keys, standalone_mode=False)
    return done.output


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_new_makes_what_applies_and_twice_changes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "answers/SCOPE.yaml" in run(capsys, "checklist", "new", "--bundle", "evidence")
    before = files(here / "governance")
    assert "answers/LL144.yaml" not in before
    assert "nothing to add" in run(capsys, "checklist", "new", "--bundle", "evidence")
    assert files(here / "governance") == before
    run(capsys, "checklist", "new", "health")
    assert (here / "governance/answers/HEALTH.yaml").exists()


def test_new_reads_the_spec_where_nothing_was_audited_yet(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "p.csv").write_text("a,p\nx,1\n", encoding="utf-8")
    (here / "audit.yaml").write_text(
        "system: {name: hiring, use: employment, jurisdictions: [US-NYC]}\n"
        "data: {source: p.csv, columns: {prediction: p}, attributes: {a: {}}}\n",
        encoding="utf-8",
    )
    said = run(capsys, "checklist", "new")
    assert "LL144.yaml" in said
    assert "EMPUS.yaml" in said
    assert "EUHR.yaml" not in said


def test_an_answer_is_kept_bound_and_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    (here / "why.md").write_text("because", encoding="utf-8")
    words = ("checklist", "answer", "EVAL-02", "--answer", "yes", "--by", "Ada", "--document", "why.md")
    run(capsys, *words, "--bundle", "evidence")
    said = json.loads(run(capsys, "checklist", "status", "--json", "--bundle", "evidence"))
    found = {one["item"]: one for one in said}
    assert found["EVAL-02"]["status"] == "satisfied"
    assert found["EVAL-03"]["status"] == "not_satisfied"
    assert found["EVAL-03"]["evidence"]["value"] == 0.6
    assert found["EVAL-03"]["source"] == "derived"
    (here / "why.md").write_text("another", encoding="utf-8")
    said = json.loads(run(capsys, "checklist", "status", "--json", "--bundle", "evidence"))
    assert {one["item"]: one["status"] for one in said}["EVAL-02"] == "stale"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("EVAL-02", "--answer", "yes"), "needs a name"),
        (("EVAL-02", "--na", "x", "--by", "Ada"), "--approved-by"),
        (("EVAL-02", "--waive", "x", "--by", "Ada", "--approved-by", "Grace"), "--until"),
        (("EVAL", "--answer", "yes", "--by", "Ada"), "one question"),
        (("EVAL-99", "--answer", "yes", "--by", "Ada"), "EVAL-99"),
        (("EVAL-02", "--answer", "yes", "--by", "Ada", "--document", "none.md"), "cannot be read"),
    ],
)
def test_half_an_answer_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    before = files(here / "governance")
    assert said in run(capsys, "checklist", "answer", *words, code=2)
    assert files(here / "governance") == before


def test_answering_at_the_keyboard_stops_and_goes_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    first = typed("checklist", "answer", "OVER", keys="Ada\nwhy\nyes\nby the clerk\nquit\n")
    assert "OVER-01" in first
    assert "It happened" in first
    assert "5 still open" in first
    second = typed("checklist", "answer", "OVER", "--by", "Ada", keys="no\n\nquit\n")
    assert "OVER-02" in second
    assert "OVER-01" not in second
    text = (here / "governance/answers/OVER.yaml").read_text("utf-8")
    assert "note: by the clerk" in text


def test_verify_says_why_and_ends_with_the_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    said = run(capsys, "checklist", "verify", "--bundle", "evidence", code=1)
    assert "violation (EVAL-03)" in said
    assert "→" in said
    run(capsys, "checklist", "verify", "--stage", "frame", "--bundle", "evidence", code=3)


def test_no_folder_is_said_with_the_way_to_make_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "checklist new" in run(capsys, "checklist", "status", code=2)


def test_a_corrupt_file_ends_with_its_line_and_no_traceback(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    path = here / "governance/answers/SCOPE.yaml"
    path.write_text(path.read_text("utf-8") + "<<<<<<< HEAD\n", encoding="utf-8")
    said = run(capsys, "checklist", "status", code=2)
    assert f"SCOPE.yaml:{len(path.read_text('utf-8').splitlines())}" in said
    assert "Traceback" not in said


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_exports_carry_hostile_words_as_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    words = ("checklist", "answer", "OVER-01", "--answer", "no", "--by", HOSTILE, "--note", HOSTILE)
    run(capsys, *words, "--owner", "=cmd|' /C calc'!A0")
    for kind in ("md", "html", "csv"):
        run(capsys, "checklist", "export", "--format", kind, "--out", f"out.{kind}", "--bundle", "evidence")
    page = Tags()
    page.feed((here / "out.html").read_text("utf-8"))
    assert "script" not in page.tags
    assert HOSTILE in "".join(page.text)
    assert page.tags.count("h1") == 1
    assert page.tags.count("code") >= 2
    assert "`" not in "".join(page.text).replace(HOSTILE, "")
    markdown = (here / "out.md").read_text("utf-8")
    assert "<script>" not in markdown
    assert "[a](" not in markdown
    rows = list(csv.DictReader(io.StringIO((here / "out.csv").read_text("utf-8"))))
    row = next(row for row in rows if row["item"] == "OVER-01")
    assert row["owner"].startswith("'=")
    assert row["status"] == "not_satisfied"
    assert {row["source"] for row in rows} == {"derived", "attested", "mixed"}


def test_a_harm_from_seed_to_acceptance(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    assert "added: H-001" in run(capsys, "harms", "seed", "--bundle", "evidence")
    before = files(here / "governance")
    assert "added: none" in run(capsys, "harms", "seed", "--bundle", "evidence")
    assert files(here / "governance") == before
    assert "nobody" in run(capsys, "harms", "list")
    scales = ("--severity", "4", "--likelihood", "3", "--scale", "3", "--reversibility", "2")
    rating = (*scales, "--detectability", "2", "--rationale", "jobs are lost", "--by", "Ada")
    assert "moderate" not in run(capsys, "harms", "rate", "H-001", *rating)
    run(
        capsys,
        "harms",
        "own",
        "h-001",
        "--owner",
        "Ada",
        "--due",
        "2026-12-24",
        "--treatment",
        "reduce",
        "--by",
        "Ada",
    )
    run(capsys, "harms", "move", "H-001", "treating", "--by", "Ada")
    run(capsys, "harms", "rate", "H-001", "--residual", *rating)
    assert "accept it instead" in run(capsys, "harms", "close", "H-001", "--by", "Ada", code=2)
    word = ("--role", "risk", "--rationale", "pilot", "--until", "2099-05-01")
    assert "owner cannot" in run(capsys, "harms", "accept", "H-001", "--by", "Ada", *word, code=2)
    run(capsys, "harms", "accept", "H-001", "--by", "Grace", *word)
    shown = run(capsys, "harms", "show", "H-001")
    assert "by Grace until 2099-05-01" in shown
    assert "H-404" in run(capsys, "harms", "show", "H-404", code=2)


def test_brainstorm_walks_every_kind_and_takes_a_reasoned_none(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "checklist", "new", "--bundle", "evidence")
    keys = "\n" * 6 + "it shows no people\n" + "Women lose jobs\n\n" + "\n" * 3 + "\n" + "quit\n"
    said = typed("harms", "brainstorm", "--group", "women", "--by", "Ada", keys=keys)
    assert "H-001" in said
    text = (here / "governance/harms.yaml").read_text("utf-8")
    assert "allocative.opportunity_loss" in text
    assert "theme: representational" in text
    found = json.loads(run(capsys, "checklist", "status", "--json", "--bundle", "evidence"))
    assert "interpersonal" in {one["item"]: one["why"] for one in found}["HARM-02"]


def test_sign_and_check(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("sign", "evidence", "--role", "owner", "--name", "Ada")
    assert "--saw" in run(capsys, *words, code=2)
    assert "no signature" in run(capsys, *words, "--saw", "the report")
    assert "typed name" in run(capsys, "sign", "evidence", "--check")
    run(capsys, "verify", "evidence")
    audit_json = here / "evidence/audit.json"
    audit_json.write_bytes(audit_json.read_bytes().replace(b"credit", b"Credit", 1))
    assert "another bundle" in run(capsys, "sign", "evidence", "--check")
    assert "not what it was" in run(
        capsys, *words[:2], "--role", "board", "--name", "B", "--saw", "x", code=2
    )


def test_standards_for_a_place_a_use_and_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("standards", "--jurisdiction", "US-CO", "--use", "insurance", "--as-of")
    before = run(capsys, *words, "2026-12-31")
    assert "repealed on 2026-05-14; replaced by US-CO-ADMT" in before
    assert "not in force before 2027-01-01" in before
    assert "in force since 2027-01-01" in run(capsys, *words, "2027-01-01")
    said = json.loads(run(capsys, "standards", "--json", "--as-of", "2026-11-22"))
    assert sum(one["scheme"] == "NIST-AI-RMF" for one in said) == 72
    assert all(one["verified"] in ("primary", "secondary", "memory") for one in said)
    assert "Known:" in run(capsys, "standards", "--use", "poetry", code=2)


def test_lists_can_be_read_without_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "checklist", "list").count("questions") == 14
    assert "LL144-12" in run(capsys, "checklist", "list", "ll144")
