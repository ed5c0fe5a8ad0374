"""Whether rows that were added by distortion are like the test rows, or noise that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict

from audit.analysis.diagnostics import EVERYONE
from audit.errors import DataError, UsageError

MIN_ROWS = 60
"""Fewer rows of a set in a group than this say nothing."""
MARGIN = 0.03
"""An AUC this near to one half, or to the training rows' own, counts as no difference."""
_FOLDS = 4
_LEVELS = 50
"""More distinct texts than this are counted as one level each only for the most frequent."""


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """One feature: how far the added rows, and the training rows, lie from the test rows."""

    feature: str
    added_to_test: float
    """Kolmogorov–Smirnov distance for numbers, total variation for text: 0 alike, 1 apart."""
    train_to_test: float
    low: float
    high: float
    """Interval of added_to_test less train_to_test."""
    verdict: str
    """`nearer to the test rows`, `further from them`, `no difference seen`."""


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a cross-validated classifier tells two sets apart: AUC, one half is not at all."""

    auc: float | None
    low: float | None
    high: float | None
    why: str | None
    """Set exactly where auc is None."""


@dataclass(frozen=True, slots=True)
class GroupAugmentation:
    """The check for one group of rows."""

    group: str
    rows: dict[str, int]
    added_from_test: Separation
    train_from_test: Separation
    verdict: str
    """`like the test rows`, `noise that is not there`, `cannot say`."""
    why: str
    features: tuple[FeatureShift, ...]
    """The furthest from the test rows first."""


@dataclass(frozen=True, slots=True)
class AugmentationCheck:
    """Everyone first, then each group."""

    schema_version: str
    confidence: float
    groups: tuple[GroupAugmentation, ...]

    def of(self, group: str) -> GroupAugmentation:
        """One group's check; KeyError where there is none."""
        return next(one for one in self.groups if one.group == group)


