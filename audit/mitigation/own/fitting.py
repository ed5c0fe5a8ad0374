"""Remedies of this project: the model fitted again, other rows, other weights, another threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from audit.mitigation.base import (
    CannotTryError,
    Floats,
    Ints,
    Names,
    Setting,
    decide,
    fitted,
    inner_scores,
    inner_split,
    scores,
)
from audit.registry import Mask, metrics

LARGEST_LOSS = 0.02
"""Accuracy that choosing between options may cost on the inner folds."""


def inner_gap(setting: Setting, y: Ints, decisions: Ints, A: Names) -> float:
    """The gap in the target's rate between the group and the others; infinite where undefined."""
    metric = metrics()[setting.metric]
    rates = []
    for rows in (setting.focal(A), setting.compared(A)):
        counts = np.bincount(2 * y[rows] + decisions[rows], minlength=4)
        asked, hit = (
            sum(int(counts[place]) for place in _places(cells))
            for cells in (metric.denominator, metric.numerator)
        )
        if not asked:
            return float("inf")
        rates.append(hit / asked)
    return abs(rates[0] - rates[1])


def _places(cells: Mask | None) -> list[int]:
    """Where the known (label, decision) pairs of a set stand among counts by 2·label + decision."""
    known = cells or frozenset()
    return [2 * label + decision for label, decision in known if label is not None and decision is not None]


@dataclass
class Retrain:
    """The model fitted again, and nothing else: what every remedy that refits is measured against."""

    setting: Setting
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Fit the model."""
        self.model = fitted(self.setting.estimator, X, y, w)
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide at the setting's threshold."""
        return decide(self.model, X, self.setting.threshold)


@dataclass
class Chosen:
    """A remedy with a few options, of which the inner folds choose: the smallest gap at little cost."""

    setting: Setting
    options: tuple[Any, ...] = ()
    chosen: Any = None
    model: Any = None

    def apply(self, option: Any, X: pd.DataFrame, y: Ints, A: Names) -> Any:
        """A model fitted under one option."""
        raise NotImplementedError

    def ask(self, model: Any, X: pd.DataFrame) -> Ints:
        """The decisions of such a model."""
        return decide(model, X, self.setting.threshold)

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Choose on the inner folds, then fit on all rows."""
        if len(self.options) > 1:
            self.chosen = self._choose(X, y, A)
        else:
            self.chosen = self.options[0]
        self.model = self.apply(self.chosen, X, y, A)
        return self

    def _choose(self, X: pd.DataFrame, y: Ints, A: Names) -> Any:
        found = {at: np.zeros(len(y), dtype=np.int64) for at in range(len(self.options))}
        for rest, part in inner_split(self.setting, y, A):
            for at, option in enumerate(self.options):
                model = self.apply(option, X.iloc[rest], y[rest], A[rest])
                found[at][part] = self.ask(model, X.iloc[part])
        return self.options[_best(self.setting, y, A, found)]

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """The decisions of the option that was chosen."""
        return self.ask(self.model, X)


def _best(setting: Setting, y: Ints, A: Names, found: dict[int, Ints]) -> int:
    """Of several decisions on the same rows that with the smallest gap among those that cost little."""
    right = {at: float((decisions == y).mean()) for at, decisions in found.items()}
    cheap = [at for at in found if right[at] >= max(right.values()) - LARGEST_LOSS]
    return min(cheap, key=lambda at: (inner_gap(setting, y, found[at], A), -right[at]))


@dataclass
class Resample(Chosen):
    """Rows of the group drawn again: as many as wanted, its share of positive labels as the others' is."""

    options: tuple[Any, ...] = (1, 2, 4)

    def apply(self, option: Any, X: pd.DataFrame, y: Ints, A: Names) -> Any:
        """Fit on all other rows and `option` times the group's, its labels in the others' proportion."""
        focal, other = self.setting.focal(A), self.setting.compared(A)
        if not focal.any() or not other.any():
            raise CannotTryError("the group, or whom it is compared with, has no training rows")
        rng = np.random.default_rng(self.setting.seed)
        rows, share = int(option * focal.sum()), float(y[other].mean())
        drawn = [np.flatnonzero(~focal)]
        for label, part in ((1, share), (0, 1 - share)):
            pool = np.flatnonzero(focal & (y == label))
            if not len(pool):
                raise CannotTryError(f"the group has no training row with label {label}")
            drawn.append(rng.choice(pool, size=max(1, round(rows * part)), replace=True))
        index = np.sort(np.concatenate(drawn))
        return fitted(self.setting.estimator, X.iloc[index], y[index])


@dataclass
class GroupWeights(Chosen):
    """The group's rows count more in the fit."""

    options: tuple[Any, ...] = (2.0, 4.0, 8.0)

    def apply(self, option: Any, X: pd.DataFrame, y: Ints, A: Names) -> Any:
        """Fit with the group's rows weighted `option` times."""
        return fitted(self.setting.estimator, X, y, np.where(self.setting.focal(A), option, 1.0))


@dataclass
class OneThreshold:
    """One threshold for all, moved to where the gap is smallest at little cost in accuracy."""

    setting: Setting
    chosen: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Choose the threshold on scores of rows that the scoring model had not seen."""
        held = inner_scores(self.setting, X, y, A)
        steps = np.unique(np.quantile(held, np.linspace(0.02, 0.98, 49)).round(6))
        found = {at: (held >= step).astype(np.int64) for at, step in enumerate(steps)}
        self.chosen = float(steps[_best(self.setting, y, A, found)])
        self.model = fitted(self.setting.estimator, X, y, w)
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide at the threshold that was chosen."""
        found: Ints = (scores(self.model, X) >= self.chosen).astype(np.int64)
        return found
