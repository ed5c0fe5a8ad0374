"""Metrics that are a distance of a group's distribution from another's, by bins or by classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.engine.cells import Cells
from audit.engine.distances import between
from audit.engine.groups import Floats, Index, exact_sum, place, scaled_sum
from audit.engine.metrics.sample import Arguments, Sample
from audit.result import Spread as ResultSpread

if TYPE_CHECKING:
    from audit.engine.tables import Tables

DISTANCES = {
    "prediction_ks": "ks",
    "prediction_wasserstein": "wasserstein",
    "parity_at_quantiles": "ks",
    "prediction_total_variation": "total_variation",
}
"""The kind of norm that each metric is."""
QUANTILES = np.arange(1, 10) / 10
"""Where parity at quantiles looks: at each tenth of all predictions."""
SPREAD = (0.05, 0.25, 0.5, 0.75, 0.95)
_ALONE = "a distance is between groups"


@dataclass(frozen=True)
class Distribution(Sample):
    """Shares over K bins by group, (G, K), and where the bins lie; `value` is the distance from the rest.

    `size` is effective rows, `mass` rows or the sum of their weights.
    """

    parts: Floats
    size: Floats
    mass: Floats
    at: Floats
    kind: str

    @property
    def effective(self) -> Floats:
        return np.minimum(self.n, self.size)

    def _gone(self, flags: Any) -> dict[str, Any]:
        return {"size": np.where(flags, 0.0, self.size)}

    def take(self, index: Index) -> Distribution:
        why = tuple(self.why[i] for i in index)
        parts, size, mass = (part[index] for part in (self.parts, self.size, self.mass))
        return Distribution(self.value[index], self.n[index], why, parts, size, mass, self.at, self.kind)

    def compared(self, reference: Distribution, share: Floats, comparison: str) -> Floats:
        found = [
            between(self.parts[i], reference.parts[i], 0, 0, self.kind, self.at).value
            if self._both(reference, i)
            else np.nan
            for i in range(len(self))
        ]
        return np.asarray((1 - share) * np.array(found, dtype=float))

    def _both(self, reference: Distribution, index: int) -> bool:
        return bool(self.n[index] > 0 and reference.n[index] > 0)

    def versus(self, reference: Distribution, share: Floats, comparison: str) -> Arguments:
        rows = []
        for i in range(len(self)):
            if not self._both(reference, i):
                rows.append((np.nan,) * 4)
                continue
            found = between(
                self.parts[i], reference.parts[i], self.size[i], reference.size[i], self.kind, self.at
            )
            part = 1 - share[i]
            rows.append((part * found.value, part * found.wide, part * found.narrow, part * found.sigma))
        columns = np.array(rows, dtype=float).reshape(len(self), 4).T
        return "distance", tuple(columns)


def of_predictions(name: str, tables: Tables, grouping: tuple[str, ...], side: str) -> Distribution:
    """A distance between the groups' predicted numbers, from the histogram."""
    cells = tables.cells(grouping, "histogram")
    table: tuple[Floats, Floats, Floats, Floats] = tables.cached(
        ("histogram", grouping), lambda: _histogram(cells, grouping)
    )
    if name == "parity_at_quantiles":
        table = tables.cached(("quantiles", grouping), lambda: _at_quantiles(table))
    return distribution(table, DISTANCES[name], side)


Table = tuple[Floats, Floats, Floats, Floats]
"""Rows, weights and squared weights by (group, bin), and where the bins lie."""


def distribution(table: Table, kind: str, side: str) -> Distribution:
    """The sample of a distance; `value` is each group's distance from all the others together."""
    n, w, w2, at = table
    others = (n.sum(axis=0) - n, w.sum(axis=0) - w, w2.sum(axis=0) - w2)
    mine, theirs = _shares(n, w, w2), _shares(*others)
    if side == "rest":
        mine, theirs = theirs, mine
    found = np.array([
        between(mine[0][i], theirs[0][i], 0, 0, kind, at).value if mine[2][i] and theirs[2][i] else np.nan
        for i in range(len(n))
    ])  # fmt: skip
    why = tuple(
        "no row with a prediction" if not rows else _ALONE if not other else None
        for rows, other in zip(mine[2], theirs[2], strict=True)
    )
    mass = others[1].sum(axis=1) if side == "rest" else w.sum(axis=1)
    return Distribution(found, mine[2], why, mine[0], mine[1], mass, at, kind)


def _shares(n: Floats, w: Floats, w2: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares by bin, effective rows, and rows."""
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = w / np.where(total > 0, total, np.nan)[:, None]
        size = np.where(total > 0, total**2 / w2.sum(axis=1), 0.0)
    return np.nan_to_num(shares), size, n.sum(axis=1)


def spreads(tables: Tables) -> tuple[ResultSpread, ...]:
    """Quantiles of the predictions, of everyone and each attribute's groups; a bin stands for its middle."""
    made: list[ResultSpread] = []
    singles = [grouping for grouping in tables.groupings if len(grouping) == 1]
    drawn = tables.task == "regression" and tables.counts.histogram
    for grouping in ((), *singles) if drawn else ():
        cells = tables.cells(grouping, "histogram")
        groups = place(cells, grouping)[1]
        n, w, _, at = _histogram(cells, grouping)
        for index, group in enumerate(groups):
            level = np.cumsum(w[index])
            ends = [int(np.searchsorted(level, q * level[-1] * (1 - 1e-12))) for q in SPREAD]
            quantiles = tuple(float(at[min(end, len(at) - 1)]) for end in ends)
            made.append(ResultSpread(grouping, group, float(n[index].sum()), quantiles))
    return tuple(made)


def _histogram(cells: Cells, grouping: tuple[str, ...]) -> Table:
    index, groups = place(cells, grouping)
    bins, column = np.unique(cells.keys["bin"], return_inverse=True)
    low, high = np.full(len(bins), np.inf), np.full(len(bins), -np.inf)
    np.minimum.at(low, column, cells.sums["low"].astype(np.float64))
    np.maximum.at(high, column, cells.sums["high"].astype(np.float64))
    return tabulated(cells, index, column, (len(groups), len(bins)), (low + high) / 2)


def tabulated(cells: Cells, index: Index, column: Index, shape: tuple[int, int], at: Floats) -> Table:
    """Rows and weights by group and bin."""
    flat, size = index * shape[1] + column, shape[0] * shape[1]
    n = exact_sum(cells.sums["n"], flat, size).astype(np.float64).reshape(shape)
    if "w" not in cells.sums:
        return n, n, n, at
    w, w2 = (scaled_sum(cells.sums[name], flat, size).reshape(shape) for name in ("w", "w2"))
    return n, w, w2, at


def _at_quantiles(table: Table) -> Table:
    """The bins put together between the tenths of all predictions."""
    n, w, w2, at = table
    everyone = w.sum(axis=0)
    level = np.cumsum(everyone) / everyone.sum()
    ends = np.unique([min(int(np.searchsorted(level, q - 1e-12)), len(at) - 1) for q in QUANTILES])
    starts = np.unique(np.concatenate([[0], ends[ends < len(at) - 1] + 1])).astype(np.int64)
    merge: Callable[[Floats], Floats] = lambda part: np.add.reduceat(part, starts, axis=-1)  # noqa: E731
    return merge(n), merge(w), merge(w2), at[starts]
