"""`harm-audit verify`: whether a bundle is as it was written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from audit import bundle
from audit.cli import output

DIFFERS = 4


@click.command("verify", short_help="Say what was changed in a bundle.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--expect", metavar="ID", help="The id that the bundle must have.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(folder: Path, expect: str | None, as_json: bool) -> int:
    """Compare each file of BUNDLE with its manifest: 0 as written, 4 not.

    \b
    Example:
      harm-audit verify evidence --expect 3f5a…
    """
    said = bundle.verify(folder, expect)
    if as_json:
        output.echo_json(asdict(said))
    else:
        colour = "green" if said.ok else "red"
        output.echo(output.style("✓ as written" if said.ok else "✗ not as written", fg=colour, bold=True))
        output.echo(f"  id {said.id}")
        output.echo(f"  {output.safe(said.message)}")
    return 0 if said.ok else DIFFERS
