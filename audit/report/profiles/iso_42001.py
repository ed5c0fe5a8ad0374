"""ISO/IEC 42001: a statement of applicability over the controls of its Annex A, by id and title alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audit.governance.applicability import FILE, SCHEME, Control
from audit.governance.status import Assessed
from audit.report.profiles.frame import Case, Document, Field, page

TITLE = "Statement of applicability, ISO/IEC 42001"
CITES = (f"{SCHEME} 6.1.3",)


@dataclass(frozen=True, slots=True)
class Line:
    """One control: what a person said of it, and the questions that touch it."""

    id: str
    title: str
    said: Control | None
    questions: tuple[Assessed, ...]


def html(case: Case) -> Document:
    """The statement as a page."""
    lines = _lines(case)
    fields = (case.system("owner", "Organisation or owner", "who answers for the system"),)
    blanks = tuple(field for line in lines for field in _blanks(line))
    return page(
        case, "iso_42001.html", title=TITLE, fields=(*fields, *blanks), cites=CITES, lines=lines, file=FILE
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _lines(case: Case) -> tuple[Line, ...]:
    by_cite: dict[str, list[Assessed]] = {}
    for _, assessed in case.lists:
        for one in assessed:
            for cite in one.item.references:
                by_cite.setdefault(cite, []).append(one)
    situation = case.situation
    return tuple(
        Line(r.id, r.title, situation.applicability.get(r.id), tuple(by_cite.get(r.cite, ())))
        for r in situation.registry.references
        if r.scheme == SCHEME and r.id.startswith("A.")
    )


def _blanks(line: Line) -> tuple[Field, ...]:
    said = line.said
    where = f"{FILE}: controls: {line.id}"
    if said is None or said.applicable is None:
        ask = "does it apply, and why or why not"
    elif said.why is None:
        ask = "why, or why not"
    elif said.applicable and said.status is None:
        ask = "status: planned, partly or in_place"
    else:
        return ()
    return (Field(line.id, f"{line.id} {line.title}", None, where, ask),)
