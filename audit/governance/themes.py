"""The taxonomy of harm: the kinds that a project is asked about, from `checklists/themes.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit import resources
from audit.governance import yamlfile


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of harm in a theme of the taxonomy."""

    theme: str
    theme_title: str
    id: str
    ask: str

    @property
    def code(self) -> str:
        """theme.kind, as the register writes it."""
        return f"{self.theme}.{self.id}"


@cache
def load_kinds(path: Path | None = None) -> tuple[Kind, ...]:
    """The kinds of harm that the taxonomy names, theme by theme.

    >>> len(load_kinds()), len({kind.theme for kind in load_kinds()})
    (20, 5)
    """
    path = path or resources.checklists() / "themes.yaml"
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="the themes")
    root.need("scheme")
    kinds = []
    for theme in root.entries("themes"):
        name, title = theme.need("id"), theme.need("title")
        for entry in theme.entries("kinds"):
            kinds.append(Kind(name, title, entry.need("id"), entry.need("ask")))
            entry.done()
        theme.done()
    root.done()
    return tuple(kinds)
