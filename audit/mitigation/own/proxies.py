"""Remedies for features that stand for the group: left out, or centred within each group."""

from __future__ import annotations

from dataclasses import dataclass, field
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
)
from audit.mitigation.own.fitting import Chosen

WEAKEST_PROXY = 0.1
"""A feature stands for the group where its AUC for telling it apart is at least this far from one half."""


def proxies(setting: Setting, X: pd.DataFrame, A: Names) -> list[tuple[str, float]]:
    """Features by how well each alone tells the group apart: (name, |AUC − ½|), the strongest first.

    Text is ordered by the group's share at each value.
    """
    focal, other = setting.focal(A), setting.compared(A)
    rows = focal | other
    marked = focal[rows]
    if marked.all() or not marked.any():
        return []
    found = []
    for name in X:
        column = X[name][rows]
        if not pd.api.types.is_numeric_dtype(column):
            text = column.astype(str)
            column = text.map(pd.Series(marked, index=text.index).groupby(text).mean())
        rank = column.fillna(column.median()).rank().to_numpy(dtype=float)
        n = int(marked.sum())
        auc = (rank[marked].sum() - n * (n + 1) / 2) / (n * (len(marked) - n))
        found.append((str(name), abs(float(auc) - 0.5)))
    return sorted(found, key=lambda one: -one[1])


def strongest(setting: Setting, X: pd.DataFrame, A: Names) -> list[str]:
    """The names of the features that stand for the group; CannotTryError where there are none."""
    ranked = proxies(setting, X, A)
    strong = [name for name, power in ranked if power >= WEAKEST_PROXY]
    if not strong:
        best = f"the strongest, {ranked[0][0]}, has an AUC of {0.5 + ranked[0][1]:.2f}" if ranked else "none"
        raise CannotTryError(f"no feature stands for the group ({best})")
    return strong


@dataclass
class DropProxies(Chosen):
    """The features that best tell the group apart are left out, and the model is fitted again."""

    options: tuple[Any, ...] = ()

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Find the proxies on the training rows, choose how many to leave out, fit without them."""
        strong = strongest(self.setting, X, A)
        most = min(len(strong), X.shape[1] - 1, 3)
        if most == 0:
            raise CannotTryError("there would be no feature left")
        self.options = tuple(tuple(strong[:size]) for size in range(1, most + 1))
        return super().fit(X, y, A, w)

    def apply(self, option: Any, X: pd.DataFrame, y: Ints, A: Names) -> Any:
        """Fit without these features; they are held at their median, so that any pipeline still runs."""
        held = {
            name: X[name].median() if pd.api.types.is_numeric_dtype(X[name]) else X[name].mode().iloc[0]
            for name in option
        }
        return held, fitted(self.setting.estimator, X.assign(**held), y)

    def ask(self, model: Any, X: pd.DataFrame) -> Ints:
        """Decide with those features held."""
        held, inner = model
        return decide(inner, X.assign(**held), self.setting.threshold)


@dataclass
class CentreProxies:
    """Each strong proxy less its group's mean, so that it tells rows apart within a group alone."""

    setting: Setting
    centres: dict[str, dict[str, float]] = field(default_factory=dict)
    chosen: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Learn each group's mean and fit on what is left."""
        strong = [n for n in strongest(self.setting, X, A) if pd.api.types.is_numeric_dtype(X[n])]
        if not strong:
            raise CannotTryError("what stands for the group is text, which has no mean to take away")
        self.chosen = tuple(strong)
        for name in strong:
            means = X[name].groupby(np.asarray(A, dtype=str)).mean()
            self.centres[name] = {"": float(X[name].mean()), **{str(k): float(v) for k, v in means.items()}}
        self.model = fitted(self.setting.estimator, self._centred(X, A), y, w)
        return self

    def _centred(self, X: pd.DataFrame, A: Names) -> pd.DataFrame:
        names = pd.Series(np.asarray(A, dtype=str), index=X.index)
        shifted = {
            column: X[column] - names.map(means).fillna(means[""]) for column, means in self.centres.items()
        }
        return X.assign(**shifted)

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide on the centred features; a group not seen before is centred at everyone's mean."""
        return decide(self.model, self._centred(X, A), self.setting.threshold)
