"""Checklists as a page, as Markdown and for a spreadsheet, with whatever people typed made safe."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audit import resources
from audit.errors import UsageError
from audit.governance.checklist import Checklist, Item
from audit.governance.readiness import warnings
from audit.governance.references import standing
from audit.governance.situation import Situation
from audit.governance.status import Assessed
from audit.shown import commands

Lists = Sequence[tuple[Checklist, tuple[Assessed, ...]]]
COLUMNS = (
    "list",
    "item",
    "question",
    "status",
    "source",
    "why",
    "next_step",
    "blocks",
    "owner",
    "evidence",
    "refs",
)
FORMATS = ("md", "html", "csv")


def render(kind: str, lists: Lists, situation: Situation) -> str:
    """The lists as `md`, `html` or `csv`."""
    if kind not in FORMATS:
        raise UsageError(f"no format is called {kind!r}", hint=f"There are: {', '.join(FORMATS)}.")
    return {"md": _markdown, "html": _html, "csv": _csv}[kind](lists, situation)


def standings(item: Item, situation: Situation) -> tuple[tuple[str, str], ...]:
    """Each reference of an item with what it is worth on the day."""
    found = (situation.registry.get(cite) for cite in item.references)
    return tuple((reference.cite, standing(reference, situation.as_of).words) for reference in found)


def _html(lists: Lists, situation: Situation) -> str:
    environment = Environment(
        loader=FileSystemLoader(resources.templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["commands"] = commands
    named = situation.named
    return environment.get_template("governance/checklist.html.j2").render(
        system=named.name if named else "this project",
        as_of=situation.as_of,
        bundle=situation.bundle_id,
        lists=[
            (checklist, assessed, warnings(checklist, assessed, situation)) for checklist, assessed in lists
        ],
        standings=lambda item: standings(item, situation),
    )


def _markdown(lists: Lists, situation: Situation) -> str:
    lines = [f"# Checklists\n\nAs of {situation.as_of}.\n"]
    for checklist, assessed in lists:
        lines.append(f"\n## {checklist.id}: {_md(checklist.title)}\n")
        lines += [f"\n**{_md(warning)}.**\n" for warning in warnings(checklist, assessed, situation)]
        for one in assessed:
            blocks = ", blocks" if one.blocker and one.open else ""
            lines.append(f"\n### {one.item.id}: {_md(one.item.question)}\n\n")
            lines.append(f"- **{one.words}**{blocks}: {_md(one.why)}\n")
            if one.open and one.next_step:
                lines.append(f"- Next: {_md(one.next_step)}\n")
            if one.answer and one.answer.note:
                lines.append(f"- Note: {_md(one.answer.note)}\n")
            cited = "; ".join(f"{cite} ({words})" for cite, words in standings(one.item, situation))
            lines.append(f"- References: {_md(cited)}\n")
    return "".join(lines)


def _csv(lists: Lists, situation: Situation) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for checklist, assessed in lists:
        for one in assessed:
            row = (
                checklist.id,
                one.item.id,
                one.item.question,
                one.status,
                one.source,
                one.why,
                one.next_step if one.open else "",
                "yes" if one.blocker and one.open else "no",
                (one.answer.owner if one.answer else None) or "",
                one.evidence.id if one.evidence else "",
                "; ".join(one.item.references),
            )
            writer.writerow([_cell(text) for text in row])
    return out.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet takes a leading =, +, - or @ for a formula; an apostrophe makes it text."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _md(text: str) -> str:
    flat = html.escape(" ".join(text.split()), quote=False)
    return "".join("\\" + letter if letter in "\\`*_[]|#~" else letter for letter in flat)
