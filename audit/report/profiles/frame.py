"""What every profile shares: the case, the fields that people must fill, the law's standing, the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import jinja2

from audit.gate import Decision
from audit.governance.checklist import Checklist
from audit.governance.facts import STATEMENTS
from audit.governance.harms import Harm
from audit.governance.references import standing
from audit.governance.situation import Situation
from audit.governance.status import Assessed
from audit.report import html, numbers, words
from audit.report.suppress import Withheld, withheld
from audit.result import AuditResult

FACTS = "governance/facts.yaml"
PLACEHOLDERS = frozenset({"todo", "tbd", "tba", "xxx", "n/a", "na", "none", "unknown", "?", "-", "…", "..."})
"""What is typed in place of an answer is none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a person says; `value` is None where it is still to be filled."""

    name: str
    label: str
    value: str | None
    where: str
    """The file and key where it is typed."""
    ask: str
    """What it is to hold."""


@dataclass(frozen=True, slots=True)
class Law:
    """A reference that the profile rests on, and what it is worth on the day."""

    cite: str
    title: str
    words: str
    holds: bool
    as_of: str
    verified: str
    note: str | None


@dataclass(frozen=True)
class Case:
    """The audit and what is known about it: all that a profile is rendered from."""

    result: AuditResult
    bundle_id: str
    decision: Decision
    situation: Situation
    lists: tuple[tuple[Checklist, tuple[Assessed, ...]], ...] = field(default=())
    """Every checklist in use with what its answers are worth."""

    @cached_property
    def withheld(self) -> Withheld:
        """The groups whose figures the policy withholds."""
        return withheld(self.result)

    def unknown(self, names: tuple[str, ...], n: int) -> str:
        """How many people have no known group, in figures; in words where the policy withholds it."""
        keys = self.withheld.small | self.withheld.second
        hidden = any(grouping == names and None in group for grouping, group in keys)
        return "A withheld number of" if hidden or self.withheld.count(n) else numbers.rows(n)

    def statement(self, name: str, label: str) -> Field:
        """A sentence of `statements:` in facts.yaml; a KeyError where no such one exists."""
        said = self.situation.facts.statements.get(name)
        return _field(name, label, said, f"{FACTS}: statements: {name}", STATEMENTS[name])

    def fact(self, name: str, label: str, ask: str) -> Field:
        """A fact of facts.yaml, by its name in Facts."""
        value = getattr(self.situation.facts, name)
        key = {"auditor": "auditor: name"}.get(name, name.replace("auditor_", "auditor: "))
        return _field(name, label, value, f"{FACTS}: {key}", ask)

    def system(self, name: str, label: str, ask: str) -> Field:
        """What the audit's spec says of the system."""
        return _field(name, label, getattr(self.result.system, name), f"audit.yaml: system: {name}", ask)

    def laws(self, cites: Iterable[str]) -> tuple[Law, ...]:
        """What each cited clause is worth on the case's day."""
        day, found = self.situation.as_of, []
        for cite in cites:
            known = self.situation.registry.get(cite)
            stands = standing(known, day)
            found.append(
                Law(
                    cite,
                    f"{known.instrument}: {known.title}",
                    stands.words,
                    stands.holds,
                    known.as_of.isoformat(),
                    known.verified,
                    known.note,
                )
            )
        return tuple(found)


def harm_title(case: Case, harm: Harm) -> str:
    """A harm's title; without the figure in it where groups are withheld."""
    if case.withheld.limit is None or harm.trigger is None:
        return harm.title
    return f"rule {harm.trigger.rule}: {harm.trigger.group}"


def _field(name: str, label: str, value: object, where: str, ask: str) -> Field:
    text = None if value is None else " ".join(str(value).split())
    empty = text is None or text.casefold().strip(" .") in PLACEHOLDERS or not text
    return Field(name, label, None if empty else text, where, ask)


def missing(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields that nobody has filled, each once."""
    return tuple({f.where: f for f in fields if f.value is None}.values())


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered profile and what keeps it from being complete."""

    text: str
    missing: tuple[Field, ...]
    faults: tuple[str, ...] = ()
    """What is wrong or lacking in the audit itself, in words."""

    @property
    def complete(self) -> bool:
        """True where nothing is left to fill or to mend."""
        return not self.missing and not self.faults


def page(
    case: Case,
    template: str,
    *,
    title: str,
    fields: tuple[Field, ...],
    cites: tuple[str, ...],
    faults: tuple[str, ...] = (),
    **view: Any,
) -> Document:
    """The profile's page, marked as a draft while a field is empty or the audit lacks something."""
    blanks = missing(fields)
    text = (
        _environment()
        .get_template(template)
        .render(
            case=case,
            result=case.result,
            facts=case.situation.facts,
            title=title,
            fields={one.name: one for one in fields},
            blanks=blanks,
            faults=faults,
            laws=case.laws(cites),
            draft=bool(blanks or faults),
            **view,
        )
    )
    return Document(text, blanks, faults)


@cache
def _environment() -> jinja2.Environment:
    environment = html.environment_of("profiles", "report")
    environment.filters.update(
        p=numbers.p_words,
        name=numbers.name,
    )
    environment.globals.update(
        words=words.words(), style=html.style, harm_title=harm_title, metric=words.title
    )
    return environment
