"""Writes the pages that the code knows best: commands, metrics, errors, checklists, and README's help.

`make docs` writes them; `make check` and a test compare (`--check`), so that no page falls behind the code.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from audit import errors, registry
from audit.governance.catalogue import load_catalogue
from audit.governance.checklist import Checklist, Item
from audit.governance.references import Registry, load_registry, standing

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by docs/build.py: change the code and run `make docs`. -->"
HELP_BLOCK = re.compile(r"(?<=<!-- help -->\n).*?(?=<!-- /help -->)", re.DOTALL)
WIDTH = 80
MARGIN = 2
"""What click leaves free at the right of a terminal."""


def commands() -> str:
    """Each command with its help, in the order of the names."""
    parts = [
        f"# Commands\n\n{NOTE}\n\n"
        "Each command does one thing and ends with an exit code; [errors](errors.md) lists the codes.\n"
    ]
    parts += [f"## {path}\n\n```text\n{text}\n```\n" for path, text in helps()]
    return "\n".join(parts)


def helps() -> Iterator[tuple[str, str]]:
    """(`harm-audit run`, its help text) for each command, the program itself first.

    Colours off and a fixed width: the same bytes on every terminal.
    """
    yield from _walk(_program(), _context(_program(), "harm-audit"))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(command, parent=parent, info_name=name, **command.context_settings)


def _walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    context.terminal_width = WIDTH - MARGIN
    yield context.command_path, click.unstyle(command.get_help(context)).rstrip()
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _walk(inner, _context(inner, name, context))


def _program() -> click.Group:
    module = importlib.import_module("audit.cli.main")
    return next(value for value in vars(module).values() if isinstance(value, click.Group))


def metrics() -> str:
    """Each metric and each named comparison of the registry, with its source."""
    parts = [
        f"# Metrics\n\n{NOTE}\n\n"
        "What can be measured and judged. `harm-audit explain NAME` prints one of these entries.\n\n"
        "## Comparisons\n\n"
    ]
    parts += [f"- `{name}`: {meaning}\n" for name, meaning in registry.COMPARISONS.items()]
    parts.append(
        "\n## Tasks\n\n`data.task` says what the system does; a metric that does not fit it is refused.\n\n"
    )
    parts += [f"- `{name}`: {meaning}\n" for name, meaning in registry.TASKS.items()]
    entries = list(registry.metrics().values())
    for family in dict.fromkeys(entry.family for entry in entries):
        first = next(entry for entry in entries if entry.family == family)
        tasks = registry.family_tasks(first)
        whose = f"For the tasks {', '.join(tasks)}" if tasks else f"By `{registry.measured_by(first)}`"
        parts.append(f"\n## The {family} family\n\n{whose}.\n")
        parts += [_entry(entry, _METRIC) for entry in entries if entry.family == family]
    parts.append(_oracles())
    parts.append("\n## Named comparisons\n")
    parts += [_entry(alias, _ALIAS) for alias in registry.aliases().values()]
    return "".join(parts)


def _oracles() -> str:
    """The stored table of `tests/oracles`: each metric, who else computes it, the largest difference."""
    lines = [
        "\n## Oracles\n\n"
        "Every metric, who else computes it, and the largest difference over the groups of five data sets, "
        "rounded up to a power of ten. A test computes the table again; `python -m tests.oracles.table` "
        "writes it. Scores are summed in units of 2⁻³⁰: where they are no multiples of it, a mean of scores "
        "is off by at most 10⁻⁹. Where no library is sound, the hand-computed cases stand in the file that "
        "is named.\n\n"
        "| metric | oracle | largest difference | values |\n|---|---|---:|---:|\n"
    ]
    for entry in json.loads((ROOT / "docs" / "oracles.json").read_text(encoding="utf-8")):
        if "oracle" in entry:
            shown = (entry["oracle"], f"{entry['difference']:.0e}", str(entry["values"]))
        elif "why" in entry:
            shown = (f"by hand, `{entry['where']}`: {entry['why']}", "–", "–")
        else:
            shown = ("none yet", "–", "–")
        lines.append(f"| {entry['metric']} | {' | '.join(shown)} |\n")
    return "".join(lines)


_METRIC = ("formula", "needs", "unit", "parity", "interval", "blind_spot", "use_when", "example", "source")
_ALIAS = ("metrics", "comparisons", "reference", "bound", "blind_spot", "use_when", "example", "source")


def _entry(entry: Any, fields: tuple[str, ...]) -> str:
    lines = [f"\n### {entry.name}\n\n{entry.title}. {entry.definition}\n\n"]
    for field in fields:
        value = getattr(entry, field)
        if value is None or value in ((), "", "–"):
            continue
        words = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        shown = f"`{words}`" if field == "formula" else words
        lines.append(f"- {field.replace('_', ' ').capitalize()}: {shown}\n")
    return "".join(lines)


EXITS = {
    0: "The gate passes; or the command did its work and was not asked to gate.",
    1: "Violation: the evidence says that a rule is broken.",
    2: "What the command or the spec says is wrong.",
    3: "Inconclusive: the evidence is not there, so nothing passes.",
    4: "What the data or a bundle holds is wrong, the result could not be written, or an internal error.",
    130: "Interrupted from the keyboard; nothing half written is left.",
}


def error_classes() -> list[type[errors.AuditError]]:
    """AuditError and its kin, in the order of the file."""
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, errors.AuditError)]


def errors_page() -> str:
    """The exit codes, and each error class with its code."""
    parts = [
        f"# Errors and exit codes\n\n{NOTE}\n\n"
        "An error says where it is, what was found, and what to type next. A user never sees a traceback: "
        "where one shows, that is a defect worth reporting.\n\n"
        "| exit | meaning |\n|---:|---|\n"
    ]
    parts += [f"| {code} | {meaning} |\n" for code, meaning in EXITS.items()]
    parts.append("\nViolation beats inconclusive, inconclusive beats pass.\n")
    for kind in error_classes():
        parts.append(
            f"\n## {kind.__name__}\n\nCode `{kind.code}`, exit {kind.exit_code}.\n\n{_prose(kind)}\n"
        )
    return "".join(parts)


def _prose(kind: type) -> str:
    """The docstring without its examples."""
    return (inspect.getdoc(kind) or "").partition("\n>>>")[0].strip()


def checklists() -> str:
    """Every question of every list, with why it is asked, what answers it and what it rests on."""
    known = load_catalogue()
    registry = load_registry()
    count = sum(len(each.items) for each in known.lists)
    parts = [
        f"# Checklists\n\n{NOTE}\n\n"
        f"{count} questions in {len(known.lists)} lists. [Governance](governance.md) says how they are "
        f"answered and what the gate makes of them. What each law is worth is said as of {registry.as_of}; "
        "`harm-audit standards --as-of DAY` says it for another day.\n\n"
        "| list | about | questions | in use |\n|---|---|---:|---|\n"
    ]
    parts += [
        f"| [{each.id}](#{each.id.lower()}) | {each.title} | {len(each.items)} | {_in_use(each)} |\n"
        for each in known.lists
    ]
    for each in known.lists:
        parts.append(f"\n## {each.id}\n\n{each.title}. {each.about}\n")
        parts += [_question(item, registry) for item in each.items]
    return "".join(parts)


def _in_use(each: Checklist) -> str:
    when = f"where `{each.applies_if}`" if each.applies_if else "always"
    return f"{when}, and when asked for" if each.optional else when


def _question(item: Item, registry: Registry) -> str:
    kinds = {
        "audit_metric": "the audit",
        "config": "the project's files",
        "document": "a document",
        "person": "a person",
    }
    severity = f"{item.severity}, a blocker if `{item.blocker_if}`" if item.blocker_if else item.severity
    lines = [
        f"\n### {item.id}\n\n**{item.question}** {item.why}\n\n",
        f"- Answered by: {', '.join(kinds[kind] for kind in item.evidence)}; {severity}, "
        f"at the stage {item.stage}, for {item.owner_role.replace('_', ' ')}; "
        f"holds {item.max_age_days} days\n",
    ]
    if item.auto is not None:
        auto = item.auto.metrics or (item.auto.check or "",)
        lines.append(f"- Worked out from: {', '.join(f'`{name}`' for name in auto)}\n")
    if item.applies_if:
        lines.append(f"- Asked where `{item.applies_if}`\n")
    cited = (f"{cite} ({standing(registry.get(cite), registry.as_of).words})" for cite in item.references)
    lines.append(f"- Rests on: {'; '.join(cited)}\n")
    if item.case is not None:
        lines.append(f"- It happened: {item.case.what} ({item.case.title}, {item.case.source})\n")
    return "".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "docs/commands.md": commands,
    "docs/metrics.md": metrics,
    "docs/errors.md": errors_page,
    "docs/checklists.md": checklists,
}


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated page and what it must hold; README's help block is the one page that is half written."""
    for name, write in PAGES.items():
        yield ROOT / name, write()
    readme = ROOT / "README.md"
    block = f"```text\n{next(helps())[1]}\n```\n"
    yield readme, HELP_BLOCK.sub(lambda _: block, readme.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Write what differs, or with `--check` only name it and end with 1."""
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} is not what the code says: run `make docs`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
