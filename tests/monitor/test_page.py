"""The dashboard in a real browser, with few groups and with two hundred: accessible, silent, no wider."""

from __future__ import annotations

import re

import pytest

from audit.monitor import page
from tests.monitor.log import DAY, START
from tests.monitor.project import make_project, opened, write_days
from tests.needs import needs_extra

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MANY = [f"region {i}" for i in range(196)]
HOSTILE = ["<script>alert(1)</script>", "a" * 120, "=cmd()", "q\"uo'te"]

SCORES = """() => {
  const cells = (tag, text) => `<${tag} class="num">${text}</${tag}>`.repeat(11);
  document.querySelector("main").insertAdjacentHTML("beforeend", `<details id="score-table" open>
    <div class="scroll"><table><tr><th>Group</th>${cells("th", "≥ 0.5208")}</tr>
    <tr><th>age 25 to under 40</th>${cells("td", "0.884 (0.883)")}</tr></table></div></details>`);
}"""
"""A table of nine cuts as the template writes it, for the project of these tests has no scores."""


@pytest.fixture(scope="module")
def dashboard(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    regions = HOSTILE + MANY if request.param == "two hundred" else ["N"]
    watch = opened(make_project(folder, regions=regions), folder)
    given = {"regions": regions, "rate": lambda day, sex: 0.2 if sex == "F" and day > 3 else 0.4}
    write_days(folder / "logs", 8, per_day=1_200, **given)
    watch.ingest(whole=True)
    found = watch.evaluate(now=START + 9 * DAY)
    text = page.render(found, watch, ["a file that could not be read: <b>x</b>"])
    path = folder / "page.html"
    path.write_text(text.replace('src="dashboard.js"', 'src="data:text/javascript,"'), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("dashboard", "scheme"),
    [("three", "light"), ("three", "dark"), ("two hundred", "light")],
    indirect=["dashboard"],
)
def test_axe_finds_nothing_and_nothing_runs(browser, dashboard, scheme):
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    view = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}).new_page()
    noise = []
    view.on("console", lambda message: noise.append(message.text))
    view.on("dialog", lambda dialog: noise.append(dialog.message))
    view.goto(dashboard.as_uri())
    # A table of eight hundred rows takes axe a minute, and its rows are those of the small one.
    view.evaluate(
        "document.querySelectorAll('details').forEach(d => { d.open = d.querySelectorAll('tr').length < 60 })"
    )
    found = axe.run(view, options={"resultTypes": ["violations"]}).response["violations"]
    wide = []
    for width in (1280, 640, 320):
        view.set_viewport_size({"width": width, "height": 800})
        wide.append(
            view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )
    plots = view.locator("svg.small").count()
    view.context.close()
    assert [(v["id"], v["nodes"][0]["target"], v["nodes"][0]["failureSummary"]) for v in found] == []
    assert noise == []
    assert max(wide) <= 0, wide
    assert 2 <= plots <= 24


@pytest.mark.parametrize("dashboard", ["three"], indirect=True)
def test_the_page_is_whole_without_script(browser, dashboard):
    view = browser.new_context(java_script_enabled=False).new_page()
    view.goto(dashboard.as_uri())
    assert "Violation" in view.locator("#verdict").inner_text()
    assert view.locator("svg.small").count() >= 2
    assert view.locator("#pause").is_hidden()
    view.context.close()


@pytest.mark.parametrize("dashboard", ["three"], indirect=True)
def test_no_word_hides_the_latest_values(dashboard):
    """Words at a bound are painted before the line, and stand where it begins."""
    drawn = [part.split("</svg>")[0] for part in dashboard.read_text("utf-8").split('<svg class="small"')[1:]]
    named = [plot for plot in drawn if 'class="edge"' in plot]
    assert named
    for plot in named:
        assert plot.rindex('class="edge"') < plot.index('class="path"')
        assert {float(x) for x in re.findall(r'class="edge" x="([^"]*)"', plot)} == {50.0}
        assert "text-anchor" not in plot[plot.index('class="edge"') : plot.index('class="path"')]


@pytest.mark.parametrize("dashboard", ["three"], indirect=True)
def test_nothing_is_cut_off_on_paper(browser, dashboard):
    view = browser.new_context(viewport={"width": 690, "height": 1000}).new_page()
    view.goto(dashboard.as_uri())
    view.emulate_media(media="print")
    view.evaluate(SCORES)
    width = view.evaluate("document.documentElement.scrollWidth")
    view.context.close()
    assert width <= 690
