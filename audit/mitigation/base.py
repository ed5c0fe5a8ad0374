"""What every remedy is handed and gives back, and the small tools that they share."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Names = npt.NDArray[Any]
MOST_CATEGORIES = 20
"""Categories of a text feature that get a column of their own; the rarer ones share one."""
MOST_VALUES = 1_000
"""Text of more distinct values than this names rows and describes none: it is left out."""
INNER_FOLDS = 3


class CannotTryError(Exception):
    """A remedy does not apply to this data or model; its words are shown as its result."""


class Remedy(Protocol):
    """One way to change the decisions, fitted on labelled rows and asked about others."""

    def fit(self, X: pd.DataFrame, y: Ints, A: Names, w: Floats | None = None) -> Self:
        """Learn from features (n, …), labels 0 and 1 (n,), groups by name (n,) and weights (n,)."""
        ...

    def predict(self, X: pd.DataFrame, A: Names) -> Ints:
        """The decision, 0 or 1, on each row; `A` is read only where the remedy says that it needs it."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a trial is about: the model, its threshold, and the disparity that is to shrink."""

    estimator: Any
    """A scikit-learn classifier or pipeline, cloned before each fit."""
    threshold: float
    """A score from here on is a positive decision."""
    metric: str
    """The registry's name of the rate whose gap is to shrink."""
    group: str
    """The group at which the disparity was found."""
    reference: str | None
    """The group that it is compared with; None is all others."""
    seed: int = 0

    def focal(self, A: Names) -> npt.NDArray[np.bool_]:
        """Which rows are of the group."""
        marked: npt.NDArray[np.bool_] = np.asarray(A) == self.group
        return marked

    def compared(self, A: Names) -> npt.NDArray[np.bool_]:
        """Which rows the group is compared with."""
        names = np.asarray(A)
        marked: npt.NDArray[np.bool_] = (
            names != self.group if self.reference is None else names == self.reference
        )
        return marked


@dataclass(frozen=True)
class Encoder:
    """Features as a matrix of numbers: numbers as they are, text as a column a category."""

    columns: ColumnTransformer
    names: tuple[str, ...]

    @classmethod
    def of(cls, X: pd.DataFrame) -> Encoder:
        """Learned on these rows. CannotTryError where no feature can be used."""
        numbers = [str(name) for name in X if pd.api.types.is_numeric_dtype(X[name])]
        texts = [str(name) for name in X if str(name) not in numbers]
        used = [name for name in texts if X[name].nunique() <= MOST_VALUES]
        if not numbers and not used:
            raise CannotTryError("no feature is a number or has few enough values")
        known = OneHotEncoder(
            max_categories=MOST_CATEGORIES, handle_unknown="infrequent_if_exist", sparse_output=False
        )
        filled = SimpleImputer(strategy="constant", fill_value="(missing)")
        made = ColumnTransformer(
            [
                ("numbers", SimpleImputer(keep_empty_features=True), numbers),
                ("texts", make_pipeline(filled, known), used),
            ]
        )
        made.fit(_plain(X, used))
        names = tuple(str(name).split("__", 1)[-1] for name in made.get_feature_names_out())
        return cls(made, names)

    def __call__(self, X: pd.DataFrame) -> pd.DataFrame:
        """The matrix of these rows, its columns named."""
        texts = list(self.columns.transformers_[1][2])
        values = np.asarray(self.columns.transform(_plain(X, texts)), dtype=float)
        return pd.DataFrame(values, columns=list(self.names))


def _plain(X: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """Text columns as objects with None for what is missing, which the encoder reads in every version."""
    made = X.copy()
    for name in texts:
        column = made[name].astype(object)
        made[name] = column.where(column.notna(), "(missing)").astype(str).astype(object)
    return made


def default_estimator(X: pd.DataFrame) -> Pipeline:
    """A logistic regression on encoded features, for a trial that names no model."""
    return make_pipeline(Encoder.of(X).columns, StandardScaler(), LogisticRegression(max_iter=1000))


def numeric(setting: Setting, X: pd.DataFrame) -> tuple[Any, Any]:
    """(encoder, estimator) for methods that need numbers: the model as it is where all features are."""
    plain = all(pd.api.types.is_numeric_dtype(X[name]) for name in X)
    if plain and not X.isna().any().any():
        return (lambda rows: rows.reset_index(drop=True)), setting.estimator
    last = setting.estimator.steps[-1][1] if isinstance(setting.estimator, Pipeline) else setting.estimator
    return Encoder.of(X), make_pipeline(StandardScaler(), clone(last))


def weight_name(estimator: Any) -> str:
    """How the model's fit is handed weights."""
    return f"{estimator.steps[-1][0]}__sample_weight" if isinstance(estimator, Pipeline) else "sample_weight"


def fitted(estimator: Any, X: pd.DataFrame, y: Ints, w: Floats | None = None) -> Any:
    """A clone of the model, fitted. CannotTryError where it takes no weights and there are some."""
    made = clone(estimator)
    if w is None:
        return made.fit(X, y)
    try:
        return made.fit(X, y, **{weight_name(estimator): w})
    except TypeError as error:
        raise CannotTryError(f"the model takes no weights: {error}") from error


def scores(model: Any, X: Any) -> Floats:
    """The score of a positive decision, shape (n,). CannotTryError where the model gives none."""
    if not hasattr(model, "predict_proba"):
        raise CannotTryError("the model gives no probabilities, and this needs them")
    found = np.asarray(model.predict_proba(X), dtype=float)
    classes = [int(one) for one in model.classes_]
    if 1 not in classes:
        return np.zeros(len(found))
    column: Floats = found[:, classes.index(1)]
    return column


def decide(model: Any, X: Any, threshold: float) -> Ints:
    """Decisions at the threshold; of a model without probabilities, its own."""
    if hasattr(model, "predict_proba"):
        return (scores(model, X) >= threshold).astype(np.int64)
    return np.asarray(model.predict(X)).astype(np.int64)


def inner_scores(setting: Setting, X: pd.DataFrame, y: Ints, A: Names) -> Floats:
    """Scores of each training row by a model that was not fitted on it; for choosing thresholds."""
    found = np.zeros(len(y))
    for rest, part in inner_split(setting, y, A):
        model = fitted(setting.estimator, X.iloc[rest], y[rest])
        found[part] = scores(model, X.iloc[part])
    return found


def inner_split(setting: Setting, y: Ints, A: Names) -> Iterator[tuple[Ints, Ints]]:
    """The inner folds: (rows to fit on, rows to judge on), the focal group and the labels spread evenly."""
    key = 2 * setting.focal(A).astype(int) + y
    folds = StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=setting.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from folds.split(np.zeros(len(y)), key)


def at_even_cost(setting: Setting, y: Ints) -> Ints:
    """Rows drawn so that a method which decides at one half decides as at the threshold.

    Each row is kept in proportion to what a mistake on it costs: 1 − t for a positive, t for a
    negative. Source: Zadrozny, Langford and Abe, ICDM 2003 (cost-proportionate rejection sampling).
    """
    cost = np.where(y == 1, 1 - setting.threshold, setting.threshold)
    draw = np.random.default_rng(setting.seed).random(len(y))
    return np.flatnonzero(draw * cost.max() <= cost)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What libraries print, log and warn of while a remedy is fitted is dropped; errors are not."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
