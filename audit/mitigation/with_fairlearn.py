"""Remedies of fairlearn under this project's protocol: reductions, thresholds, representations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from audit.mitigation.base import (
    CannotTryError,
    Floats,
    Ints,
    Names,
    Setting,
    at_even_cost,
    decide,
    fitted,
    inner_scores,
    numeric,
    scores,
    weight_name,
)

MOMENTS = {
    "demographic-parity": "DemographicParity",
    "equalized-odds": "EqualizedOdds",
    "true-positive-rate": "TruePositiveRateParity",
    "false-positive-rate": "FalsePositiveRateParity",
    "error-rate": "ErrorRateParity",
    "bounded-group-loss": "BoundedGroupLoss",
}
"""fairlearn's moments by the name that a remedy bears."""
BY_METRIC = {
    "selection_rate": "demographic-parity",
    "true_positive_rate": "true-positive-rate",
    "false_negative_rate": "true-positive-rate",
    "false_positive_rate": "false-positive-rate",
    "true_negative_rate": "false-positive-rate",
    "accuracy": "error-rate",
    "error_rate": "error-rate",
}
"""The moment that answers to a rate; of any other rate equalized odds."""
ROUNDS = {"gradient": 12, "grid": 13, "prototypes": 30}
"""How often a method fits, or steps, at most."""
_CONSTRAINTS = {
    "demographic-parity": "demographic_parity",
    "true-positive-rate": "true_positive_rate_parity",
    "false-positive-rate": "false_positive_rate_parity",
}


def moment_for(metric: str) -> str:
    """The moment that answers to a metric.

    >>> moment_for("true_positive_rate"), moment_for("positive_predictive_value")
    ('true-positive-rate', 'equalized-odds')
    """
    return BY_METRIC.get(metric, "equalized-odds")


@dataclass
class Reduction:
    """Exponentiated gradient or grid search over fits with costs that a constraint moves.

    Source: Agarwal, Beygelzimer, Dudík, Langford and Wallach, ICML 2018.
    """

    setting: Setting
    search: str
    """`gradient` or `grid`."""
    moment: str
    chosen: Any = None
    encode: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Fit under the constraint that the groups' rates lie near one another."""
        from fairlearn import reductions

        self.encode, estimator = numeric(self.setting, X)
        kind = getattr(reductions, MOMENTS[self.moment])
        if self.moment == "bounded-group-loss":
            kind = _bounded_loss(reductions)
        matrix, named = self.encode(X), weight_name(estimator)
        if self.search == "gradient" and self.moment != "bounded-group-loss":
            threshold = self.setting.threshold
            costs = {"fp": threshold, "fn": 1 - threshold}
            self.model = reductions.ExponentiatedGradient(
                estimator,
                kind(difference_bound=0.01),
                objective=reductions.ErrorRate(costs=costs),
                max_iter=ROUNDS["gradient"],
                sample_weight_name=named,
            )
            self.model.fit(matrix, y, sensitive_features=A)
            return self
        if self.search == "gradient":
            self.model = reductions.ExponentiatedGradient(
                estimator, kind(), max_iter=ROUNDS["gradient"], sample_weight_name=named
            )
        else:
            self.model = reductions.GridSearch(
                estimator, kind(), grid_size=ROUNDS["grid"], sample_weight_name=named
            )
        rows = at_even_cost(self.setting, y)
        self.model.fit(matrix.iloc[rows], y[rows], sensitive_features=A[rows])
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """The decisions; exponentiated gradient draws between its fits, here with a fixed seed."""
        matrix = self.encode(X)
        if self.search == "gradient":
            found = self.model.predict(matrix, random_state=self.setting.seed)
        else:
            found = self.model.predict(matrix)
        return (np.asarray(found, dtype=float) >= 0.5).astype(np.int64)


def _bounded_loss(reductions: Any) -> Any:
    def made(**_: Any) -> Any:
        return reductions.BoundedGroupLoss(reductions.ZeroOneLoss(), upper_bound=0.1)

    return made


