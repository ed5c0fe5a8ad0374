"""`harm-audit run`: the audit from policy file to evidence bundle; the verdict is printed first."""

from __future__ import annotations

import importlib
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import bundle, gate
from audit.cli import bundles, output
from audit.gate import Decision
from audit.governance.stages import FOLDER
from audit.report.numbers import decimals, figure, interval, wrap
from audit.report.outcome import Outcome, outcomes, worst_first
from audit.result import AuditResult

if TYPE_CHECKING:
    from audit.api import Audit

DEFAULT_OUT = Path("evidence")
NOTES = 6
ROWS = 12
"""Findings in the table; the report has them all."""
LEAST = {"verdict": 14, "rule": 12, "group": 16, "value": 6, "interval": 16, "bound": 11}
"""Widths of the table's columns: 80 with the gaps between them. A wider terminal widens two of them."""
RIGHT = ("value",)
WRAPPED = {1: "rule", 2: "group"}
"""Columns whose texts go on in a next line, by position."""
LINES = 4


@click.command("run", short_help="Audit by audit.yaml and write the evidence bundle.")
@click.argument("spec", default="audit.yaml", type=click.Path(path_type=Path))
@click.option("--out", default=DEFAULT_OUT, type=click.Path(path_type=Path), show_default=True)
@click.option("--gate", "gated", is_flag=True, help="End with the gate's exit code.")
@click.option(
    "--on-inconclusive", type=click.Choice(gate.ON_INCONCLUSIVE), help="In place of the policy's word."
)
@click.option("--history", type=click.Path(path_type=Path), help="Count the looks at this data in this file.")
@click.option(
    "--baseline-bundle", type=click.Path(path_type=Path), help="An earlier bundle, for what changed."
)
@click.option(
    "--explain", "explained", is_flag=True, help="Show what would be read, and the SQL; audit nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
def command(
    spec: Path,
    out: Path,
    gated: bool,
    on_inconclusive: str | None,
    history: Path | None,
    baseline_bundle: Path | None,
    explained: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Audit by the policy file SPEC (audit.yaml) and write the evidence bundle.

    Ends with 0 when it ran, whatever the verdict; with --gate 1 where a rule is violated, 3 where the
    evidence decides nothing. A governance folder is asked by `harm-audit gate`, not here: what was
    just written bears no signature yet.

    \b
    Example:
      harm-audit run audit.yaml --out evidence --gate
    """
    if explained:
        output.echo(output.safe(_explain(spec)))
        return 0
    previous = bundles.open_result(baseline_bundle)[1] if baseline_bundle else None
    done = perform(spec, out, history=history, previous=previous, quiet=quiet or as_json)
    decision = decide(done.result, on_inconclusive)
    bundle_id = bundle.read(out).id
    code = decision.exit_code if gated else 0
    if as_json:
        document = bundles.as_json(done.result, decision, bundle_id)
        output.echo_json({**document, "gated": gated, "exit_code": code, "bundle": str(out)})
    else:
        tell(done.result, decision, out, bundle_id, quiet=quiet)
        if not quiet:
            output.echo(_last_line(decision, gated))
            if gated and (spec.absolute().parent / FOLDER).is_dir():
                output.echo("The rules alone: `harm-audit gate` asks the governance folder too.")
    return code


def perform(
    spec: Path, out: Path, *, history: Path | None, previous: AuditResult | None, quiet: bool
) -> Audit:
    """Audit and write the bundle, telling that work goes on where it takes long."""
    with output.progress(f"Auditing by {output.one_line(str(spec), 60)}", quiet=quiet):
        api: Any = importlib.import_module("audit.api")
        done: Audit = api.run(spec, out=out, history=history, previous=previous)
    return done


def decide(result: AuditResult, on_inconclusive: str | None = None) -> Decision:
    """The gate's decision today, on the model that was just audited."""
    model = result.system.model
    return gate.decide(
        result,
        today=bundles.today(),
        model_sha256=model.sha256 if model else None,
        on_inconclusive=on_inconclusive,
    )


def tell(result: AuditResult, decision: Decision, out: Path, bundle_id: str, *, quiet: bool) -> None:
    """Print the verdict, the reasons, the findings and where the report is."""
    output.echo(bundles.headline(result, decision))
    if quiet:
        return
    bundles.echo_reasons(decision)
    found = worst_first(outcomes(result, decision))
    if found:
        output.echo()
        for line in findings_table(found[:ROWS], output.columns()):
            output.echo(line)
        if len(found) > ROWS:
            output.echo(f"And {len(found) - ROWS:,} more, none of them worse, in the report.")
    data = result.data
    output.echo()
    output.echo(
        f"{data.rows_audited:,} of {data.rows_read:,} rows audited; for the groups and metrics examined."
    )
    for excluded in data.excluded:
        output.echo(output.paragraph(f"left out: {excluded.rows:,} rows, {excluded.reason}", indent="  "))
    for note in data.warnings[:NOTES]:
        output.echo(output.paragraph(f"note: {note}", indent="    ", first="  "))
    if len(data.warnings) > NOTES:
        output.echo(f"  And {len(data.warnings) - NOTES} more notes in the report.")
    output.echo(f"Report: {out / 'report.html'}")
    output.echo(f"Bundle: {out}, id {bundle_id}")


def findings_table(found: list[Outcome], columns: int) -> list[str]:
    """The table's lines, none wider than `columns`, which is at least 80; long names take more lines."""
    spare = columns - sum(LEAST.values()) - (len(LEAST) - 1)
    widths = {
        **LEAST,
        "group": LEAST["group"] + spare * 2 // 3,
        "rule": LEAST["rule"] + spare - spare * 2 // 3,
    }
    lines = [output.style(_line(list(widths), widths), bold=True)]
    for outcome in found:
        cells = _row(outcome)
        wrapped = [wrap(cells[place], widths[name])[:LINES] for place, name in WRAPPED.items()]
        for number, (rule, group) in enumerate(zip_longest(*wrapped, fillvalue="")):
            shown = cells if number == 0 else [""] * len(cells)
            line = _line([shown[0], rule, group, *shown[3:]], widths)
            lines.append(_coloured(line, outcome) if number == 0 else line)
    return lines


def _line(cells: list[str], widths: dict[str, int]) -> str:
    fitted = (
        output.cell(text, width, right=name in RIGHT)
        for text, (name, width) in zip(cells, widths.items(), strict=True)
    )
    return " ".join(fitted).rstrip()


def _row(outcome: Outcome) -> list[str]:
    finding = outcome.finding
    places = decimals(finding.low, finding.high)
    value, limits = figure(finding.value, places), interval(finding.low, finding.high, places)
    if outcome.hidden:
        value, limits = "hidden", ""
    elif finding.value is None:
        value, limits = "none", "undefined"
    return [
        f"{output.MARKS[outcome.status.value]} {outcome.status.value}",
        outcome.judged,
        outcome.against.partition(" = ")[2],
        value,
        limits,
        finding.bound,
    ]


def _coloured(line: str, outcome: Outcome) -> str:
    width = LEAST["verdict"]
    colour = output.COLOURS.get(outcome.status.value)
    return output.style(line[:width], fg=colour) + line[width:]


def _last_line(decision: Decision, gated: bool) -> str:
    if not gated:
        return "exit 0: not gated"
    words = bundles.open_words(decision)
    return f"exit {decision.exit_code}" + (f": {words}" if words else ": gated")


def _explain(spec: Path) -> str:
    loaded = importlib.import_module("audit.spec").load(spec)
    text: str = importlib.import_module("audit.engine.run").explain(loaded)
    return text
