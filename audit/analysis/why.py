"""All that is asked of one table of predictions, or of a model and its rows: the whole diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.analysis.curves import Curves, Progress, Rows, learning_curves, rows_of
from audit.analysis.data_needs import Need, data_needs
from audit.analysis.diagnostics import MARGIN, Diagnosis, count_errors, diagnose
from audit.analysis.disparity_split import DisparitySplit, split_disparity
from audit.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Why:
    """A diagnosis, and what refitting the model added to it; None and empty where no model was given."""

    schema_version: str
    diagnosis: Diagnosis
    split: DisparitySplit | None
    curves: Curves | None
    needs: tuple[Need, ...]


def diagnose_predictions(
    frame: pd.DataFrame,
    *,
    label: str,
    prediction: str,
    split: str,
    group: str | None,
    target: float | dict[str, float],
    margin: float = MARGIN,
    confidence: float = 0.95,
) -> Diagnosis:
    """`diagnose` on a frame with a column that says train, validation or test.

    Errors: UsageError for columns that are not there; DataError where a label or prediction is
    missing, or one is a number and the other text.
    """
    _require(frame, label, prediction, split, group)
    for name in (label, prediction, split):
        if frame[name].isna().any():
            raise DataError(f"{int(frame[name].isna().sum())} rows have no {name!r}", hint="Leave them out.")
    kinds = [pd.api.types.is_numeric_dtype(frame[name]) for name in (label, prediction)]
    if kinds[0] != kinds[1]:
        raise DataError(f"one of {label!r} and {prediction!r} is a number, the other text")
    wrong = (frame[label] != frame[prediction]).to_numpy()
    groups = None if group is None else _texts(frame[group])
    return diagnose(
        count_errors(wrong, frame[split].to_numpy(), groups), target, margin=margin, confidence=confidence
    )


def refit(
    estimator: Any,
    frame: pd.DataFrame,
    *,
    features: tuple[str, ...],
    label: str,
    split: str,
    group: str,
    bound: float,
    reference: str = "everyone",
    confidence: float = 0.95,
    repeats: int = 5,
    refits: int = 20,
    cache: Path | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[DisparitySplit, Curves, tuple[Need, ...]]:
    """The disparity's parts, each group's learning curve, and the rows that each group needs.

    The model is fitted on the rows of split `train` and measured on `test`, or on `validation` where
    there are no test rows.
    Errors: those of `split_disparity`, `learning_curves` and `data_needs`.
    """
    if not features:
        raise UsageError("the model needs features", where="features", hint="Name at least one.")
    _require(frame, label, split, group, *features)
    where = next((name for name in ("test", "validation") if (frame[split] == name).any()), None)
    if where is None:
        raise DataError("there are neither test nor validation rows", where=split)
    train, test = (
        _rows(frame[frame[split] == name], features, label, group, name) for name in ("train", where)
    )
    curves = learning_curves(
        estimator, train, test, repeats=repeats, by_group=True, cache=cache, n_jobs=n_jobs, progress=progress
    )
    needs = data_needs(curves, bound=bound, reference=reference, confidence=confidence)
    found = split_disparity(estimator, train, test, refits=refits, confidence=confidence, n_jobs=n_jobs)
    return found, curves, needs


def _rows(frame: pd.DataFrame, features: tuple[str, ...], label: str, group: str, where: str) -> Rows:
    return rows_of(frame[list(features)], frame[label].to_numpy(), _texts(frame[group]), where=where)


def _texts(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    return column.astype(object).where(column.notna(), "(missing)").astype(str).to_numpy()


def _require(frame: pd.DataFrame, *names: str | None) -> None:
    for name in names:
        if name is not None and name not in frame:
            listed = ", ".join(str(one) for one in frame.columns)
            raise UsageError(f"no column is called {name!r}; there are: {listed}", hint="Name one of them.")
