"""From and to fairlearn's MetricFrame: the same groups, with intervals and a verdict, and back again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import audit
from audit.errors import DataError, UsageError
from audit.integrations.cells import WEIGHT, cells_of, complete

if TYPE_CHECKING:
    from audit import Audit

COUNTS = ("true_positives", "false_positives", "false_negatives", "true_negatives")
EXACT = 1e-6
"""How far a count that was computed as rate × rows may lie from a whole number."""


def counting() -> dict[str, Callable[..., float]]:
    """Metrics to add to a MetricFrame so that `from_metric_frame` finds every count of rows in it."""
    return {
        "true_positives": lambda y_true, y_pred: _both(y_true, y_pred, 1, 1),
        "false_positives": lambda y_true, y_pred: _both(y_true, y_pred, 0, 1),
        "false_negatives": lambda y_true, y_pred: _both(y_true, y_pred, 1, 0),
        "true_negatives": lambda y_true, y_pred: _both(y_true, y_pred, 0, 0),
    }


def from_metric_frame(frame: Any, *, rules: Sequence[Any] = (), **options: Any) -> Audit:
    """Audit the groups of a MetricFrame: a MetricFrame keeps no rows, so their counts are read from it.

    The frame must hold the metrics of `counting()`, or `count` and `selection_rate` (then without labels).
    Its control features become `control`. A combination without rows (NaN there) holds nobody. `options` are
    those of `audit.audit`, as intersections. Counts that are not whole, as of weighted rows, are a DataError.
    """
    table = frame.by_group
    if not isinstance(table, pd.DataFrame):
        raise UsageError(
            "the MetricFrame has one metric only", hint="Give it a dict of metrics, see counting()."
        )
    control, names = frame.control_levels or [], frame.sensitive_levels
    taken = {"label", "prediction", "people"} & {*map(str, control), *map(str, names)}
    if taken:
        raise UsageError(f"a feature of the MetricFrame is called {sorted(taken)[0]!r}", hint="Rename it.")
    cells = _cells_with_labels(table) if set(COUNTS) <= set(table.columns) else _cells_without(table)
    rows = cells.reset_index()
    features = [*control, *names]
    rows.columns = [*map(str, features), *cells.columns]
    for name in map(str, features):
        rows[name] = rows[name].astype(str)
    given = {"label": "label", "positive": "1"} if "label" in cells.columns else {"positive": "1"}
    return audit.audit(
        rows,
        prediction="prediction",
        count="people",
        sensitive=[str(name) for name in names],
        control=[str(name) for name in control],
        rules=rules,
        **{**given, **options},
    )


def to_metric_frame(
    done: Audit,
    metrics: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    *,
    grouping: Sequence[str] | None = None,
    leave_out: bool = False,
) -> Any:
    """A MetricFrame over the audit's cells, each weighted by its rows: metrics must take `sample_weight`.

    Control columns become control features. Missing values are the group `(missing)`. Rows without a label or
    a prediction are an error, or with `leave_out` left out.
    """
    from fairlearn.metrics import MetricFrame

    named = {"metric": metrics} if callable(metrics) else dict(metrics)
    for name, metric in named.items():
        if "sample_weight" not in inspect.signature(metric).parameters:
            raise UsageError(
                f"the metric {name} takes no sample_weight, and an audit keeps cells and no rows",
                hint="Choose one that does, as selection_rate or true_positive_rate.",
            )
    result = done.result
    roles = [role for role in ("label", "prediction") if role in result.data.roles]
    if "prediction" not in roles and result.data.threshold is None:
        raise UsageError(
            "the audit has no predictions", hint="Audit with prediction=, or score= and threshold=."
        )
    roles = [*{*roles, "prediction"}]
    cells = complete(cells_of(done, grouping), *roles, leave_out=leave_out)
    control = list(result.data.control)
    features = [name for name in cells.columns if name not in ("label", "prediction", WEIGHT, *control)]
    predicted = cells["prediction"].astype(int)
    weight = {"sample_weight": cells[WEIGHT]}
    return MetricFrame(
        metrics=metrics if callable(metrics) else named,
        y_true=cells["label"].astype(int) if "label" in roles else predicted,
        y_pred=predicted,
        sensitive_features=cells[features],
        control_features=cells[control] if control else None,
        sample_params=weight if callable(metrics) else dict.fromkeys(named, weight),
    )


def _both(y_true: Any, y_pred: Any, label: int, prediction: int) -> float:
    return float(np.sum((np.asarray(y_true) == label) & (np.asarray(y_pred) == prediction)))


def _cells_with_labels(table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"label": label, "prediction": prediction, "people": table[name]}, index=table.index)
        for name, label, prediction in zip(COUNTS, (1, 0, 1, 0), (1, 1, 0, 0), strict=True)
    ]
    return _whole(pd.concat(parts))


def _cells_without(table: pd.DataFrame) -> pd.DataFrame:
    if not {"count", "selection_rate"} <= set(table.columns):
        raise UsageError(
            f"the MetricFrame holds {', '.join(map(str, table.columns))}: no counts can be read from that",
            hint="Add **counting() to its metrics, or count and selection_rate.",
        )
    chosen = table["count"] * table["selection_rate"]
    parts = [
        pd.DataFrame({"prediction": prediction, "people": people}, index=table.index)
        for prediction, people in ((1, chosen), (0, table["count"] - chosen))
    ]
    return _whole(pd.concat(parts))


def _whole(cells: pd.DataFrame) -> pd.DataFrame:
    found = cells.dropna(subset=["people"])
    people = found["people"].astype(float)
    rounded = people.round()
    if ((people - rounded).abs() > EXACT * people.clip(lower=1)).any():
        raise DataError(
            "the MetricFrame's counts are not whole numbers of rows", hint="Audit the rows themselves."
        )
    return found.assign(people=rounded.astype("int64"))
