"""`harm-audit plan`: actions drafted from evidence, kept in the harm register, judged by a second audit."""

from __future__ import annotations

import importlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import bundles, output, writing
from audit.cli import project as shared
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.mitigation.plan import Plan

FILE = "harms.yaml"
FILES = ("plan.json", "plan.md", "plan.csv", "plan.html")


@click.group("plan", short_help="Draft the mitigation plan from evidence; judge its actions.")
def command() -> None:
    """Draft actions from an audit's evidence, and judge them by a second audit.

    Actions live in governance/harms.yaml, where people own, approve, date and reword them; drafting
    adds what is missing and changes nothing that is there.

    \b
    Example:
      harm-audit plan draft evidence --trials trials.json --out plan
      harm-audit plan check A-001 evidence evidence-after --by "Grace Hopper"
    """


@command.command("draft", short_help="Add the actions that the evidence asks for.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--slices", type=click.Path(path_type=Path), help="What `slices --out` wrote.")
@click.option("--diagnosis", type=click.Path(path_type=Path), help="What `diagnose --out` wrote.")
@click.option("--trials", type=click.Path(path_type=Path), help="What `mitigate --out` wrote.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan's files into this folder.")
@shared.options("project", "as_of")
def draft(
    bundle: Path,
    slices: Path | None,
    diagnosis: Path | None,
    trials: Path | None,
    out: Path | None,
    project: Path,
    as_of: date | None,
) -> int:
    """Add to the register the actions that BUNDLE and what was found beside it ask for.

    The same evidence twice adds nothing, and an action that is there keeps every word of it.

    \b
    Example:
      harm-audit plan draft evidence --slices slices.json --trials trials.json --out plan
    """
    found, result = bundles.open_result(bundle)
    day = as_of or bundles.today()
    module: Any = importlib.import_module("audit.mitigation.plan")
    evidence = _evidence(found.id, result, slices, diagnosis, trials)
    book = _book(project)
    done = module.draft(book, evidence, on=day)
    book.save()
    missing = module.missing_evidence(evidence)
    plan: Plan = module.read_plan(book, result, found.id, on=day, missing=missing)
    output.echo(f"{len(done.added)} actions added, {len(done.kept)} were there already")
    for one in plan.actions:
        if one.id in done.added:
            output.echo(
                output.paragraph(f"{one.id} {one.type}: {one.description}", first="  ", indent="    ")
            )
    for left in missing:
        output.echo(output.paragraph(f"{left.what}: {left.why}.", first="Not drawn on: ", indent="  "))
    if out is not None:
        _write(plan, out)
    output.echo("Next: give each an owner, an approver and a date in governance/harms.yaml")
    return 0


@command.command("show", short_help="Print the plan, or write its files.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(("markdown", "json", "csv", "html")), default="markdown")
@click.option("--out", type=click.Path(path_type=Path), help="Write all its files into this folder.")
@shared.options("project", "as_of")
def show(bundle: Path, form: str, out: Path | None, project: Path, as_of: date | None) -> int:
    """Print the register's actions as they stand, people's edits and measured effects among them.

    \b
    Example:
      harm-audit plan show evidence --format csv > plan.csv
    """
    found, result = bundles.open_result(bundle)
    module: Any = importlib.import_module("audit.mitigation.plan")
    plan = module.read_plan(_book(project), result, found.id, on=as_of or bundles.today())
    if out is not None:
        _write(plan, out)
    else:
        output.echo(_render(plan, form).rstrip("\n"))
    return 0


@command.command("check", short_help="Judge an action by a second audit: verified, or ineffective.")
@click.argument("action", metavar="ID")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--rows", nargs=2, type=click.Path(path_type=Path), metavar="SPEC SPEC", help="Match rows by id."
)
@click.option("--limit", type=float, default=0.05, show_default=True, help="Worsening allowed to any group.")
@shared.options("project", "as_of", "by")
def check(
    action: str,
    before: Path,
    after: Path,
    rows: tuple[Path, Path] | None,
    limit: float,
    project: Path,
    as_of: date | None,
    by: str,
) -> int:
    """Compare the bundles BEFORE and AFTER and move the implemented action ID to where the evidence puts it.

    Verified: the interval of its effect excludes no improvement, and no group is worse beyond the
    limit. Else ineffective, and its harms are open again.

    \b
    Example:
      harm-audit plan check A-001 evidence evidence-after --rows audit.yaml after.yaml --by "Grace Hopper"
    """
    if not 0 <= limit <= 1:
        raise UsageError("a limit lies between 0 and 1", where="--limit")
    module: Any = importlib.import_module("audit.mitigation.judging")
    comparing: Any = importlib.import_module("audit.mitigation.compare")
    sides = [bundles.open_result(folder) for folder in (before, after)]
    matched = None
    if rows:
        load: Any = importlib.import_module("audit.spec").load
        matched = comparing.match(load(rows[0]), load(rows[1]))
    first, second = ((found.id, result) for found, result in sides)
    comparison = comparing.compare(first, second, matched)
    book = _book(project)
    done = module.judge(
        book, action, comparison, matched, sides[0][1], limit=limit, by=by, on=as_of or bundles.today()
    )
    book.save()
    words = importlib.import_module("audit.mitigation.drafts").change_words(done.effect.change)
    output.echo(output.style(f"{done.action}: {done.status}", bold=True))
    output.echo(output.paragraph(f"{done.effect.group}: {words}; {done.why}.", first="  ", indent="  "))
    output.echo(output.paragraph(comparison.how + ".", first="  ", indent="  "))
    return 0


def _evidence(bundle: str, result: Any, slices: Path | None, why: Path | None, trials: Path | None) -> Any:
    module: Any = importlib.import_module("audit.mitigation.drafts")
    kinds = {
        "slices": (slices, "audit.analysis.slice_report", "SliceReport"),
        "why": (why, "audit.analysis.why", "Why"),
        "trials": (trials, "audit.mitigation.trial_report", "Trials"),
    }
    parts = {name: read(path, home, kind) for name, (path, home, kind) in kinds.items() if path is not None}
    return module.Evidence(bundle, result, **parts)


def read(path: Path, module: str, kind: str) -> Any:
    """A document that another command wrote; an error names the file where it is another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint="Give what --out of the command wrote.",
        ) from error
    return codec.loads(getattr(importlib.import_module(module), kind), content, where=str(path))


def _book(project: Path) -> Any:
    register: Any = importlib.import_module("audit.governance.register")
    return register.Book.open(shared.folder(project) / FILE)


def _render(plan: Plan, form: str) -> str:
    files: Any = importlib.import_module("audit.mitigation.plan_files")
    if form == "json":
        return codec.dumps(plan).decode()
    if form == "html":
        page: str = importlib.import_module("audit.report.plan_page").render(plan)
        return page
    text: str = files.to_csv(plan) if form == "csv" else files.to_markdown(plan)
    return text


def _write(plan: Plan, out: Path) -> None:
    kinds = {".json": "json", ".md": "markdown", ".csv": "csv", ".html": "html"}
    files = {name: _render(plan, kinds[Path(name).suffix]).encode("utf-8", "replace") for name in FILES}
    with writing.folder(out):
        for name, content in files.items():
            writing.whole(out / name, content)
    output.echo(f"Plan: {out / 'plan.html'}, and as .md, .json and .csv beside it")
