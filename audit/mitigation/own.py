"""Remedies of this project: other rows, other weights, other features, another threshold, fine-tuning."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

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

WEAKEST_PROXY = 0.1
"""A feature stands for the group where its AUC for telling it apart is at least this far from one half."""
ROWS_PER_PARAMETER = 10
"""With at least so many of the group's rows for each parameter all is fine-tuned, else the output."""
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


@dataclass
class FineTune:
    """The model trained on everyone, then tuned on the group's rows, and used for the group.

    Its output parameters alone are tuned where the group is small, all of them where it has at
    least `ROWS_PER_PARAMETER` rows for each parameter. A pipeline's representation is all steps but
    the last; of a multi-layer perceptron, all layers but the output.
    """

    setting: Setting
    chosen: Any = None
    model: Any = None
    tuned: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Train on all rows, then tune on the group's."""
        focal = self.setting.focal(A)
        if len(np.unique(y[focal])) < 2:
            raise CannotTryError("the group's training rows have one label alone")
        self.model = fitted(self.setting.estimator, X, y, w)
        wanted = ROWS_PER_PARAMETER * parameters(self.model)
        enough = int(focal.sum()) >= wanted
        self.chosen = "all parameters" if enough else "output parameters"
        self.tuned = _tune(self.model, X[focal], y[focal], everything=enough)
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """The tuned model decides on the group's rows, the first one on all others."""
        found = decide(self.model, X, self.setting.threshold)
        focal = self.setting.focal(A)
        if focal.any():
            score = self.tuned(X[focal])
            found[focal] = (score >= self.setting.threshold).astype(np.int64)
        return found


def parameters(model: Any) -> int:
    """How many numbers the model's last step learned; CannotTryError where it holds no weights."""
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if isinstance(last, MLPClassifier):
        return sum(part.size for part in (*last.coefs_, *last.intercepts_))
    if hasattr(last, "coef_"):
        return int(np.size(last.coef_) + np.size(last.intercept_))
    raise CannotTryError(f"a {type(last).__name__} has no weights to go on from")


def _tune(model: Any, X: pd.DataFrame, y: Ints, *, everything: bool) -> Any:
    """A function from features to scores: the model tuned on these rows from the weights that it has."""
    steps = model[:-1] if isinstance(model, Pipeline) and len(model.steps) > 1 else None
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model

    def represent(rows: pd.DataFrame) -> Any:
        return rows if steps is None else steps.transform(rows)

    if isinstance(last, MLPClassifier):
        if everything:
            tuned = copy.deepcopy(last).set_params(warm_start=True, max_iter=50)
            tuned.fit(represent(X), y)
            return lambda rows: scores(tuned, represent(rows))
        head = LogisticRegression(max_iter=1000).fit(_hidden(last, represent(X)), y)
        return lambda rows: scores(head, _hidden(last, represent(rows)))
    if everything and isinstance(model, Pipeline):
        whole = clone(model).fit(X, y)
        return lambda rows: scores(whole, rows)
    head = clone(last).fit(represent(X), y)
    return lambda rows: scores(head, represent(rows))


def _hidden(network: MLPClassifier, X: Any) -> Floats:
    """What the network's last hidden layer makes of the rows."""
    bends: dict[str, Callable[[Floats], Floats]] = {
        "relu": lambda v: np.maximum(v, 0.0),
        "tanh": lambda v: np.tanh(v),
        "logistic": lambda v: 1 / (1 + np.exp(-v)),
        "identity": lambda v: v,
    }
    bend = bends[network.activation]
    found = np.asarray(X, dtype=float)
    for weights, shift in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        found = bend(found @ weights + shift)
    return found
