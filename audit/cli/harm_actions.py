"""What `harm-audit harms` does about a harm: an action, its measured effect, or that nothing was found."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from audit.cli import bundles, output
from audit.cli import project as shared
from audit.cli.day import Day
from audit.errors import UsageError
from audit.governance import effects
from audit.governance.harms import ACTION_TYPES
from audit.governance.register import Book
from audit.governance.themes import load_kinds

FILE = "harms.yaml"


def book(project: Path) -> Book:
    """The project's register, open."""
    return Book.open(shared.need(project) / FILE)


@click.command("action", short_help="Plan an action against one or more harms.")
@click.argument("harms", metavar="ID...", nargs=-1, required=True)
@click.option("--type", "kind", type=click.Choice(ACTION_TYPES), required=True, help="What is changed.")
@click.option("--what", required=True, help="What is to be done.")
@click.option("--owner", metavar="NAME", help="Who does it.")
@click.option("--approver", metavar="NAME", help="Who approves it; not the owner.")
@click.option("--due", type=Day(), help="By which day.")
@click.option("--critical", is_flag=True, help="Nothing is released before it is verified.")
@shared.options("project", "as_of", "by")
def action(
    harms: tuple[str, ...],
    kind: str,
    what: str,
    critical: bool,
    project: Path,
    as_of: date | None,
    by: str,
    **given: Any,
) -> int:
    """Plan an action against the harms ID; it begins as proposed and is moved by `harms move`.

    \b
    Example:
      harm-audit harms action H-001 H-002 --type feature --what "train without the area" --by Ada
      harm-audit harms move A-001 approved --by Grace
    """
    opened = book(project)
    row = opened.add_action(
        kind, what, tuple(name.upper() for name in harms), by=by, on=as_of or bundles.today()
    )
    fields = {name: value for name, value in given.items() if value is not None}
    opened.set(row.id, **fields, **({"critical": True} if critical else {}))
    opened.save()
    output.echo(f"{row.id} proposed for {', '.join(row.harms)}")
    return 0


@click.command("effect", short_help="Write down what an action was measured to do.")
@click.argument("action_id", metavar="ID")
@click.option("--before", type=click.Path(path_type=Path), help="The bundle of the audit before it.")
@click.option("--after", type=click.Path(path_type=Path), help="The bundle of the audit after it.")
@click.option("--rule", metavar="ID", help="The rule whose gap closed.")
@click.option("--group", metavar="GROUP", help="The group; the worst gap of each audit, by default.")
@click.option("--delta", type=float, help="The change, positive where it is for the better.")
@click.option("--low", type=float, help="The lower end of its interval.")
@click.option("--high", type=float, help="The upper end.")
@click.option("--result", help="On which people and data, and where it can be seen.")
@click.option(
    "--side",
    "sides",
    type=(str, str, float, float, float, float),
    multiple=True,
    metavar="METRIC GROUP DELTA LOW HIGH LIMIT",
    help="What it did elsewhere, and how much worsening is allowed.",
)
@shared.options("project", "as_of", "by")
def effect(
    action_id: str,
    sides: tuple[tuple[str, str, float, float, float, float], ...],
    project: Path,
    as_of: date | None,
    by: str,
    **given: Any,
) -> int:
    """Write the effect of the action ID into the register: worked out from two bundles, or as measured.

    An action is verified only where the whole interval is above 0 and no worsening passes its limit.

    \b
    Example:
      harm-audit harms effect A-001 --before old --after evidence --rule opportunity --by Ada
      harm-audit harms effect A-001 --delta 0.09 --low 0.05 --high 0.13 --result "a trial" --by Ada
    """
    opened = book(project)
    fields = _measured(given) if given["before"] or given["after"] else _typed(given)
    if sides:
        names = ("metric", "group", "delta", "low", "high", "limit")
        fields["side_effects"] = [dict(zip(names, side, strict=True)) for side in sides]
    opened.set(action_id, **fields)
    found = fields["effect"]
    words = f"effect {found['delta']:g} ({found['low']:g} to {found['high']:g}): {fields['result']}"
    opened.note(action_id, words, by=by, on=as_of or bundles.today())
    opened.save()
    output.echo(f"{action_id.upper()}: {words}")
    return 0


def _measured(given: dict[str, Any]) -> dict[str, Any]:
    """Effect, baseline and result from the two bundles."""
    if not (given["before"] and given["after"] and given["rule"]):
        raise UsageError("two audits and a rule are needed", hint="Give --before, --after and --rule.")
    if any(given[name] is not None for name in ("delta", "low", "high", "result")):
        raise UsageError("an effect is worked out from bundles or typed, not both", hint="Leave out --delta.")
    first, before = bundles.open_result(given["before"])
    last, after = bundles.open_result(given["after"])
    found = effects.effect_of(before, after, given["rule"], given["group"])
    return {
        "effect": {name: round(getattr(found, name), 6) for name in ("delta", "low", "high")},
        "baseline": f"bundle {first.id}",
        "result": effects.words(before, after, given["rule"], (first.id, last.id)),
    }


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    lacking = [f"--{name}" for name in ("delta", "low", "high", "result") if given[name] is None]
    if lacking:
        raise UsageError(
            f"the effect lacks {', '.join(lacking)}", hint="Or give --before, --after and --rule."
        )
    return {"effect": {name: given[name] for name in ("delta", "low", "high")}, "result": given["result"]}


@click.command("none", short_help="Say that a theme was looked at and holds no harm.")
@click.argument("theme", type=click.Choice(tuple(dict.fromkeys(kind.theme for kind in load_kinds()))))
@click.option("--because", required=True, help="How it was looked at, and why nothing was found.")
@shared.options("project", "by")
def none(theme: str, because: str, project: Path, by: str) -> int:
    """Note that the theme was looked at and that no harm was found in it.

    \b
    Example:
      harm-audit harms none representational --because "no text or image is shown" --by Ada
    """
    opened = book(project)
    opened.found_nothing(theme, because, by)
    opened.save()
    output.echo(f"{theme}: looked at, nothing found")
    return 0
