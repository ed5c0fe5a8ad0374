"""`harm-audit metrics`: what can be measured, from the registry."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

import click

from audit import registry
from audit.cli import output


@click.command("metrics", short_help="List the metrics and named comparisons.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of each as JSON.")
def command(as_json: bool) -> int:
    """List the metrics by family, and the named comparisons; `explain NAME` says more of each.

    \b
    Example:
      harm-audit metrics --json
    """
    metrics, aliases = list(registry.metrics().values()), list(registry.aliases().values())
    if as_json:
        hidden = {"numerator", "denominator"}
        entries = [{k: v for k, v in asdict(entry).items() if k not in hidden} for entry in metrics]
        output.echo_json({"metrics": entries, "comparisons": [asdict(alias) for alias in aliases]})
        return 0
    width = max(len(name) for name in (*registry.metrics(), *registry.aliases()))
    room = output.columns() - width - 3
    for family, entries_of in groupby(metrics, key=lambda entry: entry.family):
        output.echo(output.style(f"{family.capitalize()}", bold=True))
        for entry in entries_of:
            output.echo(f"  {entry.name:<{width}} {output.cell(entry.definition, room).rstrip()}")
    output.echo(output.style("Named comparisons", bold=True))
    for alias in aliases:
        output.echo(f"  {alias.name:<{width}} {output.cell(alias.definition, room).rstrip()}")
    return 0
