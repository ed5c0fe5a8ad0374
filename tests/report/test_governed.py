"""Harms and checklists in the report: the gate's verdict, each source told apart, hostile words as words."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from audit import bundle, codec
from audit.cli.main import main
from audit.governance.harms import Action, Effect, Harm, Nothing, Register
from audit.governance.readiness import assess_all
from audit.report.governed import GovernedView, governed_view
from audit.report.html import render
from tests.governance.prepared import prepare
from tests.governance.project import DAY, answer, look, passing
from tests.needs import needs_extra
from tests.profiles.cases import case
from tests.report.sample import sample_result

AS_OF = ("--as-of", str(DAY))
NASTY = "<script>alert(1)</script> {{ 7*7 }} | `x`"


class Rows(HTMLParser):
    """The cells of the governance section's tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        start = text.index('<section id="governance"')
        self.feed(text[start : text.index("</section>", start)])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        elif tag == "small" and self.inside:
            self.rows[-1][-1] += "|"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def cells(text: str) -> dict[str, list[str]]:
    """Rows by the first line of their first cell."""
    return {row[0].split("|")[0].strip(): [c.strip() for c in row] for row in Rows(text).rows if row}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared project with its bundle."""
    folder = tmp_path_factory.mktemp("prepared")
    bundle.write(folder / "evidence", {"audit.json": codec.dumps(passing())})
    found = bundle.read(folder / "evidence")
    prepare(folder, passing(), found.id, found.path / "signatures")
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    folder = Path(shutil.copytree(prepared, tmp_path / "project"))
    monkeypatch.chdir(folder)
    return folder


def report(*words: str) -> str:
    assert main(["report", "evidence", "--out", "r.html", *AS_OF, *words]) == 0
    return Path("r.html").read_text("utf-8")


def test_the_page_has_the_gates_verdict_and_its_reasons(project: Path) -> None:
    text = report()
    assert "<title>Pass: " in text
    assert "Ada (owner) attests by typed name" in text
    for name in ("OVER-03", "OVER-04", "SCOPE-01", "HARM-01", "DATA-01", "EVAL-02", "LAUNCH-05"):
        answer(project, name, answer="no", waiver=None)
    text = report()
    assert "<title>Violation: " in text
    assert "A requirement outside the measured rules is not met." in text
    assert re.search(r'\d more stand <a href="#governance">under harms and checklists</a>', text)
    assert main(["gate", "evidence", *AS_OF]) == 1


def test_every_list_counts_its_questions_once(project: Path) -> None:
    rows = cells(report())
    for each, assessed in assess_all(project, look(project, passing())):
        name = f"{each.id}: {each.title}"
        numbers = [0 if cell in ("–", "") else int(cell) for cell in rows[name][1:]]
        questions, derived, attested, mixed, waived, absent, still, _ = numbers
        assert questions == len(assessed) == derived + attested + mixed + waived + absent + still
        assert attested == sum(a.status == "satisfied" and a.source == "attested" for a in assessed)


def test_derived_and_attested_look_different(project: Path) -> None:
    text = report()
    for source in ("derived", "attested"):
        assert f'<span class="source {source}">{source}</span>' in text
    styles = re.findall(r"\.source\.(\w+) \{([^}]*)\}", text)
    assert len({rule for _, rule in styles}) == 3


def test_without_a_folder_there_is_no_such_section(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    text = report("--project", str(tmp_path / "elsewhere"))
    assert 'id="governance"' not in text
    assert "Harms and checklists" not in text


def test_the_same_day_gives_the_same_bytes(project: Path) -> None:
    assert report() == report()


def view(result: Any, register: Register, lists: Any = None) -> tuple[str, GovernedView]:
    found = case(result)
    situation = replace(found.situation, register=register)
    shown = governed_view(situation, lists or assess_all(Path("nowhere"), situation), "launch")
    text = render(found.result, found.decision, bundle_id="7c" * 32, governance=shown)
    return text, shown


def harm(**changes: Any) -> Harm:
    plain = Harm(
        "H-001", NASTY, None, "consultation", (), (NASTY,), None, None, None, None, (), None, None, None,
        "identified", None, (), "x",
    )  # fmt: skip
    return replace(plain, **changes)


def test_rows_actions_and_hostile_words() -> None:
    action = Action(
        "A-001", ("H-001",), "model", NASTY, "Ada", None, None, "verified", False, Effect(0.09, 0.05, 0.13),
        (), "x",
    )  # fmt: skip
    text, _ = view(None, Register((harm(),), (action,), (Nothing("allocative", NASTY, NASTY),)))
    rows = cells(text)
    assert rows["H-001"][1:] == [NASTY, "not rated", "not rated", "identified", "nobody", "–"]
    assert rows["A-001"][5] == "0.09|0.05 to 0.13"
    assert "<script" not in text


def test_an_empty_register_is_not_a_clean_one() -> None:
    assert "nobody says that they looked" in view(None, Register())[0]
    assert "nobody says that they looked" not in view(None, Register(nothing=(Nothing("a", "b", "c"),)))[0]


def test_figures_of_small_groups_stay_withheld() -> None:
    result = sample_result(groups=6, suppress_below=400)
    _, shown = view(result, Register((harm(),)))
    derived = {item.id: item.why for each in shown.lists for item in each.items}
    assert derived["EVAL-03"] == "the figures are withheld, for a group is small"
    _, plain = view(sample_result(groups=6), Register())
    assert "limit" in {i.id: i.why for each in plain.lists for i in each.items}["EVAL-03"]


def test_reasons_hold_no_figures_of_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = sample_result(groups=6, suppress_below=400)
    bundle.write(tmp_path / "evidence", {"audit.json": codec.dumps(result)})
    assert main(["checklist", "new", "--bundle", "evidence"]) == 0
    assert main(["harms", "seed", "--bundle", "evidence", *AS_OF]) == 0
    text = html.unescape(report())
    situation = look(tmp_path, result)
    said = [a.evidence for _, assessed in assess_all(tmp_path, situation) for a in assessed if a.evidence]
    figures = [e.words for e in said if e.subject is not None or e.words.startswith("smallest group")]
    assert any(words.startswith("smallest group") for words in figures)
    titles = [h.title for h in (situation.register.harms if situation.register else ()) if h.trigger]
    assert figures
    assert titles
    assert [words for words in (*figures, *titles) if words in text] == []
    assert "raised by a rule: nobody owns it" in text


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_paper_holds_it(browser: Any, tmp_path: Path, scheme: str) -> None:
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    small = sample_result(groups=2, intersections=False, scores=False)
    file = tmp_path / "r.html"
    file.write_text(view(small, Register((harm(),)))[0], encoding="utf-8")
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    options = {"resultTypes": ["violations"]}
    found = axe.run(page, context="#governance", options=options).response["violations"]
    assert [(v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"]) for v in found] == []
    page.set_viewport_size({"width": 680, "height": 900})
    page.emulate_media(media="print")
    over = page.locator("#governance table").evaluate_all(
        "all => all.map(t => t.getBoundingClientRect().right - document.documentElement.clientWidth)"
    )
    page.context.close()
    assert max(over) <= 1
