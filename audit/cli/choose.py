"""`harm-audit choose`: which metrics follow from what the decision does, and a record of why."""

from __future__ import annotations

import importlib
import io
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.cli import output, writing
from audit.cli.day import Day
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.governance.choosing import Choice

RECORD = "metrics-choice.yaml"


@click.command("choose", short_help="Say what the decision does; get the metrics that follow.")
@click.option("--answers", type=click.Path(path_type=Path), help="Answers in YAML, in place of the dialogue.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the record of the choice here.")
@click.option("--by", metavar="NAME", help="Who chooses; with governance/ the choice answers EVAL-02.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder that holds governance/ (here, by default).",
)
@click.option("--as-of", type=Day(), help="The day of the choice; today by default.")
def command(answers: Path | None, out: Path | None, by: str | None, project: Path, as_of: date | None) -> int:
    """Ask what the decision does, and propose metrics as a block of rules with the reason for each.

    It asks whether the decision helps or burdens, whether places are limited, whether labels can be
    trusted, and who bears which error. With --by and a governance/ folder the record of it is kept
    there as the answer to EVAL-02.

    \b
    Example:
      harm-audit choose
      harm-audit choose --answers choice.yaml --by "Ada Lovelace"
    """
    choosing: Any = importlib.import_module("audit.governance.choosing")
    found: Choice = choosing.read_answers(answers) if answers is not None else choosing.choose(_ask(choosing))
    output.echo(text(found).rstrip("\n"))
    for one in found.left_out:
        output.echo(output.paragraph(f"{one.what}: {one.why}", first="# left out: ", indent="#   "))
    folder = project / "governance"
    keep = by is not None and folder.is_dir()
    if by is not None and not keep and out is None:
        raise UsageError(
            "there is no governance folder to keep the choice in",
            where=str(folder),
            hint="Make one: `harm-audit checklist new`, or write the record with --out FILE.",
        )
    path = out or (folder / RECORD if keep else None)
    if path is None:
        return 0
    on = as_of or importlib.import_module("audit.cli.bundles").today()
    writing.whole(path, _yaml(choosing.record(found, by=by, on=on.isoformat())))
    output.echo(f"# record: {path}", err=True)
    if keep:
        _answer(found, path, project, str(by), on)
    return 0


def _ask(choosing: Any) -> dict[str, str]:
    given = {}
    for question in choosing.questions():
        output.echo(output.style(question.ask, bold=True), err=True)
        for word, meaning in question.answers.items():
            output.echo(output.paragraph(f"{word}: {meaning}", first="  ", indent="    "), err=True)
        given[question.id] = click.prompt(
            "  ", type=click.Choice(list(question.answers)), prompt_suffix=" ", err=True
        )
    return given


def text(choice: Choice) -> str:
    """The proposed rules as a block for audit.yaml, each under its reason."""
    lines = ["system:", f"  outcome: {choice.outcome}", "policy:", "  rules:"]
    for one in choice.proposals:
        lines.append(output.paragraph(one.why, first="    # ", indent="    # "))
        pairs = ", ".join(f"{key}: {value}" for key, value in {"id": one.id, **one.rule}.items())
        lines.append(f"    - {{{pairs}}}")
    lines.append("# The bounds are a start: write the ones that you can defend.")
    return "\n".join(lines) + "\n"


def _yaml(document: dict[str, Any]) -> bytes:
    made = importlib.import_module("ruamel.yaml").YAML()
    made.width = 100
    stream = io.StringIO()
    made.dump(document, stream)
    return stream.getvalue().encode("utf-8", "replace")


def _answer(choice: Choice, path: Path, project: Path, by: str, on: date) -> None:
    """Keep the choice as the answer to its item; the record is the document that it rests on."""
    choosing: Any = importlib.import_module("audit.governance.choosing")
    catalogue = importlib.import_module("audit.governance.catalogue").load_catalogue()
    shared: Any = importlib.import_module("audit.cli.project")
    item = catalogue.item(choosing.ITEM)
    file = importlib.import_module("audit.governance.answers").AnswerFile.open(
        shared.folder(project) / "answers", catalogue.list(item.list)
    )
    resolved, root = path.resolve(), project.resolve()
    named = str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)
    said = ", ".join(f"{name} {word}" for name, word in choice.answers.items())
    note = f"{said}; so {', '.join(one.rule['metric'] for one in choice.proposals)}"
    given = {"by": by, "said": "yes", "note": note, "documents": (named,)}
    giving: Any = importlib.import_module("audit.governance.giving")
    giving.give(file, item, shared.situation(project, None, on), project, given)
    output.echo(f"# {choosing.ITEM}: kept", err=True)
