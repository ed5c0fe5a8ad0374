"""`harm-audit validate`: whether audit.yaml and the answers say what can be read; no data is looked at."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import click

from audit.cli import output
from audit.errors import AuditError, UsageError

SPEC = "audit.yaml"
ANSWERS = ("governance", "answers")
"""The folder beside a spec that holds a project's answers."""


@click.command("validate", short_help="Check audit.yaml and the answers, without the data.")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Print nothing where all is well.")
def command(paths: tuple[Path, ...], quiet: bool) -> int:
    """Check each PATH: a policy file (audit.yaml), a file of answers, or a project's folder.

    A policy file brings the answers in governance/answers beside it. The data is not opened, so what only
    the data can say (a column that is not there) is left to `harm-audit run`. Everything wrong is said, and
    then it ends with 2. Made for a pre-commit hook.

    \b
    Example:
      harm-audit validate
      harm-audit validate audit.yaml governance/answers/launch.yaml
    """
    files = files_of(paths or (Path(SPEC),))
    wrong = [said for path in files if (said := problem(path)) is not None]
    for error in wrong:
        output.error(str(error))
    if wrong:
        return UsageError.exit_code
    if not quiet:
        for path in files:
            output.echo(f"{output.MARKS['pass']} {output.one_line(str(path))}")
    return 0


def files_of(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files that `paths` stand for, each once: a folder its spec, a spec its answers."""
    found: dict[Path, Path] = {}
    for path in paths:
        spec = path / SPEC if path.is_dir() else path
        beside = [] if is_answers(spec) else sorted(spec.parent.joinpath(*ANSWERS).glob("*.yaml"))
        for each in (spec, *(file for file in beside if not file.name.startswith("."))):
            found.setdefault(each.absolute(), each)
    return tuple(found.values())


def is_answers(path: Path) -> bool:
    """Whether a file holds answers, by its folder.

    >>> is_answers(Path("governance/answers/launch.yaml")), is_answers(Path("governance/audit.yaml"))
    (True, False)
    """
    return path.absolute().parent.parts[-2:] == ANSWERS


def problem(path: Path) -> AuditError | None:
    """What is wrong in a file, with its lines; None where nothing is."""
    try:
        if is_answers(path):
            _read_answers(path)
        else:
            spec: Any = importlib.import_module("audit.spec")
            spec.resolve_rules(spec.load(path))
    except AuditError as error:
        return error
    return None


def _read_answers(path: Path) -> None:
    answers = importlib.import_module("audit.governance.answers")
    document = answers.yamlfile.load(path)
    try:
        checklist = _catalogue().list(path.stem)
    except UsageError as error:
        raise UsageError(error.what, where=str(path), hint=error.hint) from error
    answers.AnswerFile(checklist, document)


@cache
def _catalogue() -> Any:
    return importlib.import_module("audit.governance.catalogue").load_catalogue()
