"""Which rows got a label: coverage per group, and the metrics that selective labels leave unknown.

Where only the selected get a label (a loan that was refused is never repaid), nothing is known of
the others' truth: rates over a label (true positive rate, accuracy) cannot be told from such data,
however many rows there are, unless the chance of getting a label was logged. Rates over the
selected alone (positive predictive value) can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.monitor.baseline import Outcome
from audit.monitor.streams import Stream

SELECTIVE = 0.5
"""Labels are selective where one prediction's coverage is under this share of the other's."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Rows of a group at one prediction, and how many of them have a label."""

    attribute: str
    group: str | None
    prediction: int
    rows: int
    labelled: int

    @property
    def share(self) -> float | None:
        """The share with a label; None where there are no rows."""
        return self.labelled / self.rows if self.rows else None


def coverage(closed: Sequence[Outcome], attributes: Sequence[str]) -> tuple[Covered, ...]:
    """Coverage of the closed label cohorts, per attribute, group and prediction.

    >>> closed = [(1, ("F",), None, 1, 1, 8), (1, ("F",), None, None, 1, 2), (1, ("F",), None, None, 0, 5)]
    >>> [(c.prediction, c.share) for c in coverage(closed, ["sex"])]
    [(0, 0.0), (1, 0.8)]
    """
    found: dict[tuple[str, str | None, int], list[int]] = {}
    for _, group, _, label, yhat, n in closed:
        for attribute, value in zip(attributes, group, strict=True):
            counts = found.setdefault((attribute, value, yhat), [0, 0])
            counts[0] += n
            counts[1] += n * (label is not None)
    ordered = sorted(found.items(), key=lambda item: (item[0][0], str(item[0][1]), item[0][2]))
    return tuple(Covered(*key, *counts) for key, counts in ordered)


def not_identifiable(stream: Stream, covered: Sequence[Covered], *, logged: bool = False) -> str | None:
    """Why a stream's metric cannot be told from these labels; None where it can, or needs none.

    It needs labels of both predictions, and in its group or its reference they come for one prediction
    much less often than for the other. `logged`: the chance of a label is logged, and `covered` counts the
    thinned labels, which should be as frequent for either.
    """
    if not stream.needs_label or len({yhat for _, yhat in stream.denominator}) < 2:
        return None
    values = sorted({c.group for c in covered if c.attribute == stream.attribute}, key=str)
    for value in values:
        if value != stream.group and not (stream.comparison != "rate" and stream.other(value)):
            continue
        shares = {
            c.prediction: c.share for c in covered if (c.attribute, c.group) == (stream.attribute, value)
        }
        selected, refused = shares.get(1), shares.get(0)
        if selected is None or refused is None:
            continue
        if min(selected, refused) < SELECTIVE * max(selected, refused):
            return (
                f"not identifiable: in {stream.attribute}={value} labels came for {selected:.0%} of the "
                f"positive predictions and {refused:.0%} of the negative ones, and "
                + ("the logged chances do not say so" if logged else "how labels are chosen is not logged")
            )
    return None
