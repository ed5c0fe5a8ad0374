"""The profiles in a real browser: accessible, silent, no wider than the page, and whole on paper."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from audit.governance.facts import Facts
from audit.report.profiles import PROFILES
from tests.needs import needs_extra
from tests.profiles.cases import case, city
from tests.report.sample import HOSTILE, sample_result

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGES = [name for name in PROFILES if name not in ("in-toto", "oscal")]

FILED = ("ll144", "eu-annex-iv", "model-card")
"""Printed in America too."""
SECTIONS = ("gdpr-dpia", "hhs-1557", "bias-profile")
"""Of one template with eu-fria, which is looked at in both themes and as a draft."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, written = tmp_path_factory.mktemp("profiles"), {}
    hostile = sample_result(groups=len(HOSTILE), hostile=True)
    for name in PAGES:
        module: Any = importlib.import_module(f"audit.report.profiles.{name.replace('-', '_')}")
        whole = city() if name == "ll144" else sample_result(groups=4)
        for kind, given in (("whole", case(whole)), ("draft", case(hostile, Facts()))):
            written[f"{name}-{kind}"] = folder / f"{name}-{kind}.html"
            written[f"{name}-{kind}"].write_text(module.FORMATS["html"](given).text, encoding="utf-8")
    return written


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "whole") for name in PAGES] + [(name, "draft") for name in PAGES if name not in SECTIONS],
)
def test_axe_finds_nothing_and_the_page_fits(
    browser: Any, files: dict[str, Path], name: str, kind: str
) -> None:
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    file = files[f"{name}-{kind}"]
    for scheme in ("light", "dark") if kind == "whole" and name not in SECTIONS else ("light",):
        page = browser.new_context(color_scheme=scheme).new_page()
        noise: list[str] = []
        page.on("console", lambda message, noise=noise: noise.append(message.text))
        page.on("dialog", lambda dialog, noise=noise: noise.append(dialog.message))
        page.on("request", lambda r, noise=noise: None if r.url == file.as_uri() else noise.append(r.url))
        page.goto(file.as_uri())
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"]) for v in found] == []
        said = page.locator("dl.pairs dd").evaluate_all(
            "all => all.map(d => d.getBoundingClientRect().width)"
        )
        assert min(said) > 250
        page.set_viewport_size({"width": 320, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.context.close()
        assert wide <= 0
        assert noise == []


@pytest.mark.parametrize(
    ("name", "paper"),
    [(name, ("A4", 210)) for name in PAGES] + [(name, ("Letter", 216)) for name in FILED],
    ids=[f"{name}-A4" for name in PAGES] + [f"{name}-Letter" for name in FILED],
)
def test_no_table_is_cut_on_paper(
    browser: Any, files: dict[str, Path], name: str, paper: tuple[str, int]
) -> None:
    page = browser.new_context().new_page()
    page.goto(files[f"{name}-whole"].as_uri())
    page.set_viewport_size({"width": int((paper[1] - 30) / 25.4 * 96), "height": 900})
    page.emulate_media(media="print")
    over = page.locator("table").evaluate_all(
        "all => all.map(t => t.getBoundingClientRect().right - document.documentElement.clientWidth)"
    )
    assert max(over) <= 1
    pdf = page.pdf(format=paper[0])
    page.context.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
