"""Whether an attribute can be told from all features together: a classifier asked on rows it has not seen."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from audit.analysis.association import Strength
from audit.analysis.augmentation import delong
from audit.analysis.dataset import Column, Dataset
from audit.analysis.tables import as_text
from audit.engine.reading import reading
from audit.engine.sums import md5

FOLDS = 5
LEAST_ROWS = 30
"""Sampled rows below which a group is not guessed at."""
_LEVELS = 250
"""Levels of a text that are told apart, the most frequent; the others are one."""
_SALT = "harm-audit/data/1:"


def draw(dataset: Dataset, columns: tuple[Column, ...], size: int, seed: int) -> pd.DataFrame:
    """At most `size` rows of the features, the attributes as `a0`, `a1` …, and the cluster as `cluster`.

    Rows are taken in the order of a hash of their number and the seed: the same rows each time.
    """
    table, spec = dataset.table, dataset.spec
    named = {f"f{at}": _feature(table[one.name], one) for at, one in enumerate(columns)}
    named |= {f"a{at}": dataset.attribute(name) for at, name in enumerate(spec.data.attributes)}
    if spec.data.columns.cluster is not None:
        named["cluster"] = as_text(table[spec.data.columns.cluster])
    rows = table.select(**named)
    if dataset.rows > size:
        numbered = rows.mutate(audit_row=ibis.row_number())
        order = md5(ibis.literal(f"{_SALT}{seed}:") + numbered["audit_row"].cast("string"))
        rows = numbered.order_by(order).limit(size).drop("audit_row")
    with reading(dataset.source.name):
        frame: pd.DataFrame = rows.to_pyarrow().to_pandas()
    return frame


def _feature(column: Any, kind: Column) -> Any:
    return column.cast("float64") if kind.kind == "number" else as_text(column)


def guess_groups(
    frame: pd.DataFrame,
    groups: npt.NDArray[Any],
    columns: tuple[tuple[str, Column], ...],
    *,
    confidence: float,
    seed: int,
) -> dict[str, Strength]:
    """For each group the AUC of telling it from the others: .5 not at all, 1 always.

    `groups` (n,) holds each row's group, None where it is missing; `columns` pairs a column of
    `frame` with what it is. Gradient-boosted trees are fitted on four fifths of the rows and asked
    about the last fifth, in turn; clusters are kept together. The interval is DeLong's over all
    answers, at the stated confidence for all groups together (Bonferroni). Of two groups one is
    asked for, since the other is its mirror. Undefined where fewer than two groups have enough rows.
    """
    names = sorted({group for group in groups if group is not None})
    place = {name: at for at, name in enumerate(names)}
    codes = np.array([place.get(group, -1) for group in groups])
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    enough = np.flatnonzero(sizes >= LEAST_ROWS)
    if len(enough) < 2:
        return {"": Strength.undefined(f"fewer than two groups have {LEAST_ROWS} sampled rows")}
    if not columns:
        return {"": Strength.undefined("no feature is left to tell it from")}
    chosen = np.isin(codes, enough)
    y, X = codes[chosen], _encoded(frame.loc[chosen], columns)
    clusters = frame.loc[chosen, "cluster"].to_numpy().astype(str) if "cluster" in frame else None
    if clusters is not None and len(np.unique(clusters)) < FOLDS:
        return {"": Strength.undefined(f"fewer than {FOLDS} clusters")}
    folds: Any = GroupKFold(FOLDS) if clusters is not None else StratifiedKFold(FOLDS, shuffle=True)
    if clusters is None:
        folds.random_state = seed
    text = [kind.kind == "levels" for _, kind in columns]
    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=15, categorical_features=text, early_stopping=False, random_state=seed
    )
    # On a machine whose cores are taken, threads that wait for each other take a hundred times as long.
    with threadpool_limits(1, user_api="openmp"):
        rated = cross_val_predict(model, X, y, groups=clusters, cv=folds, method="predict_proba")
    asked = enough[:1] if len(enough) == 2 else enough
    level = float(stats.norm.isf((1 - confidence) / 2 / len(asked)))
    found = {}
    for at, code in enumerate(enough):
        if code in asked:
            auc, error = delong(rated[y == code, at], rated[y != code, at])
            low, high = max(0.0, auc - level * error), min(1.0, auc + level * error)
            found[names[code]] = Strength(auc, low, high, float(sizes[code]))
    return found


def _encoded(frame: pd.DataFrame, columns: tuple[tuple[str, Column], ...]) -> npt.NDArray[np.float64]:
    made = []
    for name, kind in columns:
        if kind.kind == "number":
            made.append(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
            continue
        text = frame[name]
        order = {value: float(at) for at, value in enumerate(text.value_counts().index[:_LEVELS])}
        codes = text.map(lambda value, order=order: order.get(value, float(_LEVELS)))
        made.append(codes.where(text.notna()).to_numpy(dtype=np.float64))
    return np.column_stack(made)
