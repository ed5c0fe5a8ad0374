"""`harm-audit diagnose`: why a group's error is high, and what more rows would do about it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import output, writing
from audit.cli.estimator import open_estimator
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.analysis.data_needs import Need
    from audit.analysis.diagnostics import GroupDiagnosis
    from audit.analysis.disparity_split import DisparitySplit
    from audit.analysis.why import Why


@click.command("diagnose", short_help="Say why a group's error is high: bias, variance, mismatch, noise.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--label", required=True, help="Column of what really happened.")
@click.option("--prediction", required=True, help="Column of the decision.")
@click.option("--split", required=True, help="Column that says train, validation or test.")
@click.option("--group", help="Column of the group.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    help="The error that can be reached, as a human's: 0.05, or GROUP=0.08 for one group.",
)
@click.option("--margin", type=float, default=0.02, show_default=True, help="A part up to this is not high.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--model", help="MODULE:NAME of a scikit-learn model to refit; the module's code is run.")
@click.option("--feature", "features", multiple=True, help="A feature of the model; repeat it.")
@click.option("--bound", type=float, help="The gap in error that is allowed; for the rows that are needed.")
@click.option("--repeats", type=int, default=5, show_default=True, help="Repeats of each learning curve.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Fits at the same time.")
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Keep finished fits here and go on from them."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the diagnosis as JSON to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis as JSON.")
def command(source: Path, out: Path | None, as_json: bool, **options: Any) -> int:
    """Compare errors on train, validation and test rows of SOURCE with the error that can be reached.

    With --model the model is refitted: the gap between groups is split into noise, bias and
    variance, and learning curves say how many more rows of which group would close it.

    \b
    Example:
      harm-audit diagnose predictions.csv --label y --prediction p --split split --group sex --target 0.05
    """
    tables: Any = importlib.import_module("audit.analysis.tables")
    why: Any = importlib.import_module("audit.analysis.why")
    frame = tables.as_table(source).to_pyarrow().to_pandas()
    names = ("label", "prediction", "split", "group", "margin", "confidence")
    diagnosis = why.diagnose_predictions(
        frame, target=_targets(options["targets"]), **{name: options[name] for name in names}
    )
    found: Why = why.Why("1.0", diagnosis, None, None, ())
    if options["model"] is not None:
        found = why.Why("1.0", diagnosis, *_refit(why, frame, options, quiet=as_json))
    if out is not None:
        writing.whole(out, codec.dumps(found))
    if as_json:
        output.echo_json(codec.to_plain(found))
    else:
        _tell(found, out)
    return 0


def _targets(given: tuple[str, ...]) -> dict[str, float]:
    targets = {}
    for text in given:
        group, _, number = text.rpartition("=")
        try:
            targets[group or "everyone"] = float(number)
        except ValueError:
            raise UsageError(
                f"{text!r} is not an error rate", where="--target", hint="Write 0.05 or GROUP=0.08."
            ) from None
    return targets


def _refit(why: Any, frame: Any, options: dict[str, Any], *, quiet: bool) -> Any:
    if options["group"] is None or options["bound"] is None:
        raise UsageError("--model needs --group and --bound", hint="Add both, or leave --model out.")
    with output.progress("Fitting", quiet=quiet):
        return why.refit(
            open_estimator(options["model"]),
            frame,
            features=options["features"],
            label=options["label"],
            split=options["split"],
            group=options["group"],
            bound=options["bound"],
            confidence=options["confidence"],
            repeats=options["repeats"],
            cache=options["resume"],
            n_jobs=options["jobs"],
        )


def _tell(found: Why, out: Path | None) -> None:
    for one in found.diagnosis.groups:
        _tell_group(one)
    if found.split is not None:
        _tell_split(found.split)
    for need in found.needs:
        _tell_need(need)
    for failure in found.curves.failures if found.curves is not None else ():
        output.echo(f"A fit failed: {failure.varied}, {failure.fraction:g} of its rows: {failure.why}")
    if out is not None:
        output.echo(f"Diagnosis: {out}")


def _tell_group(one: GroupDiagnosis) -> None:
    named = ", ".join(f"high {name}" if name != "mismatch" else name for name in one.named)
    unsure = [part.name for part in one.parts if part.verdict == "cannot say"]
    verdict = named or (f"cannot say: {', '.join(unsure)}" if unsure else "nothing high")
    output.echo(output.style(f"{output.one_line(one.group)}: {verdict}", bold=True))
    errors = ", ".join(f"{e.split} {e.value:.3f} of {e.rows:,}" for e in one.errors if e.value is not None)
    output.echo(f"  errors: {errors or 'none'}; target {one.target:g}")
    for part in one.parts:
        if part.value is None:
            output.echo(f"  {part.name}: {part.why}")
        else:
            output.echo(
                f"  {part.name}: {part.value:+.3f} [{part.low:+.3f}, {part.high:+.3f}], {part.verdict}"
            )
    for advice in one.advice:
        output.echo(output.paragraph(advice, indent="  "))


def _tell_split(split: DisparitySplit) -> None:
    output.echo(
        output.style(f"Where the difference between groups comes from (noise {split.noise_is})", bold=True)
    )
    for one in split.groups:
        amounts = ", ".join(
            f"{part.part} {part.value:+.3f}" if part.value is not None else f"{part.part} {part.why}"
            for part in one.versus
        )
        cause = f"mostly {one.cause}. {one.remedy}" if one.cause else "not surely worse than the others"
        output.echo(output.paragraph(f"{one.group}: {amounts}; {cause}", first="  ", indent="    "))


def _tell_need(need: Need) -> None:
    rows = ""
    if need.rows_more:
        sure = f"{need.rows_more_sure:,}" if need.rows_more_sure is not None else "out of reach"
        rows = f" {need.rows_more:,} more rows; at {need.confidence:.0%} confidence {sure}."
    words = (
        f"{need.group} against {need.reference}, gap {need.gap:+.3f}, bound {need.bound:g}: "
        f"{need.verdict}.{rows} {need.why[0].upper()}{need.why[1:]}."
    )
    output.echo(output.paragraph(words, indent="  ", first=""))
