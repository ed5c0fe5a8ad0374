"""Remedies of AIF360 under this project's protocol; it knows one group against all others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pandas as pd

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
)

_GROUP, _LABEL = "in the group", "label"
_UNDER, _OVER = [{_GROUP: 1.0}], [{_GROUP: 0.0}]
_RATES = {
    "true_positive_rate": "Equal opportunity difference",
    "false_negative_rate": "Equal opportunity difference",
    "selection_rate": "Statistical parity difference",
}

MOST_ROWS = {"prejudice-remover": 2_000}
"""Rows that a method is fitted on at most, for its time grows fast."""


def table(setting: Setting, matrix: pd.DataFrame, y: Ints, A: Names, score: Floats | None = None) -> Any:
    """AIF360's table of these rows; the group stands in a column of its own."""
    from aif360.datasets import BinaryLabelDataset

    frame = matrix.reset_index(drop=True).astype(float)
    frame.columns = [f"x{at}" for at in range(frame.shape[1])]
    frame[_GROUP] = setting.focal(A).astype(float)
    frame[_LABEL] = y.astype(float)
    made = BinaryLabelDataset(df=frame, label_names=[_LABEL], protected_attribute_names=[_GROUP])
    if score is not None:
        made.scores = score.reshape(-1, 1)
    return made


@dataclass
class Reweighed:
    """Weights by group and label that make the two independent, and the model fitted with them.

    Source: Kamiran and Calders, Knowledge and Information Systems 33 (2012).
    """

    setting: Setting
    chosen: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Weigh and fit."""
        from aif360.algorithms.preprocessing import Reweighing

        one = pd.DataFrame({"row": np.zeros(len(y))})
        weighed = Reweighing(_UNDER, _OVER).fit_transform(table(self.setting, one, y, A))
        self.model = fitted(self.setting.estimator, X, y, np.asarray(weighed.instance_weights))
        return self

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide at the setting's threshold."""
        return decide(self.model, X, self.setting.threshold)


@dataclass
class Learned:
    """LFR, prejudice remover and GerryFair: methods that bring a model of their own.

    Sources: Zemel and others, ICML 2013; Kamishima and others, ECML 2012; Kearns and others, ICML 2018.
    """

    setting: Setting
    method: str
    """lfr, prejudice-remover or gerryfair."""
    chosen: Any = None
    encode: Any = None
    scale: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Fit on rows drawn so that deciding at one half is deciding at the threshold."""
        from sklearn.preprocessing import StandardScaler

        self.encode, _ = numeric(self.setting, X)
        self.scale = StandardScaler().fit(self.encode(X))
        rows = at_even_cost(self.setting, y)[: MOST_ROWS.get(self.method)]
        made = table(self.setting, self._matrix(X).iloc[rows], y[rows], A[rows])
        self.model = self._new()
        options = {"maxiter": 200, "maxfun": 200} if self.method == "lfr" else {}
        with _own_python():
            self.model.fit(made, **options)
        return self

    def _new(self) -> Any:
        if self.method == "lfr":
            from aif360.algorithms.preprocessing import LFR

            return LFR(_UNDER, _OVER, k=5, verbose=0, seed=self.setting.seed)
        from aif360.algorithms import inprocessing

        if self.method == "prejudice-remover":
            return inprocessing.PrejudiceRemover(eta=5.0, sensitive_attr=_GROUP, class_attr=_LABEL)
        kind = "FN" if self.setting.metric in ("true_positive_rate", "false_negative_rate") else "FP"
        return inprocessing.GerryFairClassifier(
            C=10, printflag=False, max_iters=10, gamma=0.005, fairness_def=kind
        )

    def _matrix(self, X: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(self.scale.transform(self.encode(X)))

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide as the method does; two labels stand in for the unknown ones, which it does not read."""
        made = table(self.setting, self._matrix(X), np.arange(len(X)) % 2, A)
        with _own_python():
            found = (self.model.transform if self.method == "lfr" else self.model.predict)(made)
        labels = np.asarray(found.labels, dtype=float).reshape(-1)
        if len(labels) != len(X):
            raise CannotTryError(f"gave {len(labels)} decisions for {len(X)} rows")
        return (labels >= 0.5).astype(np.int64)


