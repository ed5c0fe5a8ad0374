"""The audit's counts and rates once more, row by row in plain Python, with nothing shared."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
Table = dict[tuple[str | None, ...], dict[tuple[int | None, int | None], Fraction]]


def binary(value: Any, positive: Any) -> int | None:
    return None if value is None else int(value == positive)


def counts(
    rows: Iterable[Row], attributes: tuple[str, ...], *, positive: Any = 1, by: str | None = None
) -> Table:
    """Per group, label and prediction: rows, or the sum of the column `by`."""
    made: Table = defaultdict(lambda: defaultdict(Fraction))
    for row in rows:
        group = tuple(row[name] for name in attributes)
        cell = binary(row["y"], positive), binary(row["p"], positive)
        made[group][cell] += Fraction(1) if by is None else Fraction(row[by])
    return {group: dict(cells) for group, cells in made.items()}


def rate(
    cells: dict[tuple[int | None, int | None], Fraction], metric: str
) -> tuple[Fraction, Fraction] | None:
    """Numerator and denominator of a rate; None where labels exist only of the selected, or of the others."""
    known = {cell: n for cell, n in cells.items() if cell[1] is not None}
    tp, fn, fp, tn = (known.get(cell, Fraction(0)) for cell in ((1, 1), (1, 0), (0, 1), (0, 0)))
    for prediction, labelled in ((0, fn + tn), (1, tp + fp)):
        unlabelled = known.get((None, prediction), Fraction(0))
        if metric in ("true_positive_rate", "false_positive_rate", "accuracy") and unlabelled > 0 == labelled:
            return None
    return {
        "selection_rate": (
            sum((n for (_, p), n in known.items() if p == 1), Fraction(0)),
            sum(known.values()),
        ),
        "base_rate": (tp + fn, tp + fn + fp + tn),
        "true_positive_rate": (tp, tp + fn),
        "false_positive_rate": (fp, fp + tn),
        "positive_predictive_value": (tp, tp + fp),
        "accuracy": (tp + tn, tp + fn + fp + tn),
    }[metric]


RATES = (
    "selection_rate",
    "base_rate",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
    "accuracy",
)


def cut(number: float | None, bins: tuple[float, ...]) -> str | None:
    """The name of the left-closed bin."""
    if number is None:
        return None
    if number < bins[0]:
        return f"under {bins[0]:g}"
    for low, high in itertools.pairwise(bins):
        if low <= number < high:
            return f"{low:g} to under {high:g}"
    return f"{bins[-1]:g} and over"