@dataclass
class Thresholds:
    """A threshold for each group, some of them drawn, chosen so that a rate is equal.

    Source: Hardt, Price and Srebro, NeurIPS 2016.
    """

    setting: Setting
    chosen: Any = None
    model: Any = None
    post: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Choose the thresholds on scores of rows that the scoring model had not seen."""
        from fairlearn.postprocessing import ThresholdOptimizer

        held = inner_scores(self.setting, X, y, A)
        rows = at_even_cost(self.setting, y)
        self.post = ThresholdOptimizer(
            estimator=_Given().fit(None, None),
            constraints=_CONSTRAINTS.get(moment_for(self.setting.metric), "equalized_odds"),
            predict_method="predict_proba",
            prefit=True,
        )
        self.post.fit(held[rows].reshape(-1, 1), y[rows], sensitive_features=A[rows])
        self.model = fitted(self.setting.estimator, X, y, w)
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide at each group's threshold."""
        given = scores(self.model, X).reshape(-1, 1)
        found = self.post.predict(given, sensitive_features=A, random_state=self.setting.seed)
        return np.asarray(found).astype(np.int64)


class _Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scorer whose rows are scores already."""

    def fit(self, X: Any, y: Any) -> _Given:
        """Nothing to learn."""
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: Any) -> Floats:
        """The scores as the second of two columns."""
        second = np.asarray(X, dtype=float)[:, 0]
        return np.column_stack([1 - second, second])


@dataclass
class Decorrelated:
    """Features less what of them is linear in group membership, and the model fitted on the rest."""

    setting: Setting
    chosen: Any = None
    encode: Any = None
    remover: Any = None
    model: Any = None
    groups: list[str] = field(default_factory=list)

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Learn what is linear in the group, take it away, fit."""
        from fairlearn.preprocessing import CorrelationRemover

        self.encode, estimator = numeric(self.setting, X)
        self.groups = sorted(set(np.asarray(A, dtype=str)))[1:]
        self.remover = CorrelationRemover(sensitive_feature_ids=[f"group {n}" for n in self.groups])
        matrix = self.remover.fit_transform(self._with_groups(X, A))
        self.model = fitted(estimator, pd.DataFrame(matrix), y, w)
        return self

    def _with_groups(self, X: pd.DataFrame, A: Names) -> pd.DataFrame:
        names = np.asarray(A, dtype=str)
        members = {f"group {one}": (names == one).astype(float) for one in self.groups}
        made: pd.DataFrame = pd.concat([self.encode(X), pd.DataFrame(members)], axis=1)
        return made

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide on features from which the group's part was taken."""
        matrix = self.remover.transform(self._with_groups(X, A))
        return decide(self.model, pd.DataFrame(matrix), self.setting.threshold)


@dataclass
class Prototypes:
    """Rows told by their nearness to a few prototypes that each group is equally near to.

    Source: Zemel, Wu, Swersky, Pitassi and Dwork, ICML 2013.
    """

    setting: Setting
    chosen: Any = None
    encode: Any = None
    scale: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Learn the prototypes on at most 800 rows, for its time grows fast."""
        from sklearn.preprocessing import StandardScaler

        try:
            from fairlearn.preprocessing import PrototypeRepresentationLearner
        except ImportError as error:
            raise CannotTryError("this fairlearn has no prototypes; 0.13 has") from error
        self.encode, _ = numeric(self.setting, X)
        self.scale = StandardScaler().fit(self.encode(X))
        rows = np.random.default_rng(self.setting.seed).permutation(len(y))[:800]
        self.model = PrototypeRepresentationLearner(
            n_prototypes=4, max_iter=ROUNDS["prototypes"], random_state=self.setting.seed
        )
        matrix = self.scale.transform(self.encode(X))
        self.model.fit(matrix[rows], y[rows], sensitive_features=A[rows])
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide at the threshold on the score that the representation gives."""
        return decide(self.model, self.scale.transform(self.encode(X)), self.setting.threshold)
