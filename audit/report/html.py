"""The audit report: one self-contained HTML file, and a short fragment for notebooks."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from audit import resources
from audit.gate import Decision
from audit.report import numbers, words
from audit.report.facts import Case
from audit.report.governed import GovernedView
from audit.report.view import page, verdict_view
from audit.result import AuditResult
from audit.shown import commands


def render(
    result: AuditResult,
    decision: Decision,
    *,
    bundle_id: str,
    signatures: tuple[str, ...] = (),
    governance: GovernedView | None = None,
    additions: Any = None,
) -> str:
    """The report of `result` as one HTML document; equal arguments give equal text.

    It needs no script and asks for nothing from outside. `bundle_id` is the SHA-256 of audit.json,
    `signatures` are lines that say who signed, `governance` what the section of that name shows,
    `additions` (audit.report.additions.Added) the sections on causes and remedies, from documents
    beside the bundle.
    """
    view = page(result, decision, bundle_id, signatures, governance)
    return _environment().get_template("page.html").render(page=view, result=result, added=additions)


def document(body: str, **values: Any) -> str:
    """A page of its own in the report's look: the template `body` with these values."""
    return _environment().get_template("document.html").render(body=body, **values)


def render_fragment(result: AuditResult, decision: Decision) -> str:
    """The verdict and its findings as a fragment that stands inside a notebook's page."""
    case = Case(result)
    return (
        _environment()
        .get_template("fragment.html")
        .render(verdict=verdict_view(case, decision), result=result)
    )


def environment_of(*folders: str) -> jinja2.Environment:
    """What every page is rendered in: these template folders, autoescape on, the figures' filters."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([resources.templates() / folder for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clean=numbers.clean,
        commands=commands,
        rows=numbers.rows,
        moment=numbers.moment,
        percent=numbers.percent,
        figure=numbers.figure,
    )
    return environment


@cache
def _environment() -> jinja2.Environment:
    environment = environment_of("report")
    environment.globals.update(words=words.words(), style=style, title=words.title)
    return environment


def style(*names: str) -> Markup:
    """Style sheets of the templates folder, to stand inside the page; they are ours, so not escaped."""
    folder = resources.templates() / "report"
    return Markup("\n".join((folder / name).read_text(encoding="utf-8") for name in names))
