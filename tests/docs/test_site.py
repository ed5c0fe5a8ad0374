"""The site builds without a warning, its links hold, and it asks nothing of other machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.modules import ROOT
from tests.needs import needs_extra

pytestmark = pytest.mark.slow
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"([^\"]+)|<link[^>]+href=\"([^\"]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_extra("material")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    wrong = [
        f"{path.relative_to(site)}: {address}"
        for path, text in pages(site)
        for found in LOADED.findall(text)
        for address in filter(None, found)
        if "//" in address
    ]
    assert not wrong, wrong


def test_every_link_within_the_site_holds(site: Path) -> None:
    """Also where a hook or the theme made it; the 404 page's links start at the site's root."""
    wrong = []
    for path, text in pages(site):
        if path.name == "404.html":
            continue
        for address in re.findall(r"<a[^>]+href=\"([^\"]+)", text):
            target, _, anchor = address.partition("#")
            if ":" in target or target.startswith("//"):
                continue
            file = (path.parent / target).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file():
                wrong.append(f"{path.relative_to(site)}: {address}")
            elif anchor and file.suffix == ".html" and f'id="{anchor}"' not in file.read_text("utf-8"):
                wrong.append(f"{path.relative_to(site)}: {address} (no such place)")
    assert not wrong, wrong


def test_no_python_is_published(site: Path) -> None:
    assert not list(site.rglob("*.py"))


@pytest.mark.browser
def test_a_page_asks_nothing_of_other_machines(site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").first.inner_text().startswith("harm-audit")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.screenshot(path=os.environ.get("SITE_PNG", str(site.parent / "site.png")))
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(site: Path, browser: Any, scheme: str) -> None:
    axe = needs_extra("axe_playwright_python.sync_playwright").Axe()
    wrong = []
    for name in ("index.html", "start.html", "metrics.html"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto((site / name).as_uri())
        found = axe.run(page, options={"runOnly": ["color-contrast"], "resultTypes": ["violations"]})
        wrong += [
            (name, node["target"], node["failureSummary"])
            for rule in found.response["violations"]
            for node in rule["nodes"]
        ]
        page.context.close()
    assert wrong == []


def test_every_family_says_where_it_fits() -> None:
    families = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").split("\n## The ")[1:]
    assert len(families) > 5
    for family in families:
        words = family.split("\n\n")[1]
        assert re.fullmatch(r"For the tasks \w[\w, ]+\.|By `harm-audit \w+`\.", words), words
