"""What the site needs beyond the theme: links out of docs/ become names, and decisions list themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#]+)(?:#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Decisions, and every page that mkdocs.yml does not place, are in the navigation all the same."""
    docs = ROOT / "docs"
    placed = set(_places(config.nav))
    for entry in config.nav:
        if "Decisions" in entry:
            entry["Decisions"] = [
                f"decisions/{path.name}" for path in sorted((docs / "decisions").glob("*.md"))
            ]
    found = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    more = [name for name in found if name not in placed and not name.startswith("decisions/")]
    if more:
        config.nav.append({"More": more})
    return config


def _places(nav: Any) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _places(entry)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A link to a file of the repository, which the site does not hold, as its words and its path."""
    here = (ROOT / "docs" / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link[2]}, which is not there")
        path = target.relative_to(ROOT).as_posix()
        return link[1] if path in link[1] else f"{link[1]} (`{path}`)"

    return OUTSIDE.sub(shown, markdown)