@contextmanager
def _own_python() -> Iterator[None]:
    """The prejudice remover's script run by this Python, silently, and not by whichever is on the path."""
    from aif360.algorithms.inprocessing import prejudice_remover

    before = prejudice_remover.subprocess

    def call(words: list[str], **_: Any) -> int:
        done = before.run([sys.executable, "-W", "ignore", *words[1:]], capture_output=True, check=False)
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no words"]
            raise CannotTryError(f"its script failed: {lines[-1]}")
        return 0

    prejudice_remover.subprocess = SimpleNamespace(call=call)
    try:
        yield
    finally:
        prejudice_remover.subprocess = before


@dataclass
class Repaired:
    """Each feature's distribution moved to the same in both groups, and the model fitted on that.

    Source: Feldman and others, KDD 2015.
    """

    setting: Setting
    chosen: Any = None
    encode: Any = None
    model: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Repair and fit."""
        self.encode, estimator = numeric(self.setting, X)
        self.model = fitted(estimator, self._repaired(X, A), y, w)
        return self

    def _repaired(self, X: pd.DataFrame, A: Names) -> pd.DataFrame:
        from aif360.algorithms.preprocessing import DisparateImpactRemover

        try:
            remover = DisparateImpactRemover(sensitive_attribute=_GROUP)
        except ImportError as error:
            raise CannotTryError("needs BlackBoxAuditing, which is not installed") from error
        made = remover.fit_transform(table(self.setting, self.encode(X), np.arange(len(X)) % 2, A))
        return pd.DataFrame(np.asarray(made.features)[:, :-1])

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide on repaired features."""
        return decide(self.model, self._repaired(X, A), self.setting.threshold)


@dataclass
class Adjusted:
    """Decisions changed after the model, by group: equalized odds, calibrated odds, reject option.

    Sources: Hardt, Price and Srebro, NeurIPS 2016; Pleiss and others, NeurIPS 2017; Kamiran, Karim and
    Zhang, ICDM 2012.
    """

    setting: Setting
    method: str
    """eq-odds, calibrated-eq-odds or reject-option."""
    chosen: Any = None
    model: Any = None
    post: Any = None

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Learn the changes on scores of rows that the scoring model had not seen."""
        held = inner_scores(self.setting, X, y, A)
        one = pd.DataFrame({"row": np.zeros(len(y))})
        truth = table(self.setting, one, y, A)
        self.post = self._new().fit(truth, self._given(held, A))
        self.model = fitted(self.setting.estimator, X, y, w)
        return self

    def _new(self) -> Any:
        from aif360.algorithms import postprocessing

        if self.method == "eq-odds":
            return postprocessing.EqOddsPostprocessing(_UNDER, _OVER, seed=self.setting.seed)
        if self.method == "calibrated-eq-odds":
            cost = {"true_positive_rate": "fnr", "false_negative_rate": "fnr", "false_positive_rate": "fpr"}
            return postprocessing.CalibratedEqOddsPostprocessing(
                _UNDER,
                _OVER,
                cost_constraint=cost.get(self.setting.metric, "weighted"),
                seed=self.setting.seed,
            )
        return postprocessing.RejectOptionClassification(
            _UNDER,
            _OVER,
            num_class_thresh=30,
            num_ROC_margin=15,
            metric_name=_RATES.get(self.setting.metric, "Average odds difference"),
        )

    def _given(self, score: Floats, A: Names) -> Any:
        decided = (score >= self.setting.threshold).astype(np.int64)
        one = pd.DataFrame({"row": np.zeros(len(score))})
        made = table(self.setting, one, np.arange(len(score)) % 2, A, score)
        made.labels = decided.astype(float).reshape(-1, 1)
        return made

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """Decide as the changes say; a random one is drawn with a fixed seed."""
        given = self._given(scores(self.model, X), A)
        found = self.post.predict(given)
        return (np.asarray(found.labels, dtype=float).reshape(-1) >= 0.5).astype(np.int64)
