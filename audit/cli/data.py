"""`harm-audit data`: a table before training, and what in it gives a person's group away."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import output, writing
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.analysis.data_report import DataReport, Groups, Measure
    from audit.spec import AuditSpec

PROXIES = 5
"""Proxies of each attribute in the listing; the JSON and the page have them all."""


@click.command("data", short_help="Look at a table before training: who is in it, what gives groups away.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--spec", "policy", type=click.Path(path_type=Path), help="Columns and groups as audit.yaml says."
)
@click.option("--attribute", "attributes", multiple=True, help="A sensitive column; repeat it.")
@click.option("--label", help="Column of what is to be predicted.")
@click.option("--positive", help="The label's value that means positive.")
@click.option("--feature", "features", multiple=True, help="A feature; repeat it. Default: every column.")
@click.option("--id", "person", help="Column that names the person; folds keep a person's rows together.")
@click.option(
    "--population", type=click.Path(path_type=Path), help="Shares: CSV (attribute,group,share) or YAML."
)
@click.option("--test", type=click.Path(path_type=Path), help="The test set, to count rows that it shares.")
@click.option(
    "--sample", type=click.IntRange(100), default=20_000, show_default=True, help="Rows to guess on."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True)
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as a page.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(file: Path | None, html: Path | None, out: Path | None, as_json: bool, **given: Any) -> int:
    """Examine FILE, or the rows that audit.yaml names, before a model is trained on it.

    Who is in it, how labels and features differ between groups, where values are missing, and which
    columns give a person's group away (proxies), each alone and all together.

    \b
    Example:
      harm-audit data train.csv --attribute sex --label repaid --positive 1 --html data.html
      harm-audit data --spec audit.yaml --population census.csv --test test.csv
    """
    spec, notes = _spec(file, given)
    dataset: Any = importlib.import_module("audit.analysis.dataset")
    examining: Any = importlib.import_module("audit.analysis.data_audit")
    options = examining.Options(given["confidence"], given["sample"], given["seed"])
    features = given["features"] or None
    with (
        output.progress("Examining the table", quiet=as_json),
        dataset.open_dataset(spec, features=features) as train,
    ):
        report: DataReport = examining.examine(
            train,
            population=_population(spec, given["population"]),
            shared=_shared(train, spec, given["test"]),
            options=options,
            notes=notes,
        )
    if out is not None:
        writing.whole(out, codec.dumps(report))
    if html is not None:
        page = importlib.import_module("audit.report.data_page").render(report)
        writing.whole(html, page.encode("utf-8", "replace"))
    if as_json:
        output.echo_json(codec.to_plain(report))
        return 0
    tell(report)
    for path in (html, out):
        if path is not None:
            output.echo(f"Report: {path}")
    return 0


def _spec(file: Path | None, given: dict[str, Any]) -> tuple[AuditSpec, tuple[str, ...]]:
    """The spec's rows, or the file's; a file without a named attribute has its columns guessed."""
    spec: Any = importlib.import_module("audit.spec")
    if given["policy"] is not None:
        policy = spec.load(given["policy"])
        return _override(policy, None if file is None else os.path.relpath(file, policy.base), given), ()
    if file is None:
        raise UsageError("which table?", hint="Give a FILE, or --spec audit.yaml.")
    attributes: dict[str, Any] = {name: {"reference": "rest"} for name in given["attributes"]}
    label, positive = given["label"], given["positive"]
    notes: tuple[str, ...] = ()
    if not attributes:
        attributes, guessed, sure = _guessed(file)
        positive = positive or (sure if label in (None, guessed) else None)
        label = label or guessed
        names = ", ".join(attributes) + (f"; label: {label}" if label and not given["label"] else "")
        notes = (f"guessed from the names: attributes {names}; --attribute and --label say it",)
    columns = {"label": label, "cluster": given["person"]}
    data = {"source": str(file), "columns": columns, "attributes": attributes}
    if positive is not None:
        data["positive"] = {"label": positive}
    return spec.of_table(data), notes


def _override(spec: AuditSpec, source: str | None, given: dict[str, Any]) -> AuditSpec:
    data = spec.data
    columns = {role: given[key] for role, key in (("label", "label"), ("cluster", "person")) if given[key]}
    changed: dict[str, Any] = {"columns": data.columns.model_copy(update=columns)}
    if source is not None:
        changed |= {"source": source, "table": None, "sql": None}
    if given["attributes"]:
        unknown = [name for name in given["attributes"] if name not in data.attributes]
        if unknown:
            near = output.nearest(unknown[0], data.attributes)
            raise UsageError(
                f"the spec has no attribute {unknown[0]!r}",
                where="--attribute",
                hint=f"Did you mean {near}?" if near else f"It has: {', '.join(data.attributes)}.",
            )
        changed["attributes"] = {name: data.attributes[name] for name in given["attributes"]}
    if given["positive"] is not None:
        positive = importlib.import_module("audit.spec.model").Positive
        changed["positive"] = positive(label=given["positive"])
    return replace(spec, data=data.model_copy(update=changed))


def _guessed(file: Path) -> tuple[dict[str, Any], str | None, str | None]:
    """Attributes, label and its positive value, as `init` guesses them."""
    found = importlib.import_module("audit.cli.guess").guess(
        importlib.import_module("audit.cli.init").look(file)
    )
    if not found.attributes:
        raise UsageError(
            "no column looks like a sensitive attribute",
            where=str(file),
            hint="Name one with --attribute; " + " ".join(found.notes[-1:]),
        )
    attributes = {
        name: {"reference": "rest"} | ({"bins": list(found.bins[name])} if name in found.bins else {})
        for name in found.attributes
    }
    return attributes, found.roles.get("label"), found.positive.get("label")


def _population(spec: AuditSpec, path: Path | None) -> Any:
    if path is None:
        return spec.population()
    reading: Any = importlib.import_module("audit.spec.population")
    return reading.read(str(path.absolute()), spec.data.attributes, Path(), "--population")


def _shared(train: Any, spec: AuditSpec, test: Path | None) -> Any:
    if test is None:
        return None
    dataset: Any = importlib.import_module("audit.analysis.dataset")
    columns = spec.data.columns.model_copy(update={"count": None})
    changed = {"source": str(test.absolute()), "table": None, "sql": None, "columns": columns}
    with dataset.open_dataset(replace(spec, data=spec.data.model_copy(update=changed))) as opened:
        return importlib.import_module("audit.analysis.overlap").overlap(train, opened)


def tell(report: DataReport) -> None:
    """Print what a reader wants first: proxies by attribute, then labels, shares, what is missing."""
    output.echo(output.style(f"{report.rows:,} rows of {output.one_line(report.source, 60)}", bold=True))
    for excluded in report.excluded:
        output.echo(f"  {excluded.rows:,} more: {excluded.reason}")
    for attribute in report.attributes:
        _tell_attribute(report, attribute)
    for one in report.of("test_overlap"):
        output.echo(f"Test rows that stand in the training set, {one.column}: {_figures(one)}")
    for note in report.notes:
        output.echo(output.paragraph(note, first="Note: ", indent="  "))
    for left in report.not_measured:
        output.echo(output.paragraph(f"{left.what}: {left.why}.", first="Not measured: ", indent="  "))


def _tell_attribute(report: DataReport, attribute: Groups) -> None:
    output.echo()
    name = output.one_line(attribute.attribute, 60)
    output.echo(output.style(name, bold=True))
    shares = ", ".join(f"{group} {n:,}" for group, n in zip(attribute.groups, attribute.rows, strict=True))
    output.echo(output.paragraph(shares, first="  rows: ", indent="    "))
    proxies = [one for one in report.proxies(attribute.attribute) if one.value is not None]
    if proxies:
        first = proxies[0]
        strongest = f"{first.column} is the strongest proxy for {attribute.attribute}"
        if not first.low:
            strongest = f"no feature is shown to tell {attribute.attribute}; the first, {first.column}"
        output.echo(output.paragraph(f"{strongest}: {_words(first)} {_figures(first)}", indent="  "))
        for one in proxies[1:PROXIES]:
            output.echo(f"    {output.cell(one.column or '', 24)} {_figures(one)}  {_words(one)}")
    for column in attribute.restated_by:
        output.echo(
            output.paragraph(
                f"{column} gives {attribute.attribute} itself: each of its values goes with one group.",
                indent="  ",
            )
        )
    for one in report.of("proxy_auc", attribute=attribute.attribute):
        who = "" if one.group is None else f" ({one.group} from the rest)"
        output.echo(
            output.paragraph(f"told from all features together{who}: AUC {_figures(one)}", indent="  ")
        )
    for metric, words in (
        ("representation_gap", "share of the rows less that of the"),
        ("label_rate_gap", "share of positive labels less that of"),
    ):
        for one in report.of(metric, attribute=attribute.attribute):
            said = f"{one.group}: {words} {one.against}: {_figures(one)}"
            output.echo(output.paragraph(said, indent="  "))
    gaps = [one for one in report.of("missingness_gap", attribute=attribute.attribute) if one.value]
    for one in sorted(gaps, key=lambda gap: -abs(gap.value or 0.0))[:3]:
        said = f"{one.column} missing in {one.group}, share less that of {one.against}: {_figures(one)}"
        output.echo(output.paragraph(said, indent="  "))


def _words(one: Measure) -> str:
    return "Cramér's V" if one.metric == "cramers_v" else "correlation ratio"


def _figures(one: Measure) -> str:
    if one.value is None:
        return f"undefined, {one.why}"
    if one.low is None or one.high is None:
        return f"{one.value:.3f}"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