def check_augmentation(
    train: pd.DataFrame,
    added: pd.DataFrame,
    test: pd.DataFrame,
    *,
    features: tuple[str, ...] | None = None,
    group: str | None = None,
    source: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> AugmentationCheck:
    """Compare added rows with test rows, feature by feature and by a two-sample classifier, per group.

    Added rows are like the test rows where a classifier tells them from test rows no better than it
    tells the training rows from them, or hardly at all; they are noise that is not there where it
    tells them apart better. `source` names the column that says from which training row a row was
    made: copies of one row then never stand on both sides of a fold. `features` None takes every
    column that the three have in common.
    Errors: UsageError for columns that are not in all three; DataError where one has no rows.
    Source: two-sample tests by classifiers, Lopez-Paz and Oquab, ICLR 2017.
    """
    if not 0.5 < confidence < 1:
        raise UsageError(f"the confidence {confidence:g} is outside (0.5, 1)", where="confidence")
    sets = {"train": train, "added": added, "test": test}
    names = _features(sets, features, group, frozenset((group, source)))
    for name, frame in sets.items():
        if not len(frame):
            raise DataError("there are no rows", where=f"the {name} rows")
    if source is not None and source not in added:
        raise UsageError(
            f"no column is called {source!r}", where="source", hint="It is needed in the added rows."
        )
    coded = _encode(sets, names)
    labels = {name: _groups(frame, group) for name, frame in sets.items()}
    wanted = [EVERYONE] if group is None else [EVERYONE, *sorted(set(labels["test"]) | set(labels["added"]))]
    checks = []
    for one in wanted:
        inside = {name: (label == one) | (one == EVERYONE) for name, label in labels.items()}
        chosen = {name: matrix[inside[name]] for name, matrix in coded.items()}
        origin = added[source].to_numpy()[inside["added"]] if source is not None else None
        numeric = [bool(pd.api.types.is_numeric_dtype(test[name])) for name in names]
        checks.append(_check(one, chosen, names, numeric, origin, 1 - confidence, seed))
    return AugmentationCheck("1.0", confidence, tuple(checks))


def _features(
    sets: dict[str, pd.DataFrame],
    features: tuple[str, ...] | None,
    group: str | None,
    reserved: frozenset[str | None],
) -> tuple[str, ...]:
    shared = [str(name) for name in sets["test"] if all(name in frame for frame in sets.values())]
    wanted = tuple(name for name in shared if name not in reserved) if features is None else features
    needed = wanted if group is None else (*wanted, group)
    for name in needed:
        if name not in shared:
            raise UsageError(
                f"{name!r} is not in all three sets",
                where="features" if name in wanted else "group",
                hint=f"They share: {', '.join(shared) or 'nothing'}.",
            )
    if not wanted:
        raise UsageError(
            "the three sets share no feature", where="features", hint="Give files with the same columns."
        )
    for name in wanted:
        kinds = {bool(pd.api.types.is_numeric_dtype(frame[name])) for frame in sets.values()}
        if len(kinds) > 1:
            raise DataError(
                f"{name!r} is a number in one set and text in another",
                where="features",
                hint="Write it alike in all three, or name the other features with --feature.",
            )
    return wanted


def _groups(frame: pd.DataFrame, group: str | None) -> npt.NDArray[Any]:
    if group is None:
        return np.full(len(frame), EVERYONE)
    return np.asarray(frame[group].astype(object).where(frame[group].notna(), "(missing)").astype(str))


def _encode(sets: dict[str, pd.DataFrame], names: tuple[str, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """Numbers as they are, text by a common order of its values; NaN is missing."""
    columns: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in sets}
    for feature in names:
        if pd.api.types.is_numeric_dtype(sets["test"][feature]):
            for name, frame in sets.items():
                columns[name].append(frame[feature].to_numpy(dtype=np.float64, na_value=np.nan))
            continue
        texts = pd.concat([frame[feature] for frame in sets.values()]).dropna().astype(str)
        order = {text: float(at) for at, text in enumerate(texts.value_counts().index[:_LEVELS])}
        for name, frame in sets.items():
            coded = frame[feature].map(lambda value, order=order: order.get(str(value), float(_LEVELS)))
            columns[name].append(coded.where(frame[feature].notna()).to_numpy(dtype=np.float64))
    return {name: np.column_stack(parts) for name, parts in columns.items()}


def _check(
    group: str,
    sets: dict[str, npt.NDArray[np.float64]],
    names: tuple[str, ...],
    numeric: list[bool],
    origin: npt.NDArray[Any] | None,
    alpha: float,
    seed: int,
) -> GroupAugmentation:
    rows = {name: len(matrix) for name, matrix in sets.items()}
    few = [name for name, count in rows.items() if count < MIN_ROWS]
    if few:
        why = f"{rows[few[0]]} {few[0]} rows of this group; {MIN_ROWS} are the least"
        nothing = Separation(None, None, None, why)
        return GroupAugmentation(group, rows, nothing, nothing, "cannot say", why, ())
    added = _separation(sets["added"], sets["test"], origin, alpha, seed)
    train = _separation(sets["train"], sets["test"], None, alpha, seed)
    shifts = [_shift(name, sets, at, numeric[at], alpha / len(names)) for at, name in enumerate(names)]
    verdict, why = _verdict(added, train)
    ordered = tuple(sorted(shifts, key=lambda one: -one.added_to_test))
    return GroupAugmentation(group, rows, added, train, verdict, why, ordered)


def _separation(
    one: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    origin: npt.NDArray[Any] | None,
    alpha: float,
    seed: int,
) -> Separation:
    X = np.concatenate([one, other])
    y = np.repeat([1, 0], [len(one), len(other)])
    model = RandomForestClassifier(
        50, min_samples_leaf=5, class_weight="balanced", max_features=0.5, random_state=seed
    )
    if origin is None:
        folds: Any = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
        groups = None
    else:
        keys = np.unique(origin.astype(str), return_inverse=True)[1]
        groups = np.concatenate([keys, keys.max() + 1 + np.arange(len(other))])
        folds = GroupKFold(_FOLDS)
        if len(np.unique(keys)) < _FOLDS:
            return Separation(None, None, None, f"the added rows come from {len(np.unique(keys))} rows only")
    score = cross_val_predict(model, X, y, groups=groups, cv=folds, method="predict_proba")[:, 1]
    auc, error = delong(score[y == 1], score[y == 0])
    half = float(stats.norm.isf(alpha / 2)) * error
    return Separation(auc, max(0.0, auc - half), min(1.0, auc + half), None)


def delong(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The AUC with ties counted half, and DeLong's standard error."""
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    above = (ranks[:m] - stats.rankdata(positive)) / n
    below = 1 - (ranks[m:] - stats.rankdata(negative)) / m
    return float(above.mean()), float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))


def _verdict(added: Separation, train: Separation) -> tuple[str, str]:
    if added.auc is None or train.auc is None:
        return "cannot say", added.why or train.why or ""
    assert added.low is not None
    assert added.high is not None
    assert train.low is not None
    assert train.high is not None
    told = f"added rows are told from test rows with AUC {added.auc:.2f}, training rows with {train.auc:.2f}"
    if added.high <= 0.5 + MARGIN or added.high <= train.low + MARGIN:
        return "like the test rows", told
    if added.low > max(0.5, train.high) + MARGIN:
        return "noise that is not there", told
    return "cannot say", told


def _shift(
    name: str, sets: dict[str, npt.NDArray[np.float64]], at: int, numeric: bool, alpha: float
) -> FeatureShift:
    columns = {key: matrix[:, at] for key, matrix in sets.items()}
    added, train = (_distance(columns[key], columns["test"], numeric) for key in ("added", "train"))
    # Each empirical distribution function is off by at most this (Dvoretzky, Kiefer, Wolfowitz; Massart),
    # and the test rows' own error is common to both distances; for text of many levels it is rough.
    half = sum(float(np.sqrt(np.log(4 / alpha) / (2 * len(columns[key])))) for key in ("added", "train"))
    gap = added - train
    if gap - half > 0:
        verdict = "further from them"
    elif gap + half < 0:
        verdict = "nearer to the test rows"
    else:
        verdict = "no difference seen"
    return FeatureShift(name, added, train, gap - half, gap + half, verdict)


def _distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], numeric: bool) -> float:
    """Between two samples, missing values as a level of their own."""
    here, there = one[~np.isnan(one)], other[~np.isnan(other)]
    absent = abs(float(np.isnan(one).mean()) - float(np.isnan(other).mean()))
    if not len(here) or not len(there):
        return 1.0 if len(here) != len(there) else 0.0
    if numeric:
        return max(absent, float(stats.ks_2samp(here, there, method="asymp").statistic))
    levels = np.unique(np.concatenate([here, there]))
    shares = [np.array([(part == level).mean() for level in levels]) for part in (here, there)]
    return max(absent, float(np.abs(shares[0] - shares[1]).sum() / 2))
