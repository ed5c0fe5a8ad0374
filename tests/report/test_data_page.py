"""The page on a table before training: what it says first, hostile names, and a browser's view of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.analysis.data_audit import examine
from audit.analysis.data_figures import Options
from audit.analysis.data_report import DataReport
from audit.analysis.dataset import open_dataset
from audit.report.data_page import render
from audit.spec import of_table
from tests.needs import needs_extra
from tests.report.test_browser import opened

HOSTILE = ["<script>alert(1)</script>", '=cmd|"/C calc"!A0', "a\nb\t'\x00", "\N{PILE OF POO} {{ 7*7 }}"]


def report_of(groups: list[str], feature: str, rows: int = 400, clear: float = 0.8) -> DataReport:
    random = np.random.default_rng(3)
    at = random.integers(0, len(groups), rows)
    frame = pd.DataFrame(
        {
            "g": np.array(groups, dtype=object)[at],
            feature: np.where(random.random(rows) < clear, at, 0).astype(str),
            "number": random.normal(at, 2),
            "y": random.integers(0, 2, rows),
        }
    )
    frame.loc[frame.index % 9 == 0, "number"] = np.nan
    spec = of_table({"columns": {"label": "y"}, "attributes": {"g": {}}, "positive": 1})
    with open_dataset(spec, frame=frame) as dataset:
        return examine(dataset, options=Options(sample=300))


@pytest.fixture(scope="module")
def plain() -> str:
    return render(report_of(["x", "z"], "town"))


def test_the_page_names_the_strongest_proxy_first_and_is_the_same_each_time(plain: str) -> None:
    statement = plain.index('class="statement"')
    assert "<bdi>town</bdi> is the strongest proxy for <bdi>g</bdi>" in plain[statement : statement + 200]
    assert plain == render(report_of(["x", "z"], "town"))
    for words in ("Label-rate gap", "Missing values", "What this page does not say", "no test set was given"):
        assert words in plain


@pytest.mark.parametrize("page", ["", "weak"])
def test_weak_proxies_look_weak(plain: str, page: str) -> None:
    """The plot shows all of 0 to 1, so that a small association does not stand far right."""
    text = render(report_of(["x", "z"], "town", clear=0.05)) if page else plain
    figure = text[text.index('id="fig-attribute-1"') :]
    ticks = re.findall(r">([0-9.]+)</text>", figure[: figure.index("</svg>")])
    assert {"0", "1"} <= set(ticks)


def test_hostile_names_stay_text() -> None:
    page = render(report_of(HOSTILE, "<img src=x onerror=alert(1)>"))
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "\x00" not in page
    assert "{{ 7*7 }}" in page


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_asked_for(
    browser: Any, plain: str, scheme: str, tmp_path: Path
) -> None:
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    file = tmp_path / "data.html"
    for text in (plain, render(report_of(HOSTILE, "a b"))):
        file.write_text(text, encoding="utf-8")
        page, noise = opened(browser, file, color_scheme=scheme, viewport={"width": 640, "height": 800})
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        page.context.close()
        assert [(v["id"], v["nodes"][0]["target"]) for v in found] == []
        assert noise == []
        assert not wide
