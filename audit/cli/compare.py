"""`harm-audit compare`: two bundles side by side, change told from noise."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import bundles, output, writing

if TYPE_CHECKING:
    from audit.mitigation.compare import BundleComparison, Compared

SHOWN = 15


@click.command("compare", short_help="Put two bundles side by side: what changed, what is noise.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="SPEC SPEC",
    help="The two policy files, whose rows are matched by id.",
)
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to this file.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the comparison as JSON to this file.")
@click.option("--all", "everything", is_flag=True, help="Print the comparisons that are noise too.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(
    before: Path,
    after: Path,
    rows: tuple[Path, Path] | None,
    html: Path | None,
    out: Path | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Compare the bundles BEFORE and AFTER, comparison by comparison.

    A change counts where its interval excludes none, all comparisons taken together. With --rows
    the intervals are of pairs: the same people, decided twice. Without, they are independent.

    \b
    Example:
      harm-audit compare evidence-old evidence --rows old.yaml audit.yaml --html change.html
    """
    found = compare(before, after, rows, quiet=as_json)
    if out is not None:
        writing.whole(out, codec.dumps(found))
    if html is not None:
        page: Any = importlib.import_module("audit.report.compare_page")
        writing.whole(html, page.render(found).encode("utf-8", "replace"))
    if as_json:
        output.echo_json(codec.to_plain(found))
    else:
        _tell(found, everything=everything)
        for path in (html, out):
            if path is not None:
                output.echo(f"Written: {path}")
    return 0


def compare(before: Path, after: Path, rows: tuple[Path, Path] | None, *, quiet: bool) -> BundleComparison:
    """The comparison of two bundles, on matched rows where two policy files are given."""
    module: Any = importlib.import_module("audit.mitigation.compare")
    sides = [bundles.open_result(folder) for folder in (before, after)]
    matched = None
    if rows:
        load: Any = importlib.import_module("audit.spec").load
        with output.progress("Matching rows", quiet=quiet):
            matched = module.match(load(rows[0]), load(rows[1]))
    first, second = ((found.id, result) for found, result in sides)
    made: BundleComparison = module.compare(first, second, matched)
    return made


def _tell(found: BundleComparison, *, everything: bool) -> None:
    output.echo(
        output.style(f"{found.systems[0]} → {found.systems[1]}: ", bold=True)
        + f"{found.verdicts[0]}, then {found.verdicts[1]}"
    )
    output.echo(output.paragraph(f"{found.how}.", first="", indent="  "))
    by = {says: [one for one in found.compared if one.says == says] for says in ("better", "worse")}
    for says, rows in by.items():
        if rows:
            output.echo(output.style(says.capitalize(), bold=True))
        for one in rows[:SHOWN]:
            _tell_row(one)
        if len(rows) > SHOWN:
            output.echo(f"  and {len(rows) - SHOWN} more")
    quiet = [one for one in found.compared if one.says == "noise"]
    undefined = [one for one in found.compared if one.says == "undefined"]
    if everything:
        for one in (*quiet, *undefined):
            _tell_row(one)
    output.echo(
        f"{len(quiet)} comparisons changed by no more than noise, {len(undefined)} cannot be compared"
    )
    for left in found.differences:
        output.echo(output.paragraph(f"{left.what}: {left.why}.", first="Differs: ", indent="  "))
    for words, names in (("before", found.only_before), ("after", found.only_after)):
        if names:
            output.echo(output.paragraph(f"only {words}: {len(names)} comparisons, as {names[0]}."))


def _tell_row(one: Compared) -> None:
    figures = " → ".join("undefined" if v is None else f"{v:.3f}" for v in (one.before, one.after))
    change = one.change
    scale = "" if change.scale == "points" else ", log"
    how = (
        f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f}{scale})"
        if change.value is not None
        else str(change.why)
    )
    verdict = one.verdict_after
    moved = verdict if one.verdict_before == verdict else f"{one.verdict_before} → {verdict}"
    words = (
        f"{one.rule}: {one.metric.replace('_', ' ')} {one.comparison}, {one.group} against {one.reference}"
    )
    output.echo(
        output.paragraph(f"{words}: {figures}; nearer to parity by {how}; {moved}", first="  ", indent="    ")
    )
