"""A group's error split into noise, bias and variance, and the disparity between groups likewise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.analysis.curves import Progress, Rows
from audit.analysis.diagnostics import group_names
from audit.errors import DataError, UsageError

PARTS = ("noise", "bias", "variance")
REMEDY = {
    "noise": "Better labels, or features that tell apart what now looks alike; more rows will not help.",
    "bias": "A model or features that can express what holds in this group; more rows will not help.",
    "variance": "More rows of this group, or stronger regularisation.",
}
_FEWEST = 20
"""Test rows of a group below which its parts are not estimated."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One part of an error, or of a difference between errors; `why` is set exactly where value is None."""

    part: str
    value: float | None
    low: float | None
    high: float | None
    why: str | None


@dataclass(frozen=True, slots=True)
class GroupSplit:
    """One group's error and its parts; `versus` are the parts less those of all other rows."""

    group: str
    test_rows: int
    error: float | None
    parts: tuple[Amount, ...]
    versus: tuple[Amount, ...]
    cause: str | None
    """The part that makes this group's error surely higher than the others', the largest if several."""
    remedy: str | None


@dataclass(frozen=True, slots=True)
class DisparitySplit:
    """The parts for each group; noise is an upper limit and bias a lower one, unless noise was given."""

    schema_version: str
    confidence: float
    refits: int
    noise_is: str
    """`given`, or `at most`: the smallest error of any model that was tried."""
    groups: tuple[GroupSplit, ...]

    def of(self, group: str) -> GroupSplit:
        """One group's parts; KeyError where there is none."""
        return next(one for one in self.groups if one.group == group)


def split_disparity(
    estimator: Any,
    train: Rows,
    test: Rows,
    *,
    best: npt.ArrayLike | None = None,
    refits: int = 30,
    confidence: float = 0.95,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> DisparitySplit:
    """error = noise + bias + variance, per group, exactly as the rows have it.

    The model is refitted on `refits` bootstrap samples of the training rows; its main prediction is
    what most of them say. Variance is the mean error of the refits less that of the main prediction;
    noise is the error of the best possible prediction, bias the rest. `best` (test rows,) is that
    best prediction where it is known. Otherwise noise is at most the smallest cross-validated error,
    on that group, among several flexible models and the main prediction; bias is then at least what
    is left. Bias that none of those models can mend counts as noise.
    Errors: UsageError for fewer than 10 refits; DataError where the model fails on a sample.
    Source: Chen, Johansson and Sontag, NeurIPS 2018; the exact sum is James, Machine Learning 51 (2003).
    """
    if refits < 10:
        raise UsageError(
            f"{refits} refits say little of variance", where="refits", hint="Ask for 10 or more."
        )
    if not 0.5 < confidence < 1:
        raise UsageError(f"the confidence {confidence:g} is outside (0.5, 1)", where="confidence")
    predictions = _refits(estimator, train, test, refits, seed, n_jobs, progress)
    labels = np.unique(np.concatenate([train.y, test.y]))
    votes = np.stack([(predictions == label).sum(axis=0) for label in labels])
    main = labels[np.argmax(votes, axis=0)]
    candidates = [main] if best is not None else [main, *_reference_predictions(train, test, seed)]
    average = (predictions != test.y).mean(axis=0)
    rows: dict[str, npt.NDArray[np.float64]] = {}
    for name in group_names(test.group):
        inside = test.group == name
        chosen = np.asarray(best) if best is not None else _least_wrong(candidates, test.y, inside)
        noise = (chosen != test.y)[inside].astype(float)
        wrong_main = (main != test.y)[inside].astype(float)
        rows[name] = np.column_stack([noise, wrong_main - noise, average[inside] - wrong_main])
    z = float(stats.norm.isf((1 - confidence) / 2))
    kind = "at most" if best is None else "given"
    groups = tuple(_group(name, rows, z) for name in rows)
    return DisparitySplit("1.0", confidence, refits, kind, groups)


def _refits(
    estimator: Any, train: Rows, test: Rows, refits: int, seed: int, n_jobs: int, progress: Progress | None
) -> npt.NDArray[Any]:
    def one(at: int) -> npt.NDArray[Any]:
        drawn = np.random.default_rng([seed, at]).integers(0, len(train.y), len(train.y))
        sample = train.take(drawn)
        return np.asarray(clone(estimator).fit(sample.X, sample.y).predict(test.X))

    jobs = (delayed(one)(at) for at in range(refits))
    found = []
    try:
        for prediction in Parallel(n_jobs=n_jobs, return_as="generator")(jobs):
            found.append(prediction)
            if progress is not None:
                progress(len(found), refits)
    except Exception as error:  # whatever somebody's model raises
        words = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"the model failed on a bootstrap sample: {type(error).__name__}: {words[:300]}",
            where="disparity split",
        ) from error
    return np.stack(found)


