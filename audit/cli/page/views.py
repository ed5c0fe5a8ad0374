"""The pages as text: every word that a person typed is escaped, none is left out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from audit.cli.page.forms import WAYS, Problem, Typed
from audit.cli.page.loopback import Request
from audit.errors import AuditError
from audit.governance import export, readiness
from audit.governance.answers import Answer
from audit.governance.checklist import Checklist
from audit.governance.situation import Situation
from audit.governance.status import STATUSES, Assessed
from audit.report import html

SOURCES = {
    "derived": "worked out by the program from the audit or the project's files",
    "attested": "a named person's word",
    "mixed": "both: the program's figures and a person's word",
}
"""Where a status comes from, in words."""
MARKS = {"not_satisfied": "violation", "satisfied": "pass"}


def overview(
    request: Request, lists: tuple[tuple[Checklist, tuple[Assessed, ...]], ...], situation: Situation
) -> str:
    """Every list in use, and how far it is."""
    rows = [(each, _counts(assessed)) for each, assessed in lists]
    return _render("overview.html", request, situation, rows=rows)


def one_list(
    request: Request,
    checklist: Checklist,
    assessed: tuple[Assessed, ...],
    situation: Situation,
    saved: Assessed | None,
) -> str:
    """The questions of a list with what each answer is worth."""
    return _render(
        "list.html",
        request,
        situation,
        saved=saved,
        checklist=checklist,
        assessed=assessed,
        counts=_counts(assessed),
        warnings=readiness.warnings(checklist, assessed, situation),
    )


def question(
    request: Request,
    checklist: Checklist,
    assessed: tuple[Assessed, ...],
    at: int,
    situation: Situation,
    *,
    mark: str,
    history: tuple[str, ...],
    typed: Typed,
    problem: Problem | None,
    saved: Assessed | None,
) -> str:
    """One question with its forms; after a problem the form holds what was typed."""
    one = assessed[at]
    kept = _kept(one.answer, request.who)
    forms = {way: {**kept, **(typed.values if problem and typed.way == way else {})} for way in WAYS}
    return _render(
        "question.html",
        request,
        situation,
        saved=saved,
        checklist=checklist,
        assessed=assessed,
        at=at,
        one=one,
        mark=mark,
        history=history,
        forms=forms,
        way=typed.way if problem else None,
        problem=problem,
        standings=export.standings(one.item, situation),
        before=assessed[at - 1].item.id if at else None,
        after=assessed[at + 1].item.id if at + 1 < len(assessed) else None,
    )


def trouble(request: Request, error: AuditError, typed: Mapping[str, str]) -> str:
    """A page for what cannot be shown: what is wrong, where, and what was typed."""
    said = {name: text for name, text in typed.items() if text and name != "mark"}
    return _render("trouble.html", request, None, error=error, typed=said)


def _kept(answer: Answer | None, who: str) -> dict[str, Any]:
    """The answer as the form's fields."""
    na, waiver = (answer.na, answer.waiver) if answer else (None, None)
    return {
        "by": who,
        "said": (answer.answer if answer else None) or "",
        "note": (answer.note if answer else None) or "",
        "owner": (answer.owner if answer else None) or "",
        "reviewer": (answer.reviewer if answer else None) or "",
        "documents": "\n".join(d.path for d in answer.evidence) if answer else "",
        "reason": na.reason if na else waiver.reason if waiver else "",
        "approved_by": (na.approved_by if na else waiver.approved_by if waiver else None) or "",
        "until": waiver.until.isoformat() if waiver else "",
    }


def _counts(assessed: tuple[Assessed, ...]) -> dict[str, Any]:
    left = [one for one in assessed if one.open]
    people = [one for one in left if one.item.classification != "automatable"]
    return {
        "all": len(assessed),
        "open": len(left),
        "blocks": sum(one.blocker for one in left),
        "next": people[0].item.id if people else None,
        "status": {s: n for s in STATUSES if (n := sum(one.status == s for one in assessed))},
    }


def _render(
    template: str,
    request: Request,
    situation: Situation | None,
    *,
    saved: Assessed | None = None,
    **view: Any,
) -> str:
    named = situation.named if situation else None
    return (
        _environment()
        .get_template(template)
        .render(
            base=request.base,
            saved=saved,
            system=named.name if named else "this project",
            situation=situation,
            **view,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = html.environment_of("page", "report")
    environment.globals.update(style=html.style, sources=SOURCES, marks=MARKS)
    return environment
