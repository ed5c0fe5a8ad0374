"""`harm-audit harms`: the register of harms, from finding them to closing them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import click

from audit.cli import asking, bundles, harm_actions, output
from audit.cli import project as shared
from audit.cli.day import Day
from audit.cli.harm_actions import book as _book
from audit.errors import UsageError
from audit.governance import readiness, seeding
from audit.governance.harms import TREATMENTS, Harm
from audit.governance.rating import LEVELS, SCALES, Rating
from audit.governance.register import HARM_MOVES, Book
from audit.governance.themes import load_kinds

STAGES = ("collecting data", "training", "using it", "after it is used")


@click.group("harms", short_help="Keep the register of harms: find, rate, treat, accept, close.")
def command() -> None:
    """The register of harms, in governance/harms.yaml; every step is checked and kept in the row's history.

    \b
    Example:
      harm-audit harms seed --bundle evidence
      harm-audit harms brainstorm --by "Ada Lovelace"
      harm-audit harms list
    """


@command.command("list", short_help="List the rows, the gravest first.")
@click.option("--all", "everything", is_flag=True, help="Closed rows too.")
@shared.options("project", "as_of")
def list_(everything: bool, project: Path, as_of: date | None) -> int:
    """List the rows with level, status and owner, the gravest first."""
    register = _book(project).register
    day = as_of or bundles.today()
    rows = [h for h in register.harms if everything or h.status_on(day) != "closed"]
    for harm in sorted(rows, key=_gravity):
        owner = harm.owner or output.style("nobody", fg="red")
        title = output.one_line(harm.title, 120)
        output.echo(f"{harm.id}  {_level(harm):<9} {harm.status_on(day):<15} {owner}: {title}")
    actions = [a for a in register.actions if a.status not in ("verified", "cancelled", "superseded")]
    for action in actions:
        late = " overdue" if action.due and action.due < day else ""
        output.echo(f"{action.id}  {action.status}{late}: {output.one_line(action.description, 120)}")
    output.echo(f"{len(rows)} rows, {len(actions)} open actions; tolerance is {register.tolerance}")
    return 0


def _gravity(harm: Harm) -> tuple[int, str]:
    rating = harm.residual or harm.inherent
    return (-LEVELS.index(rating.level) if rating else -len(LEVELS), harm.id)


def _level(harm: Harm) -> str:
    rating = harm.residual or harm.inherent
    return rating.level if rating else "unrated"


@command.command("add", short_help="Add a row by hand.")
@click.argument("title")
@click.option("--kind", "kinds", multiple=True, metavar="THEME.KIND", help="What sort of harm it is.")
@click.option("--affected", multiple=True, metavar="GROUP", help="Whom it meets.")
@click.option("--description", help="How it comes about.")
@click.option("--owner", metavar="NAME", help="Who is answerable for it.")
@click.option(
    "--source", type=click.Choice(("incident", "consultation", "brainstorm")), default="consultation"
)
@shared.options("project", "as_of", "by")
def add(title: str, project: Path, as_of: date | None, by: str, **given: Any) -> int:
    """Add a harm that somebody saw, in words.

    \b
    Example:
      harm-audit harms add "Names in other alphabets are refused" --by Ada --affected migrants
    """
    book = _book(project)
    harm = book.add_harm(
        title,
        source=given["source"],
        by=by,
        on=as_of or bundles.today(),
        description=given["description"],
        taxonomy=given["kinds"],
        affected=given["affected"],
        owner=given["owner"],
    )
    book.save()
    output.echo(f"{harm.id} added")
    return 0


@command.command("seed", short_help="Add rows for what fails and for questions answered no.")
@shared.options("project", "bundle", "as_of")
def seed(project: Path, bundle: Path | None, as_of: date | None) -> int:
    """Add a row for each violation in the bundle and each question answered no; open again what relapsed."""
    book = _book(project)
    known = shared.situation(project, bundle, as_of)
    added: list[str] = []
    reopened: list[str] = []
    if known.result is not None:
        done = seeding.from_result(book, known.result, known.bundle_id, on=known.as_of)
        added, reopened = list(done.added), list(done.reopened)
    for _, assessed in readiness.assess_all(project, known):
        added += seeding.from_answers(book, assessed, on=known.as_of).added
    book.save()
    output.echo(f"added: {', '.join(added) or 'none'}; opened again: {', '.join(reopened) or 'none'}")
    if added:
        output.echo("Name an owner for each: `harm-audit harms own ID --owner NAME --by NAME`.")
    return 0


@command.command("brainstorm", short_help="Walk the themes of harm, group by group.")
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="Whom to think of; asked for if left out."
)
@shared.options("project", "as_of", "by")
def brainstorm(groups: tuple[str, ...], project: Path, as_of: date | None, by: str) -> int:
    """Walk through twenty kinds of harm in five themes, each for the groups and stages you name.

    An empty line goes on; `quit` stops, and nothing is lost. A theme in which nothing was found asks
    for the reason, which counts as looked at.
    """
    day = as_of or bundles.today()
    people = groups or _split(click.prompt("Whom does it meet? (names, with commas between)"))
    output.echo(f"Think of each at every stage: {', '.join(STAGES)}.")
    book = _book(project)
    kinds = load_kinds()
    for theme in dict.fromkeys(kind.theme for kind in kinds):
        mine = [kind for kind in kinds if kind.theme == theme]
        output.echo()
        output.echo(output.style(f"{mine[0].theme_title} ({theme})", bold=True))
        for kind in mine:
            said = click.prompt(f"  {kind.ask}\n  ({', '.join(people)})", default="", show_default=False)
            if said.strip().lower() == "quit":
                book.save()
                return 0
            if said.strip():
                harm = book.add_harm(
                    said.strip(), source="brainstorm", by=by, on=day, taxonomy=(kind.code,), affected=people
                )
                book.save()
                output.echo(f"  {harm.id}")
        _reasoned_none(book, theme, by)
    return 0


def _reasoned_none(book: Book, theme: str, by: str) -> None:
    register = book.register
    rows = any(code.startswith(f"{theme}.") for harm in register.harms for code in harm.taxonomy)
    if rows or any(nothing.theme == theme for nothing in register.nothing):
        return
    because = click.prompt("  Nothing here. Why not?", default="", show_default=False).strip()
    if because:
        book.found_nothing(theme, because, by)
        book.save()


@command.command("show", short_help="Show one row with its history.")
@click.argument("harm_id", metavar="ID")
@shared.options("project", "as_of")
def show(harm_id: str, project: Path, as_of: date | None) -> int:
    """Show everything that is known of a row, and what it needs next."""
    book = _book(project)
    harm = book.register.harm(harm_id)
    status = harm.status_on(as_of or bundles.today())
    output.echo(output.style(f"{harm.id}  {output.one_line(harm.title)}", bold=True))
    for name, value in _fields(harm):
        output.echo(f"  {name:<12} {output.one_line(value)}")
    output.echo(
        f"  {'status':<12} {status}; it may become: {', '.join(HARM_MOVES[status]) or 'nothing more'}"
    )
    for line in book.history(harm.id):
        output.echo(f"  {output.one_line(line)}")
    return 0


def _fields(harm: Harm) -> Iterable[tuple[str, str]]:
    for name in ("description", "source", "mechanism", "treatment", "owner", "due"):
        value = getattr(harm, name)
        if value is not None:
            yield name, str(value)
    for name in ("taxonomy", "affected", "controls", "links"):
        if getattr(harm, name):
            yield name, ", ".join(getattr(harm, name))
    for name, rating in (("inherent", harm.inherent), ("residual", harm.residual)):
        if rating is not None:
            yield name, _rating(rating)
    if harm.trigger is not None:
        seen = harm.trigger
        yield (
            "trigger",
            f"rule {seen.rule}, {seen.group}: {_short(seen.observed)} "
            f"({_short(seen.low)} to {_short(seen.high)}), limit {seen.limit}",
        )
    if harm.acceptance is not None:
        yield (
            "accepted",
            f"by {harm.acceptance.by} until {harm.acceptance.until}: {harm.acceptance.rationale}",
        )


def _short(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _rating(rating: Rating) -> str:
    parts = ", ".join(f"{name} {getattr(rating, name)}" for name in SCALES)
    return f"{rating.level} ({parts}): {rating.rationale}"


@command.command("own", short_help="Name who is answerable for a row, and by when.")
@click.argument("row_id", metavar="ID")
@click.option("--owner", required=True, metavar="NAME")
@click.option("--due", type=Day())
@click.option("--treatment", type=click.Choice(TREATMENTS))
@shared.options("project", "by")
def own(row_id: str, owner: str, due: date | None, treatment: str | None, project: Path, by: str) -> int:
    """Name the owner of a row, when it is due, and how it is to be treated."""
    book = _book(project)
    given = {"owner": owner, "due": due, "treatment": treatment}
    book.set(row_id, **{name: value for name, value in given.items() if value is not None})
    book.note(row_id, f"owner {owner}", by=by, on=bundles.today())
    book.save()
    output.echo(f"{row_id.upper()}: {owner}")
    return 0


@command.command("rate", short_help="Rate a row before treatment, or what remains after it.")
@click.argument("harm_id", metavar="ID")
@click.option("--residual", is_flag=True, help="Rate what remains after treatment.")
@click.option("--severity", type=click.IntRange(1, SCALES["severity"]))
@click.option("--likelihood", type=click.IntRange(1, SCALES["likelihood"]))
@click.option("--scale", type=click.IntRange(1, SCALES["scale"]))
@click.option("--reversibility", type=click.IntRange(1, SCALES["reversibility"]))
@click.option("--detectability", type=click.IntRange(1, SCALES["detectability"]))
@click.option("--rationale", help="Why so.")
@shared.options("project", "as_of", "by")
def rate(harm_id: str, residual: bool, project: Path, as_of: date | None, by: str, **given: Any) -> int:
    """Rate a row from 1, least, upwards; what is left out is asked for. The row moves on where it can."""
    book = _book(project)
    whole = all(value is not None for value in given.values())
    rating = given if whole else asking.ratings(SCALES)
    book.set(harm_id, **{"residual" if residual else "inherent": rating})
    harm = book.register.harm(harm_id)
    to = "residual_review" if residual else "assessed"
    if to in HARM_MOVES[harm.status]:
        book.move(harm_id, to, by=by, on=as_of or bundles.today())
    book.save()
    output.echo(f"{harm.id}: {_level(book.register.harm(harm_id))}, {book.register.harm(harm_id).status}")
    return 0


@command.command("move", short_help="Move a row or an action to another status.")
@click.argument("row_id", metavar="ID")
@click.argument("status")
@click.option("--note", help="Why.")
@shared.options("project", "as_of", "by")
def move(row_id: str, status: str, note: str | None, project: Path, as_of: date | None, by: str) -> int:
    """Move a row (H-001) or an action (A-001) to STATUS, where its rules allow it."""
    return _move(project, row_id, status, by, as_of, note)


@command.command("accept", short_help="Accept what remains of a harm, until a day.")
@click.argument("harm_id", metavar="ID")
@click.option("--role", required=True, help="In which role.")
@click.option("--rationale", required=True, help="Why it may be borne.")
@click.option("--until", required=True, type=Day(), help="To which day.")
@shared.options("project", "as_of", "by")
def accept(
    harm_id: str, role: str, rationale: str, until: date, project: Path, as_of: date | None, by: str
) -> int:
    """Accept what remains of a harm, by somebody who does not own it, until a day on which it opens again."""
    book = _book(project)
    book.set(harm_id, acceptance={"by": by, "role": role, "rationale": rationale, "until": until})
    book.move(harm_id, "accepted", by=by, on=as_of or bundles.today(), note=f"until {until}")
    book.save()
    output.echo(f"{harm_id.upper()}: accepted until {until}")
    return 0


@command.command("close", short_help="Close a row whose remainder is within tolerance.")
@click.argument("harm_id", metavar="ID")
@click.option("--note", help="Why.")
@shared.options("project", "as_of", "by")
def close(harm_id: str, note: str | None, project: Path, as_of: date | None, by: str) -> int:
    """Close a row: what remains is rated, within tolerance, and no action is open."""
    return _move(project, harm_id, "closed", by, as_of, note)


def _move(project: Path, row_id: str, to: str, by: str, as_of: date | None, note: str | None) -> int:
    book = _book(project)
    book.move(row_id, to, by=by, on=as_of or bundles.today(), note=note)
    book.save()
    output.echo(f"{row_id.upper()}: {to}")
    return 0


def _split(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UsageError("nobody was named", hint="Give at least one group.")
    return names


for _more in (harm_actions.action, harm_actions.effect, harm_actions.none):
    command.add_command(_more)
