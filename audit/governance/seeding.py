"""Rows that raise themselves: each finding that fails, each question answered no, becomes a harm to own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from audit.governance.harms import Trigger
from audit.governance.register import Book
from audit.governance.status import Assessed
from audit.result import AuditResult, Finding, Verdict, group_name

PROGRAM = "harm-audit"
_SERVICE = ("quality_of_service.service_loss",)
_OPPORTUNITY = ("allocative.opportunity_loss",)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a seeding did, by id."""

    added: tuple[str, ...]
    reopened: tuple[str, ...]


def from_result(book: Book, result: AuditResult, bundle_id: str | None, *, on: date) -> Seeded:
    """A row for each violation that has none, and every row with a trigger held against this result.

    Rows that closed, or were accepted and are now worse, are opened again. The same bundle twice
    changes nothing.
    """
    added, reopened = [], []
    rows = {harm.trigger.key: harm.id for harm in book.register.harms if harm.trigger is not None}
    for finding in result.findings:
        trigger = trigger_of(finding, bundle_id)
        fails = finding.verdict is Verdict.VIOLATION
        if trigger.key in rows:
            before = book.register.harm(rows[trigger.key]).status
            book.see(rows[trigger.key], trigger, on=on, fails=fails)
            if before != "reopened" and book.register.harm(rows[trigger.key]).status == "reopened":
                reopened.append(rows[trigger.key])
        elif fails:
            harm = book.add_harm(
                _title(finding),
                source="audit",
                by=PROGRAM,
                on=on,
                description=finding.why,
                taxonomy=_OPPORTUNITY if finding.metric == "selection_rate" else _SERVICE,
                affected=(group_name(finding.group),),
                trigger=trigger,
            )
            rows[trigger.key] = harm.id
            added.append(harm.id)
    return Seeded(tuple(added), tuple(reopened))


def from_answers(book: Book, assessed: Iterable[Assessed], *, on: date) -> Seeded:
    """A row for each question that a person answered no or partly and that no row links to."""
    linked = {link for harm in book.register.harms for link in harm.links}
    added = []
    for one in assessed:
        said = one.answer.answer if one.answer else None
        if said in ("no", "partly") and one.open and one.item.id not in linked:
            harm = book.add_harm(
                f"Answered {said}: {one.item.question}",
                source="checklist",
                by=PROGRAM,
                on=on,
                description=one.answer.note if one.answer else None,
                links=(one.item.id,),
            )
            added.append(harm.id)
    return Seeded(tuple(added), ())


def trigger_of(finding: Finding, bundle_id: str | None) -> Trigger:
    """The finding as a row remembers it."""
    return Trigger(
        rule=finding.rule,
        metric=finding.metric,
        comparison=finding.comparison,
        grouping=finding.grouping,
        group=group_name(finding.group),
        observed=finding.value,
        low=finding.low,
        high=finding.high,
        limit=finding.bound,
        bundle=bundle_id,
    )


def _title(finding: Finding) -> str:
    name = finding.metric.replace("_", " ").capitalize()
    value = f"{finding.value:.3g}" if finding.value is not None else "undefined"
    return f"{name} ({finding.comparison}) of {group_name(finding.group)} is {value}, limit {finding.bound}"
