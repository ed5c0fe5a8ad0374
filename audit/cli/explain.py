"""`harm-audit explain`: one metric's entry in the registry."""

from __future__ import annotations

import textwrap
from dataclasses import asdict

import click

from audit import registry
from audit.cli import output

SHOWN = (
    "definition",
    "formula",
    "metrics",
    "comparisons",
    "needs",
    "measured_by",
    "denominator_words",
    "unit",
    "parity",
    "interval",
    "reference",
    "bound",
    "use_when",
    "blind_spot",
    "example",
    "source",
)


@click.command("explain", short_help="Say what a metric means and what it cannot see.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the entry as JSON.")
def command(name: str, as_json: bool) -> int:
    """Say what the metric or named comparison NAME means, needs and cannot see.

    \b
    Example:
      harm-audit explain true_positive_rate
    """
    found = registry.lookup(name)
    entry = {**asdict(found), "measured_by": registry.measured_by(found)}
    for mask in ("numerator", "denominator"):
        entry.pop(mask, None)
    if as_json:
        output.echo_json(entry)
        return 0
    output.echo(output.style(f"{entry['name']}: {entry['title']}", bold=True))
    for field in SHOWN:
        value = entry.get(field)
        if value is None or value in ((), "", "–"):
            continue
        words = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        label = field.removesuffix("_words").replace("_", " ")
        lines = textwrap.wrap(words, output.columns() - 15) or [""]
        output.echo(f"  {label:<12} {lines[0]}")
        for line in lines[1:]:
            output.echo(f"  {'':<12} {line}")
    return 0
