"""What rates over labels to expect before the labels come: advice, never an alarm.

Within a group, labels are supposed to follow predictions as they did in the audit: P(label | prediction)
is the audit's, the predictions are live. So a change of who is selected shows at once, and a change of
what the labels mean (concept drift) cannot show at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.monitor.baseline import Outcome
from audit.monitor.streams import Stream
from audit.result import Cell

LEAST = 30
"""Rows of a group, in the audit at each prediction and live, below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A group's rate in the audit, and what to expect of the rows whose labels are still on their way."""

    metric: str
    attribute: str
    group: str | None
    audited: float
    expected: float
    rows: int
    """Live rows that await labels."""


def advise(
    streams: Sequence[Stream], cells: Sequence[Cell], waiting: Sequence[Outcome], attributes: Sequence[str]
) -> tuple[Advice, ...]:
    """For each audited group's rate over labels, the expected value among the rows of `waiting`.

    Left out: rates within one prediction (predictive values), for which the supposition is the answer,
    and groups with too few rows. `waiting` are outcomes of windows closed for predictions alone.
    """
    made = []
    for stream in streams:
        if stream.reference != "baseline" or not stream.needs_label:
            continue
        if len({yhat for _, yhat in stream.denominator}) < 2:
            continue
        live = _live(stream, waiting, attributes)
        chance = _chance(stream, cells)
        if sum(live.values()) < LEAST or chance is None:
            continue
        expected = _rate(stream, {(y, p): live[p] * chance[y, p] for y, p in chance})
        audited = _rate(stream, _counts(stream, cells))
        if expected is not None and audited is not None:
            place = (stream.metric, stream.attribute, stream.group)
            made.append(Advice(*place, audited, expected, sum(live.values())))
    return tuple(made)


def _live(stream: Stream, waiting: Sequence[Outcome], attributes: Sequence[str]) -> dict[int, int]:
    place = attributes.index(stream.attribute)
    found = {0: 0, 1: 0}
    for _, group, _, _, yhat, n in waiting:
        if group[place] == stream.group:
            found[yhat] += n
    return found


def _counts(stream: Stream, cells: Sequence[Cell]) -> dict[tuple[int, int], float]:
    """Labelled rows of the group in the audit, by label and prediction."""
    groupings = sorted(
        {c.grouping for c in cells if stream.attribute in c.grouping}, key=lambda g: (len(g), g)
    )
    found = {(y, p): 0.0 for y in (0, 1) for p in (0, 1)}
    for cell in cells:
        if not groupings or cell.grouping != groupings[0] or cell.label is None or cell.prediction is None:
            continue
        if cell.group[cell.grouping.index(stream.attribute)] == stream.group:
            found[cell.label, cell.prediction] += cell.n
    return found


def _chance(stream: Stream, cells: Sequence[Cell]) -> dict[tuple[int, int], float] | None:
    """P(label | prediction) of the group in the audit; None where a prediction has too few rows."""
    counts = _counts(stream, cells)
    total = {p: counts[0, p] + counts[1, p] for p in (0, 1)}
    if min(total.values()) < LEAST:
        return None
    return {(y, p): n / total[p] for (y, p), n in counts.items()}


def _rate(stream: Stream, counts: dict[tuple[int, int], float]) -> float | None:
    rows = sum(n for kind, n in counts.items() if kind in stream.denominator)
    return sum(n for kind, n in counts.items() if kind in stream.numerator) / rows if rows else None
