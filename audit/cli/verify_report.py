"""`harm-audit verify-report`: somebody's published table computed again."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli import output
from audit.errors import DataError, UsageError
from audit.governance import published

WRONG = 1


@click.command("verify-report", short_help="Compute a published table again; say what does not add up.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--profile", type=click.Choice(("ll144",)), required=True, help="The rules it was made by.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(file: Path, profile: str, as_json: bool) -> int:
    """Compute the rates and ratios of FILE again from its counts: 0 they add up, 1 they do not.

    FILE is a CSV with the columns sex, race, n, selected, and where they are printed rate and ratio.
    Fill sex alone for a row of the sex table, race alone for one of the race table, both for one of
    the intersectional table. A figure that is rounded or cut off is no fault.

    \b
    Example:
      harm-audit verify-report published.csv --profile ll144
    """
    rows = published.parse(_text(file), where=str(file))
    found = published.faults(rows)
    if as_json:
        plain = [{"line": fault.line, "text": fault.text} for fault in found]
        output.echo_json({"profile": profile, "rows": len(rows), "faults": plain})
        return WRONG if found else 0
    if not found:
        output.echo(output.style(f"✓ {len(rows)} rows add up", fg="green", bold=True))
        return 0
    word = "place does" if len(found) == 1 else "places do"
    output.echo(output.style(f"✗ {len(found)} {word} not add up", fg="red", bold=True))
    for fault in found:
        place = f"line {fault.line}: " if fault.line else ""
        output.echo(output.paragraph(f"{place}{fault.text}", indent="    ", first="  "))
    return WRONG


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}",
            where=str(file),
            hint="Name a CSV file that you may read.",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("is no UTF-8 text", where=str(file), hint="Save it as CSV UTF-8.") from error
