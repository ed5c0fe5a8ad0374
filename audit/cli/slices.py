"""`harm-audit slices`: where the errors sit, found on half of the people and tested on the others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import output, writing
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.analysis.rates import Rate
    from audit.analysis.slice_report import Slice, SliceReport

TESTS = ("split", "max-t")
METRICS = ("error_rate", "false_positive_rate", "false_negative_rate", "loss", "share")


@click.command("slices", short_help="Find where the errors sit, and test it on other people.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--metric", type=click.Choice(METRICS), default="error_rate", show_default=True)
@click.option("--label", help="Column of what really happened.")
@click.option("--prediction", help="Column of the decision.")
@click.option("--positive", help="The value that means positive.")
@click.option("--positive-prediction", help="That value in the prediction, where it differs.")
@click.option("--loss", help="Column of a loss, for the metric loss.")
@click.option("--numerator", help="Column of true and false, for the metric share.")
@click.option("--denominator", help="Column of true and false: the rows that count; default all.")
@click.option("--feature", "features", multiple=True, help="A feature; repeat it. Default: every column.")
@click.option("--id", "person", help="Column that names the person; halves are split by it.")
@click.option("--top", type=int, default=10, show_default=True, help="How many slices.")
@click.option(
    "--min-support", type=float, default=0.01, show_default=True, help="Least part of the rows of a slice."
)
@click.option("--max-depth", type=int, help="Most conditions of a slice; default any number.")
@click.option("--weight", type=float, help="Rank by SliceLine's score of this weight, 0 to 1.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option(
    "--test",
    type=click.Choice(TESTS),
    default="split",
    show_default=True,
    help="On people a slice was not found on, or on everyone by permutation.",
)
@click.option(
    "--examples",
    type=int,
    default=0,
    show_default=True,
    help="Bad rows to show of each slice; personal data.",
)
@click.option(
    "--all", "listing", type=click.Path(path_type=Path), help="Write every slice to this CSV, untested."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the report as JSON to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(source: Path, listing: Path | None, out: Path | None, as_json: bool, **options: Any) -> int:
    """Find the slices with the worst error in SOURCE: a CSV or Parquet file, or an audit.yaml.

    People are split in two. Slices are searched on the first half, at every depth; on the second
    half each is tested, so that `confirmed` means more than that somebody looked. `--test max-t` searches
    and tests everyone, against the worst slice of dealt rows: it finds more, and takes longer.

    \b
    Example:
      harm-audit slices predictions.csv --label repaid --prediction approved --id applicant
      harm-audit slices audit.yaml --metric false_negative_rate --positive yes
    """
    with _opened(source, options) as opened:
        report = _search(*opened, options, listing, quiet=as_json)
    if out is not None:
        writing.whole(out, codec.dumps(report))
    if as_json:
        output.echo_json(codec.to_plain(report))
    else:
        _tell(report, out)
    return 0


def _search(
    table: Any, rate: Rate, person: str | None, options: dict[str, Any], listing: Path | None, *, quiet: bool
) -> SliceReport:
    with output.progress("Searching slices", quiet=quiet):
        search: Any = importlib.import_module("audit.analysis.slices")
        names = ("top", "min_support", "max_depth", "weight", "confidence", "examples", "test")
        report: SliceReport = search.find_slices(
            table,
            rate,
            features=options["features"] or None,
            person=person,
            **{name: options[name] for name in names},
        )
    if listing is not None:
        _list_all(listing, table, rate, person, options)
    return report


@contextmanager
def _opened(source: Path, options: dict[str, Any]) -> Iterator[tuple[Any, Rate, str | None]]:
    """The table, the rate and the person's column; a connection ends with it."""
    tables: Any = importlib.import_module("audit.analysis.tables")
    rates: Any = importlib.import_module("audit.analysis.rates")
    names = ("label", "prediction", "positive", "positive_prediction", "loss", "numerator", "denominator")
    given = {name: options[name] for name in names}
    if source.suffix.lower() not in (".yaml", ".yml"):
        yield tables.as_table(source), rates.Rate(options["metric"], **given), options["person"]
        return
    spec = importlib.import_module("audit.spec").load(source)
    with tables.spec_table(spec) as table:
        yield _by_spec(spec, table, given, options, str(source))


def _by_spec(
    spec: Any, table: Any, given: dict[str, Any], options: dict[str, Any], where: str
) -> tuple[Any, Rate, str | None]:
    """What the policy file says of its columns, unless the options say otherwise."""
    tables: Any = importlib.import_module("audit.analysis.tables")
    rates: Any = importlib.import_module("audit.analysis.rates")
    importlib.import_module("audit.registry").require_decisions(spec.data.task_named, "a search for slices")
    columns, data = spec.data.columns, spec.data
    said: dict[str, Any] = {
        "label": columns.label,
        "prediction": columns.prediction,
        "positive": data.positive_label,
        "positive_prediction": data.positive_prediction,
    }
    if columns.prediction is None and columns.score is not None and data.threshold is not None:
        tables.require(table, columns.score, where="data.columns.score")
        table = table.mutate(decision=table[columns.score].cast("float64") >= data.threshold)
        said |= {"prediction": "decision", "positive_prediction": "true"}
        if given["positive"] is None and said["positive"] is None:
            raise UsageError(
                "the label's positive value is not known", where=where, hint="Give --positive VALUE."
            )
    merged = {name: value if value is not None else said.get(name) for name, value in given.items()}
    return table, rates.Rate(options["metric"], **merged), options["person"] or columns.cluster or columns.id


def _list_all(path: Path, table: Any, rate: Rate, person: str | None, options: dict[str, Any]) -> None:
    found = importlib.import_module("audit.analysis.divergence").divergence(
        table,
        rate,
        features=options["features"] or None,
        reserved=frozenset() if person is None else frozenset((person,)),
        min_support=options["min_support"],
        max_depth=options["max_depth"],
    )
    writing.whole(path, found.to_csv(index=False).encode())


def _tell(report: SliceReport, out: Path | None) -> None:
    confirmed = len(report.confirmed)
    output.echo(
        output.style(f"{report.title}: {len(report.slices)} slices found, {confirmed} confirmed", bold=True)
    )
    searched = f"Overall {_figure(report.discovery_rate)} on the {report.discovery_rows:,} people searched"
    tested = (
        f"{_figure(report.confirmation_rate)} on the {report.confirmation_rows:,} people they are tested on."
    )
    split = report.test == "split"
    output.echo(f"{searched}, {tested}" if split else f"{searched} and tested by permutation.")
    for at, one in enumerate(report.slices, start=1):
        _tell_slice(at, one)
    for note in report.notes:
        output.echo(output.paragraph(note, first="Note: ", indent="  "))
    for left in report.left_out:
        output.echo(output.paragraph(f"{left.what}: {left.why}.", first="Left out: ", indent="  "))
    if out is not None:
        output.echo(f"Report: {out}")


def _tell_slice(at: int, one: Slice) -> None:
    mark = output.style("confirmed", fg="red") if one.confirmed else "not confirmed"
    output.echo(output.paragraph(one.name, first=f"{at:>2}. ", indent="    "))
    tested = one.confirmation
    output.echo(
        f"    {mark}: {_figure(tested.rate)} of {tested.rows:,} against {_figure(tested.rest_rate)} "
        f"in the rest, p {one.p_adjusted:.2g}"
    )
    for row in one.examples:
        shown = ", ".join(f"{name} {value}" for name, value in row.items())
        output.echo(output.paragraph(shown, first="      - ", indent="        "))


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
