"""What the audit found of a metric in each group: what live rows are held against, with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.monitor.evidence import rate_limits
from audit.monitor.scores import ScoreWatch, audited_rows, sampling_limit
from audit.registry import Metric
from audit.result import Attribute, AuditResult, Cell


@dataclass(frozen=True, slots=True)
class Counted:
    """A share of rows, counted."""

    good: int
    rows: int

    @property
    def value(self) -> float:
        """The share; −1 where there are no rows."""
        return self.good / self.rows if self.rows else -1.0

    def limits(self, level: float) -> tuple[float, float]:
        """Clopper–Pearson, both sides together wrong with probability at most `level`."""
        low, high = rate_limits(self.good, self.rows, level / 2)
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of scores in [0, 1]."""

    value: float
    rows: int

    def limits(self, level: float) -> tuple[float, float]:
        """Hoeffding's, both sides together wrong with probability at most `level`."""
        half = sampling_limit(self.rows, level)
        return max(0.0, self.value - half), min(1.0, self.value + half)


@dataclass(frozen=True, slots=True)
class Shares:
    """A distribution: the share of rows above each cut."""

    above: tuple[float, ...]
    rows: int

    def limits(self, level: float) -> tuple[float, float]:
        """How far the true shares may lie from these, at any cut: (0, the bound of `sampling_limit`)."""
        return 0.0, min(1.0, sampling_limit(self.rows, level))


Base = Counted | Mean | Shares


@dataclass(frozen=True)
class Audited:
    """One metric's figures per value of one attribute."""

    rows: dict[str | None, int]
    """Rows that the metric looks at: they settle how blocks are made."""
    bases: dict[str | None, Base]
    why: str = ""
    """Why a group has no figure."""

    def value(self, group: str) -> float:
        """The audited figure, for the choice of the best; −1 where there is none."""
        base = self.bases.get(group)
        return -1.0 if base is None or isinstance(base, Shares) else base.value


def audited(result: AuditResult, attribute: Attribute, metric: Metric, scores: ScoreWatch | None) -> Audited:
    """The figures of one metric in the groups of one attribute."""
    if metric.denominator is None:
        return _of_scores(result, attribute, metric, scores)
    counts = dict.fromkeys(attribute.values, (0, 0))
    for cell in cells_of(result.cells, attribute.name):
        value = cell.group[cell.grouping.index(attribute.name)]
        good, rows = counts.get(value, (0, 0))
        place = (cell.label, cell.prediction)
        rows += cell.n * (place in metric.denominator)
        good += cell.n * (place in (metric.numerator or ()))
        counts[value] = (good, rows)
    return Audited({v: rows for v, (_, rows) in counts.items()}, {v: Counted(*c) for v, c in counts.items()})


def cells_of(cells: Sequence[Cell], attribute: str) -> list[Cell]:
    """The cells of one grouping that holds the attribute: each row is in exactly one of them."""
    groupings = sorted(
        {cell.grouping for cell in cells if attribute in cell.grouping}, key=lambda g: (len(g), g)
    )
    return [cell for cell in cells if groupings and cell.grouping == groupings[0]]


def _of_scores(
    result: AuditResult, attribute: Attribute, metric: Metric, scores: ScoreWatch | None
) -> Audited:
    size = dict(zip(attribute.values, attribute.rows, strict=True))
    if scores is None:
        return Audited(size, {}, "scores are not watched")
    if result.data.weights is not None:
        return Audited(size, {}, "the audit weighs its rows, so that their sampling error is not known")
    if metric.name == "mean_score":
        means: dict[str | None, Base] = {
            e.group[0]: Mean(e.value, int(e.n))
            for e in result.estimates
            if (e.metric, e.grouping) == (metric.name, (attribute.name,)) and e.value is not None and e.n
        }
        return Audited(size, means, "the audit has no mean score of them")
    found = audited_rows(result, scores, attribute.name)
    bases: dict[str | None, Base] = {}
    for value, (rows, above) in found.items():
        if metric.name == "scoring_rate":
            bases[value] = Counted(above[scores.middle], rows)
        else:
            bases[value] = Shares(tuple(n / rows for n in above), rows)
    return Audited(size, bases, "the audit keeps the scores of its fifty largest groups of an attribute")
