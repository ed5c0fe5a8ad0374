"""Sums of labels, predictions and residuals by group, as the regression family's formulas read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.engine.cells import Array, Cells
from audit.engine.groups import Floats, exact_sum, place
from audit.engine.sums import BUCKETS
from audit.engine.tasks.products import EXPOSURES, ONE, PRODUCTS, RESIDUALS, UNIT, VALUES
from audit.result import Group


@dataclass(frozen=True)
class Moments:
    """Sums by group, of rows with a label and (`whole`) of all rows; shape (G,), or (G, B) by bucket.

    `known` and `whole` hold integer sums by name, with the prefixes of the weights; `units` what one of
    them is worth; `low` and `high` the extremes of label and prediction.
    """

    groups: tuple[Group, ...]
    known: dict[str, Array]
    whole: dict[str, Array]
    units: dict[str, float]
    extremes: dict[str, Floats]
    buckets: dict[str, Floats] | None
    weighted: bool

    def __len__(self) -> int:
        return len(self.groups)

    def rest(self) -> Moments:
        """For each group all the others together."""
        known, whole = ({k: v.sum() - v for k, v in part.items()} for part in (self.known, self.whole))
        buckets = None if self.buckets is None else {k: v.sum(axis=0) - v for k, v in self.buckets.items()}
        extremes = {name: _others(name, values) for name, values in self.extremes.items()}
        return Moments(self.groups, known, whole, self.units, extremes, buckets, self.weighted)

    def sum(self, name: str, prefix: str | None = None, *, of_all: bool = False) -> Floats:
        """A sum in the values' own units: weighted where there are weights, else by `prefix` (v_: by w²)."""
        chosen = ("w_" if self.weighted else "") if prefix is None else prefix
        held = self.whole if of_all else self.known
        if name == ONE and chosen == "":
            return np.asarray(held["n"].astype(np.float64))
        return np.asarray(held[chosen + name].astype(np.float64) * self.units[chosen + name])

    def rows(self, *, of_all: bool = False) -> Floats:
        """Rows, unweighted."""
        return np.asarray((self.whole if of_all else self.known)["n"].astype(np.float64))

    def squares(self, name: str, *, of_all: bool = False) -> Floats:
        """The sum under squared weights; without weights the sum."""
        return self.sum(name, "v_" if self.weighted else "", of_all=of_all)


def _others(name: str, values: Floats) -> Floats:
    """For each group the extreme over all the others."""
    if len(values) < 2:
        return np.full(len(values), np.nan)
    low = name.endswith("low")
    order = np.sort(values) if low else -np.sort(-values)
    return np.asarray(np.where(values == order[0], order[1], order[0]))


def tabulate_moments(cells: Cells, grouping: tuple[str, ...], scales: dict[str, int]) -> Moments:
    """Sum the cells by group."""
    index, groups = place(cells, grouping)
    size = len(groups)
    labelled = cells.keys["label"] >= 0
    names = [name for name in cells.sums if name == "n" or _product(name)]
    known = {
        name: exact_sum(cells.sums[name][labelled], index[labelled], size).astype(object) for name in names
    }
    whole = {name: exact_sum(cells.sums[name], index, size).astype(object) for name in names}
    units = {name: _unit(name, scales) for name in names if name != "n"}
    extremes: dict[str, Floats] = {}
    for name in ("y_low", "y_high", "p_low", "p_high"):
        if name in cells.sums:
            low = name.endswith("low")
            extremes[name] = np.full(size, np.inf if low else -np.inf)
            (np.minimum if low else np.maximum).at(extremes[name], index, cells.sums[name].astype(np.float64))
    weighted = f"w_{ONE}" in cells.sums
    buckets = _buckets(cells, index, size, units, weighted=weighted) if "bucket" in cells.keys else None
    return Moments(groups, known, whole, units, extremes, buckets, weighted)


def _buckets(
    cells: Cells, index: Array, size: int, units: dict[str, float], *, weighted: bool
) -> dict[str, Floats]:
    """The sums by group and cluster bucket: of labelled rows by name, of all rows with the suffix `+`."""
    flat = index * BUCKETS + cells.keys["bucket"]
    labelled = cells.keys["label"] >= 0
    prefix = "w_" if weighted else ""
    names = {name: prefix + name for name in PRODUCTS if prefix + name in cells.sums}
    names[ONE] = prefix + ONE if weighted else "n"
    found = {}
    for name, held in names.items():
        values = cells.sums[held].astype(np.float64) * units.get(held, 1.0)
        for suffix, chosen in (("", labelled), ("+", np.ones(len(cells), dtype=bool))):
            summed = np.bincount(flat[chosen], weights=values[chosen], minlength=size * BUCKETS)
            found[name + suffix] = summed.astype(np.float64).reshape(size, BUCKETS)
    return found


def _product(name: str) -> str | None:
    plain = name[2:] if name[:2] in ("w_", "v_") else name
    return plain if plain in PRODUCTS else None


def _unit(name: str, scales: dict[str, int]) -> float:
    product = _product(name) or name
    exponent = (
        VALUES.get(product, 0) * scales["value"]
        + RESIDUALS.get(product, 0) * scales["residual"]
        + EXPOSURES.get(product, 0) * scales["exposure"]
        + {"w_": 1, "v_": 2}.get(name[:2], 0) * scales["weight"]
    )
    return float(2.0**exponent / UNIT)
