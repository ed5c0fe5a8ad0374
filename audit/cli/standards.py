"""`harm-audit standards`: which laws and standards reach a place and a use, and whether they hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from audit.cli import bundles, output
from audit.cli import project as shared
from audit.governance.references import Reference, load_registry, standing, usual


@click.command("standards", short_help="Search laws and standards by place and use.")
@click.option(
    "--jurisdiction", metavar="CODE", help="A place, as US-NYC, EU or DE; what it lies in counts too."
)
@click.option(
    "--use", metavar="USE", help="employment, credit, housing, insurance, health, education, public."
)
@shared.options("as_of")
@click.option("--clauses", is_flag=True, help="List every clause too.")
@click.option("--json", "as_json", is_flag=True, help="Print every clause as JSON.")
def command(
    jurisdiction: str | None, use: str | None, as_of: date | None, clauses: bool, as_json: bool
) -> int:
    """List laws, standards and practices, whether each holds on the day, and how that is known.

    This is a map and no legal advice; an entry from memory is to be looked up before a release
    rests on it.

    \b
    Example:
      harm-audit standards --jurisdiction US-NYC --use employment
    """
    day = as_of or bundles.today()
    registry = load_registry()
    groups = registry.search(jurisdiction=jurisdiction, use=use)
    if as_json:
        output.echo_json([_plain(reference, day) for group in groups for reference in group])
        return 0
    width = max((len(group[0].scheme) for group in groups), default=0)
    for group in groups:
        first = group[0]
        whole = standing(usual(group), day)
        mark = output.style("●", fg="green") if whole.holds else output.style("○", fg="yellow")
        output.echo(f"{mark} {first.scheme:<{width}}  {first.instrument}")
        output.echo(f"  {'':<{width}}  {first.jurisdiction}: {whole.words}")
        if first.note and first.note == group[-1].note:
            output.echo(f"  {'':<{width}}  {first.note}")
        for reference in group if clauses else _odd(group, day):
            output.echo(
                f"  {'':<{width}}    {reference.id}  {reference.title}: {standing(reference, day).words}"
            )
    output.echo(f"{len(groups)} instruments, as known on {registry.as_of}, judged for {day}")
    return 0


def _odd(group: tuple[Reference, ...], day: date) -> list[Reference]:
    """Clauses whose standing differs from their instrument's."""
    common = usual(group)
    holds = standing(common, day).holds
    return [r for r in group if r.status != common.status or standing(r, day).holds != holds]


def _plain(reference: Reference, day: date) -> dict[str, Any]:
    found = standing(reference, day)
    return {
        "scheme": reference.scheme,
        "id": reference.id,
        "title": reference.title,
        "instrument": reference.instrument,
        "jurisdiction": reference.jurisdiction,
        "uses": list(reference.uses),
        "status": reference.status,
        "effective": str(reference.effective) if reference.effective else None,
        "ended": str(reference.ended) if reference.ended else None,
        "superseded_by": reference.superseded_by,
        "as_of": str(reference.as_of),
        "verified": reference.verified,
        "standing": found.words,
        "holds": found.holds,
        "url": reference.url,
        "licence": reference.licence,
        "note": reference.note,
    }
