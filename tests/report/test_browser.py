"""The report in a real browser: accessible, silent, whole on paper, usable when zoomed."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit.gate import decide
from audit.report.html import render, render_fragment
from tests.needs import needs_extra
from tests.report.sample import HOSTILE, sample_result

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SAMPLES: dict[str, dict[str, Any]] = {
    "three": {"groups": 3},
    "withheld": {"groups": 6, "suppress_below": 400},
    "hostile": {"groups": len(HOSTILE), "hostile": True},
    "many": {"groups": 500},
    "plain": {"groups": 4, "scores": False, "intersections": False, "rules": ()},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    written = {}
    for name, options in SAMPLES.items():
        result = sample_result(**options)
        decision = decide(result, today=date(2026, 11, 22), model_sha256="ab" * 32)
        written[name] = folder / f"{name}.html"
        written[name].write_text(render(result, decision, bundle_id="7c" * 32), encoding="utf-8")
    head = "<!doctype html><html lang=en><title>Notebook</title><main><h1>Notebook</h1>"
    fragment = f"{head}{render_fragment(result, decision)}</main></html>"
    written["fragment"] = folder / "fragment.html"
    written["fragment"].write_text(fragment, encoding="utf-8")
    return written


def opened(browser: Any, file: Path, **options: Any) -> tuple[Any, list[str]]:
    """The page of `file`, and what it complained of or asked for."""
    page = browser.new_context(**options).new_page()
    noise: list[str] = []
    page.on("console", lambda message: noise.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: noise.append(f"error: {error}"))
    page.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
    page.on("request", lambda r: None if r.url == file.as_uri() else noise.append(f"request: {r.url}"))
    page.goto(file.as_uri())
    return page, noise


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, scheme) for name in SAMPLES for scheme in ("light", "dark") if (name, scheme) != ("many", "dark")]
    + [("fragment", "light")],
)
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


@pytest.mark.parametrize(("width", "scale"), [(1280, 1), (640, 2), (320, 1)])
def test_the_page_never_scrolls_sideways(
    browser: Any, files: dict[str, Path], width: int, scale: int
) -> None:
    for name in ("three", "hostile"):
        page, _ = opened(
            browser, files[name], viewport={"width": width, "height": 800}, device_scale_factor=scale
        )
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.context.close()
        assert wide <= 0, name


def test_the_verdict_of_each_comparison_is_in_sight_of_its_group(
    browser: Any, files: dict[str, Path]
) -> None:
    for width in (1280, 390):
        page, _ = opened(browser, files["three"], viewport={"width": width, "height": 800})
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        ends = page.locator("table.verdicts tbody td:nth-child(2)").evaluate_all(
            "all => all.map(c => c.getBoundingClientRect().left + 60 - document.documentElement.clientWidth)"
        )
        page.context.close()
        assert max(ends) < 0


def test_the_page_is_whole_without_script(browser: Any, files: dict[str, Path]) -> None:
    page, _ = opened(browser, files["three"], java_script_enabled=False)
    assert page.locator("svg.plot").count() == 10
    assert page.locator("#verdict .statement").is_visible()
    page.context.close()


def test_the_keyboard_reaches_the_verdict_first(browser: Any, files: dict[str, Path]) -> None:
    page, _ = opened(browser, files["three"])
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the verdict"
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.context.close()


def test_both_themes_differ_and_print_is_always_light(browser: Any, files: dict[str, Path]) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, _ = opened(browser, files["three"], color_scheme="light")
    dark, _ = opened(browser, files["three"], color_scheme="dark")
    assert light.evaluate(ground) == "rgb(255, 255, 255)"
    assert dark.evaluate(ground) != light.evaluate(ground)
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(ground) == "rgb(255, 255, 255)"
    light.context.close()
    dark.context.close()


@pytest.mark.parametrize("paper", [("A4", 210, 297), ("Letter", 216, 279)], ids=["A4", "Letter"])
def test_paper_holds_every_table_and_no_cut_plot(
    browser: Any, files: dict[str, Path], paper: tuple[str, int, int]
) -> None:
    name, across, down = paper
    page, _ = opened(browser, files["many"])
    margin_x, margin_y, inch = 30, 34, 25.4
    page.set_viewport_size({"width": int((across - margin_x) / inch * 96), "height": 900})
    page.emulate_media(media="print")
    closed = page.locator("details:not([open])")
    assert closed.count() > 3
    heights = closed.locator("table").evaluate_all("all => all.map(t => t.getBoundingClientRect().height)")
    assert min(heights) > 20
    plots = page.locator("svg.plot").evaluate_all(
        "all => all.map(s => [s.getBoundingClientRect().height, getComputedStyle(s).breakInside])"
    )
    room = (down - margin_y) / inch * 96
    assert all(height <= room and inside == "avoid" for height, inside in plots)
    letters = page.locator("svg.plot").evaluate_all(
        "all => all.map(s => 13 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
    )
    assert min(letters) * 72 / 96 > 7, "letters of a plot are smaller than 7 points"
    heads = page.locator("thead").evaluate_all("all => all.map(t => getComputedStyle(t).display)")
    assert set(heads) == {"table-header-group"}
    wide = page.locator("table").evaluate_all(
        "all => all.map(t => t.getBoundingClientRect().right - document.documentElement.clientWidth)"
    )
    assert max(wide) <= 1
    pdf = page.pdf(format=name)
    page.context.close()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 5
