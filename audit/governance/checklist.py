"""Lists of questions, each with what answers it."""

from __future__ import annotations

from dataclasses import dataclass

from audit.errors import UsageError
from audit.registry import nearest


@dataclass(frozen=True, slots=True)
class Case:
    """A published case of harm, as it was confirmed."""

    id: str
    title: str
    year: int
    where: str
    what: str
    found: str

    @property
    def source(self) -> str:
        """Where and when it was published."""
        return self.where if str(self.year) in self.where else f"{self.where}, {self.year}"


@dataclass(frozen=True, slots=True)
class Auto:
    """What the audit's result or the project answers by itself: a metric under a rule, or a named check."""

    metrics: tuple[str, ...] = ()
    comparison: str | None = None
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One question."""

    id: str
    list: str
    version: int
    question: str
    why: str
    if_no: str
    evidence: tuple[str, ...]
    auto: Auto | None
    auto_later: tuple[str, ...]
    """Measurements that will answer it once the project makes them; until then a person does."""
    stage: str
    owner_role: str
    severity: str
    blocker_if: str | None
    applies_if: str | None
    max_age_days: int
    on_change: tuple[str, ...]
    reviewer_not: tuple[str, ...]
    references: tuple[str, ...]
    case: Case | None
    where: str
    """File and line of its definition."""

    @property
    def classification(self) -> str:
        """automatable, hybrid or judgment, as its kinds of evidence say."""
        derived = self.auto is not None
        judged = bool({"document", "person"} & set(self.evidence))
        return "hybrid" if derived and judged else "automatable" if derived else "judgment"


@dataclass(frozen=True, slots=True)
class Checklist:
    """A list of questions under one heading."""

    id: str
    title: str
    about: str
    version: int
    optional: bool
    applies_if: str | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every list that ships, in the order of a project's life."""

    lists: tuple[Checklist, ...]

    def list(self, name: str) -> Checklist:
        """The list called `name`; a UsageError names the nearest."""
        for found in self.lists:
            if found.id == name.upper():
                return found
        names = [known.id for known in self.lists]
        near = nearest(name.upper(), names)
        hint = f"Did you mean {near}?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f"no checklist is called {name!r}", hint=hint)

    def item(self, name: str, *, where: str | None = None) -> Item:
        """The item with this id; a UsageError names the nearest."""
        items = {item.id: item for each in self.lists for item in each.items}
        if name.upper() in items:
            return items[name.upper()]
        near = nearest(name.upper(), items)
        hint = f"Did you mean {near}?" if near else "`harm-audit checklist list` names them."
        raise UsageError(f"no checklist item is called {name!r}", where=where, hint=hint)