def _reference_predictions(train: Rows, test: Rows, seed: int) -> list[npt.NDArray[Any]]:
    """Out-of-sample predictions for the test rows, by flexible models that also see the group."""
    everything = _numbers(train, test)
    labels = np.concatenate([train.y, test.y])
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    if smallest < 3:
        raise DataError(
            f"a label stands in {smallest} rows; three are the least",
            where="disparity split",
            hint="Leave that label out, or merge it with another.",
        )
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    found = []
    for make in _REFERENCES:
        predicted = cross_val_predict(make(seed), everything, labels, cv=folds)
        found.append(predicted[len(train.y) :])
    return found


def _numbers(train: Rows, test: Rows) -> npt.NDArray[np.float64]:
    """Both splits' features and groups as finite numbers: text by its values, the missing as such."""
    parts = []
    for rows in (train, test):
        frame = (
            rows.X if hasattr(rows.X, "iloc") else pd.DataFrame(np.asarray(rows.X).reshape(len(rows.y), -1))
        )
        parts.append(frame.assign(__group=rows.group))
    both = pd.concat(parts, ignore_index=True)
    numeric = [name for name in both if pd.api.types.is_numeric_dtype(both[name])]
    texts = [name for name in both if name not in numeric]
    numbers = both[numeric].astype(float).replace([np.inf, -np.inf], np.nan)
    numbers = numbers.fillna(numbers.median()).fillna(0.0)
    codes = pd.get_dummies(both[texts].astype(object).astype(str), dtype=float)
    return np.column_stack([numbers.to_numpy(), codes.to_numpy()])


_REFERENCES: tuple[Callable[[int], Any], ...] = (
    lambda seed: RandomForestClassifier(50, min_samples_leaf=5, random_state=seed),
    lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier(25)),
    lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
)


def _least_wrong(
    candidates: list[npt.NDArray[Any]], y: npt.NDArray[Any], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    return min(candidates, key=lambda predicted: float((predicted != y)[inside].mean()))


def _group(name: str, rows: dict[str, npt.NDArray[np.float64]], z: float) -> GroupSplit:
    mine = rows[name]
    others = [part for other, part in rows.items() if other != name]
    rest = np.concatenate(others) if others else np.empty((0, len(PARTS)))
    parts = tuple(_amount(PARTS[at], mine[:, at], None, z) for at in range(len(PARTS)))
    versus = tuple(_amount(PARTS[at], mine[:, at], rest[:, at], z) for at in range(len(PARTS)))
    total = _amount("error", mine.sum(axis=1), rest.sum(axis=1), z)
    sure = [one for one in versus if (one.low or 0.0) > 0 and (total.low or 0.0) > 0]
    cause = max(sure, key=lambda one: one.value or 0.0).part if sure else None
    error = float(mine.sum(axis=1).mean()) if len(mine) else None
    return GroupSplit(name, len(mine), error, parts, versus, cause, REMEDY[cause] if cause else None)


def _amount(
    part: str, mine: npt.NDArray[np.float64], rest: npt.NDArray[np.float64] | None, z: float
) -> Amount:
    """A mean, or a difference of means, with its normal interval over the test rows."""
    samples = [mine] if rest is None else [mine, rest]
    if min(len(sample) for sample in samples) < _FEWEST:
        return Amount(part, None, None, None, f"fewer than {_FEWEST} test rows")
    value = float(mine.mean() - (0.0 if rest is None else rest.mean()))
    half = z * float(np.sqrt(sum(sample.var(ddof=1) / len(sample) for sample in samples)))
    return Amount(part, value, value - half, value + half, None)
