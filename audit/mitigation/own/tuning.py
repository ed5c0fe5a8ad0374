"""Fine-tuning: the model trained on everyone, tuned on the rows of the group, and used for the group."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
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
    scores,
)

ROWS_PER_PARAMETER = 10
"""With at least so many of the group's rows for each parameter all is fine-tuned, else the output."""


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
