"""`harm-audit augment-check`: whether rows added by distortion are like the test rows."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import output, writing

if TYPE_CHECKING:
    from audit.analysis.augmentation import AugmentationCheck, GroupAugmentation

COLOURS = {"like the test rows": "green", "noise that is not there": "red"}
FEATURES = 5
"""Features in the listing; the JSON has them all."""


@click.command("augment-check", short_help="Say whether added rows are like the test rows.")
@click.argument("train", type=click.Path(path_type=Path))
@click.argument("added", type=click.Path(path_type=Path))
@click.argument("test", type=click.Path(path_type=Path))
@click.option("--feature", "features", multiple=True, help="A feature; repeat it. Default: all they share.")
@click.option("--group", help="Column of the group.")
@click.option("--source", help="Column of ADDED that names the training row it was made from.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the check as JSON to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the check as JSON.")
def command(train: Path, added: Path, test: Path, out: Path | None, as_json: bool, **options: Any) -> int:
    """Compare the ADDED rows with the TEST rows, each a CSV or Parquet file, and so the TRAIN rows.

    Noise that is added to training rows helps where the test rows have it too, and only there. A
    classifier is asked to tell the added rows from the test rows, per group.

    \b
    Example:
      harm-audit augment-check train.csv added.csv test.csv --group sex --source row
    """
    tables: Any = importlib.import_module("audit.analysis.tables")
    augmentation: Any = importlib.import_module("audit.analysis.augmentation")
    frames = [tables.as_table(path).to_pyarrow().to_pandas() for path in (train, added, test)]
    with output.progress("Comparing", quiet=as_json):
        found: AugmentationCheck = augmentation.check_augmentation(
            *frames, **{**options, "features": options["features"] or None}
        )
    if out is not None:
        writing.whole(out, codec.dumps(found))
    if as_json:
        output.echo_json(codec.to_plain(found))
        return 0
    for one in found.groups:
        _tell(one)
    if out is not None:
        output.echo(f"Check: {out}")
    return 0


def _tell(one: GroupAugmentation) -> None:
    verdict = output.style(one.verdict, fg=COLOURS.get(one.verdict))
    output.echo(f"{output.one_line(one.group)}: {verdict}")
    output.echo(output.paragraph(f"{one.why}.", indent="  "))
    for shift in one.features[:FEATURES]:
        output.echo(
            f"  {output.one_line(shift.feature, 40)}: {shift.added_to_test:.2f} from the test rows, "
            f"training rows {shift.train_to_test:.2f}; {shift.verdict}"
        )
