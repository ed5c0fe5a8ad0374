"""`harm-audit individuals`: whether like people are treated alike, by neighbours and by one change."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from audit import codec
from audit.cli import output
from audit.errors import UsageError

LISTED = 30
"""Figures that are printed: those of everyone and of the largest groups."""


@click.command("individuals", short_help="Say whether like people are decided alike.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--attribute", required=True, help="The sensitive column.")
@click.option("--prediction", help="Column of the decision; left out, the model decides.")
@click.option("--model", "model_name", help="A .skops or .onnx file, or module:function.")
@click.option("--trust", is_flag=True, help="Open a pickle too: it runs whatever code it holds.")
@click.option("--feature", "features", multiple=True, help="What makes people alike; repeat it.")
@click.option("--sample", type=click.IntRange(50), default=20_000, show_default=True, help="Rows at most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(file: Path, attribute: str, model_name: str | None, as_json: bool, **given: Any) -> int:
    """Measure on the rows of FILE how alike the nearest people are decided, and how often a decision
    changes when the attribute alone is changed.

    \b
    Example:
      harm-audit individuals people.csv --attribute sex --model model.skops
      harm-audit individuals people.csv --attribute sex --prediction approved --feature income
    """
    individuals: Any = importlib.import_module("audit.analysis.individuals")
    if model_name is None and given["prediction"] is None:
        raise UsageError("nothing decides", hint="Give --prediction COLUMN, or --model MODEL.")
    frame, rows = individuals.draw_rows(file, given["sample"], given["seed"])
    model: Any = None
    if model_name is not None:
        models: Any = importlib.import_module("audit.analysis.models")
        model = models.load_model(model_name, base=Path(), trust=given["trust"])
    features = given["features"]
    with output.progress("Measuring", quiet=as_json):
        individuals.require(frame, attribute, given["prediction"])
        frame, undecided = individuals.decided_rows(frame, given["prediction"])
        decided = frame[given["prediction"]].to_numpy() if given["prediction"] else model.decide(frame)
        if not features:
            features = model.features if model is not None and model.features else None
            features = features or tuple(name for name in frame if name != given["prediction"])
        features = tuple(name for name in features if name != attribute)
        found = individuals.measure_consistency(frame, decided, attribute, features=features)
        if model is not None:
            found += individuals.measure_flips(frame, model, attribute)
    if as_json:
        output.echo_json(
            {
                "rows": rows,
                "measured_on": len(frame),
                "without_prediction": undecided,
                "measures": codec.to_plain(found),
            }
        )
        return 0
    left_out = f"; {undecided:,} of the rows drawn have no prediction and are left out" if undecided else ""
    output.echo(f"{len(frame):,} of {rows:,} rows{left_out}")
    shown = sorted(found, key=lambda one: (one.group is not None, -one.n))[:LISTED]
    for one in found:
        if one in shown:
            output.echo(output.paragraph(_words(one), indent="    ", first="  "))
    if len(found) > len(shown):
        output.echo(f"And {len(found) - len(shown):,} more, of smaller groups; --json has all.")
    return 0


def _words(one: Any) -> str:
    value = f"undefined, {one.why}" if one.value is None else f"{one.value:.3f}"
    if one.low is not None:
        value += f" ({one.low:.3f} to {one.high:.3f})"
    if one.metric == "consistency":
        whom = f" of {one.group}" if one.group else ""
        return f"consistency{whom}: {value} over {one.n:,.0f} rows; described, never judged"
    if one.group is None:
        return f"counterfactual flip rate: {value}"
    return f"decided otherwise, {one.group} as {one.against}: {value} of {one.n:,.0f} rows"
