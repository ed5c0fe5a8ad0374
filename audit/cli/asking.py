"""Walking through open questions at the keyboard: each answer is kept before the next is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import click

from audit.cli import output
from audit.errors import AuditError
from audit.governance.answers import ANSWERS, AnswerFile
from audit.governance.checklist import Item
from audit.governance.status import Assessed

Fields = dict[str, Any]
CHOICES = (*ANSWERS, "na", "skip", "why", "quit")


def walk(
    file: AnswerFile,
    wanted: set[str],
    assessed: Callable[[], tuple[Assessed, ...]],
    give: Callable[[Item, Fields], None],
    *,
    by: str | None,
) -> int:
    """Ask each open question among `wanted`; stopping loses nothing."""
    todo = [one for one in assessed() if one.item.id in wanted and (one.open or len(wanted) == 1)]
    if not todo:
        output.echo("nothing is open here")
        return 0
    name = by or click.prompt("Your name", type=str).strip()
    for number, one in enumerate(todo, start=1):
        output.echo()
        output.echo(output.style(f"{number} of {len(todo)}  {one.item.id}  {one.item.question}", bold=True))
        output.echo(f"  now: {one.status.replace('_', ' ')}, {output.one_line(one.why)}")
        if one.item.classification == "automatable":
            output.echo(f"  answered by the audit itself; {output.one_line(one.next_step)}")
            if len(wanted) > 1:
                continue
        if not _ask(one, name, give):
            break
    left = sum(one.open for one in assessed() if one.item.id in wanted)
    output.echo(f"{left} still open in {file.checklist.id}")
    return 0


def _ask(one: Assessed, name: str, give: Callable[[Item, Fields], None]) -> bool:
    """Put one question; False where the person stops."""
    while True:
        said = click.prompt("  ", type=click.Choice(CHOICES), default="skip", prompt_suffix=" ")
        if said == "quit":
            return False
        if said == "skip":
            return True
        if said == "why":
            _explain(one.item)
            continue
        try:
            give(one.item, {"by": name, **_details(one.item, said)})
        except AuditError as error:
            output.error(str(error))
            continue
        return True


def _details(item: Item, said: str) -> Fields:
    if said == "na":
        return {"na": _text("  Why not?"), "approved_by": _text("  Approved by (not you)")}
    fields: Fields = {"said": said}
    note = click.prompt("  In words", default="", show_default=False)
    if note:
        fields["note"] = note
    if said == "yes" and "document" in item.evidence:
        fields["documents"] = (_text("  Document (a file in the project, or a URL)"),)
    if said == "yes" and item.reviewer_not:
        fields["reviewer"] = _text("  Reviewed by (no part in it)")
    return fields


def _text(label: str) -> str:
    return str(click.prompt(label, type=str)).strip()


def _explain(item: Item) -> None:
    output.echo(f"  {item.why}")
    if item.case:
        output.echo(f"  It happened: {item.case.title} ({item.case.source}). {item.case.what}")
    output.echo(f"  {'; '.join(item.references)}")


def ratings(scales: Mapping[str, int]) -> Fields:
    """Ask for a rating on each scale, and for the reason."""
    rating: Fields = {
        name: click.prompt(f"  {name} 1 to {top}", type=click.IntRange(1, top))
        for name, top in scales.items()
    }
    rating["rationale"] = _text("  Why so")
    return rating


def day(label: str) -> date:
    """Ask for a date until one is given."""
    while True:
        try:
            return date.fromisoformat(_text(label))
        except ValueError:
            output.echo("  as 2026-11-30, please")
