"""Who reviewed, from which perspectives, who was consulted, and what changed because of it.

Perspectives are what people say of themselves, if they wish to; nobody is scored by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from audit.governance import yamlfile

TEMPLATE = """\
# Who looked for harm, and who was asked. Perspectives are self-described and optional.

reviewers: []
#  - {name: , role: , perspectives: []}

consulted: []
#  - {who: , on: 2026-11-30, how: , changed: }
"""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who took part, in a role."""

    name: str
    role: str
    perspectives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consultation:
    """People who were asked, and what changed because of it; None is not said."""

    who: str
    on: date | None
    how: str | None
    changed: str | None


@dataclass(frozen=True, slots=True)
class Team:
    """All of them."""

    reviewers: tuple[Reviewer, ...] = ()
    consulted: tuple[Consultation, ...] = ()


def load_team(path: Path) -> Team:
    """The team in the file, empty where there is none."""
    if not path.exists():
        return Team()
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="team.yaml")
    people, asked = root.entries("reviewers"), root.entries("consulted")
    team = Team(
        tuple(Reviewer(e.need("name"), e.need("role"), e.strings("perspectives")) for e in people),
        tuple(Consultation(e.need("who"), e.day("on"), e.text("how"), e.text("changed")) for e in asked),
    )
    for entry in (root, *people, *asked):
        entry.done()
    return team
