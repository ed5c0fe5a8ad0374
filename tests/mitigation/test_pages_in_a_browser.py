"""The added sections in a real browser: accessible, silent, never wider than the page, whole on paper."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit.gate import decide
from audit.mitigation.catalogue import METHODS
from audit.mitigation.compare import compare
from audit.mitigation.plan import Plan, PlanAction
from audit.mitigation.trial_report import Trials
from audit.mitigation.trials import run_trials
from audit.report import compare_page
from audit.report.additions import Additions, added
from audit.report.html import render
from tests.mitigation import small
from tests.needs import needs_extra
from tests.report.sample import sample_result
from tests.report.test_browser import opened

pytestmark = [pytest.mark.slow, pytest.mark.browser]
HOSTILE = "<script>alert(1)</script> “x” 😀 " + "long" * 60


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    trials: Trials = run_trials(
        small.problem(folds=2), tuple(METHODS[n] for n in ("retrain", "one-threshold", "fine-tune"))
    )
    plan = Plan("1.0", HOSTILE, "a" * 64, "2026-01-01", (action("A-001", 0.1), action("A-002", None)),
                ("H-001: x",), (HOSTILE,), ())  # fmt: skip
    result = sample_result(groups=3)
    decision = decide(result, today=date(2026, 11, 22), model_sha256="ab" * 32)
    views = added(Additions(trials=trials, plan=plan))
    pages = {
        "report": render(result, decision, bundle_id="7c" * 32, additions=views),
        "compare": compare_page.render(compare(("a" * 64, result), ("b" * 64, result))),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


def action(name: str, delta: float | None) -> PlanAction:
    measured = (delta, None, None) if delta is None else (delta, delta - 0.02, delta + 0.02)
    return PlanAction(
        name, None, "model", HOSTILE, "verified" if delta else "proposed", delta is None, ("H-001",), HOSTILE,
        ("a", "b"), None, HOSTILE, ("c", HOSTILE), None, None, None, (), "Ada", None, "2026-01-01", *measured,
        "on the same people", (),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["report", "compare"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_the_page_is_silent(
    browser: Any, files: dict[str, Path], name: str, scheme: str
) -> None:
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    page, noise = opened(browser, files[name], color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    said = [(v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"]) for v in found]
    page.context.close()
    assert said == []
    assert noise == []


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("name", ["report", "compare"])
def test_the_page_never_scrolls_sideways(browser: Any, files: dict[str, Path], name: str, width: int) -> None:
    page, _ = opened(browser, files[name], viewport={"width": width, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.context.close()
    assert wide <= 0
