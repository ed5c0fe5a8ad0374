"""Whether like people are treated alike: neighbours' decisions, and decisions with one column changed."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from audit.analysis.asking import Model
from audit.analysis.association import Strength
from audit.analysis.data_report import Measure
from audit.analysis.tables import as_table
from audit.engine.decode import text
from audit.engine.intervals import clopper_pearson
from audit.engine.reading import reading
from audit.engine.sums import md5
from audit.errors import DataError, UsageError
from audit.registry import nearest
from audit.result import group_name

Floats = npt.NDArray[np.float64]
NEIGHBOURS = 5
LEVELS = 50
"""Values of an attribute, or of a text feature, above which they are no groups, or are left out."""
_SALT = "harm-audit/individuals/1:"


def draw_rows(path: Any, size: int, seed: int) -> tuple[pd.DataFrame, int]:
    """At most `size` rows, the same ones each time, and how many there are. Errors: as `as_table`."""
    table = as_table(path)
    with reading(str(path)):
        rows = int(table.count().to_pyarrow().as_py())
        if rows > size:
            numbered = table.mutate(audit_row=ibis.row_number())
            order = md5(ibis.literal(f"{_SALT}{seed}:") + numbered["audit_row"].cast("string"))
            table = numbered.order_by(order).limit(size).drop("audit_row")
        frame: pd.DataFrame = table.to_pyarrow().to_pandas()
    return frame, rows


def decided_rows(frame: pd.DataFrame, prediction: str | None) -> tuple[pd.DataFrame, int]:
    """The rows that have a decision, and how many have none; all of them where a model is to decide."""
    if prediction is None:
        return frame, 0
    held = frame[prediction]
    known = held.notna() & (held.astype("string").str.strip() != "")
    return frame[known].reset_index(drop=True), int((~known).sum())


def consistency(X: Floats, decisions: Floats, *, neighbours: int = NEIGHBOURS) -> Floats:
    """1 − |ŷ_i − mean of ŷ over the k nearest others|, a value a row, shape (n,).

    X is (n, features), decisions (n,) of 0 and 1. A row is never its own neighbour, also where others
    equal it. 1: all neighbours were decided alike; 0: all otherwise.
    Source: Zemel et al. 2013, section 5 (there and in AIF360 a row counts as its own neighbour).

    >>> consistency(np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([1.0, 1, 0, 1]), neighbours=1).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    if len(X) <= neighbours:
        raise DataError(
            f"{len(X)} rows, where {neighbours} neighbours besides the row itself are asked for",
            where="neighbours",
            hint="Give more rows, or ask for fewer neighbours.",
        )
    found = NearestNeighbors(n_neighbors=neighbours + 1).fit(X).kneighbors(X, return_distance=False)
    own = found == np.arange(len(X))[:, None]
    own[~own.any(axis=1), -1] = True  # hidden behind equal rows: the farthest goes instead
    others = found[~own].reshape(len(X), neighbours)
    value: Floats = 1 - np.abs(decisions - decisions[others].mean(axis=1))
    return value


def measure_consistency(
    frame: pd.DataFrame, decisions: npt.NDArray[Any], attribute: str, *, features: tuple[str, ...] | None
) -> list[Measure]:
    """The mean consistency of everyone and of each group; no interval: neighbours depend on each other.

    Numbers are divided by their standard deviation, text is one column a value, a missing number is the
    mean. Errors: UsageError for a column that is not there.
    """
    require(frame, attribute, *(features or ()))
    X = _encoded(frame, features or tuple(str(name) for name in frame if name != attribute))
    value = consistency(X, (decisions == _positive(decisions)).astype(np.float64))
    groups = _groups(frame, attribute)
    made = [Measure("consistency", None, None, None, None, float(value.mean()), None, None, len(value), None)]
    for group in sorted(set(groups), key=lambda one: (one is None, one or "")):
        mine = np.array([one == group for one in groups])
        made.append(
            Measure(
                "consistency",
                attribute,
                group_name((group,)),
                None,
                None,
                float(value[mine].mean()),
                None,
                None,
                float(mine.sum()),
                None,
            )
        )
    return made


def measure_flips(
    frame: pd.DataFrame, model: Model, attribute: str, *, confidence: float = 0.95
) -> list[Measure]:
    """Of each group's rows the share whose decision changes when the attribute alone is set otherwise.

    Undefined where the model does not read the attribute. The interval is Clopper–Pearson's, for rows
    of different people. Errors: UsageError for a column that is not there or has too many values.
    """
    require(frame, attribute)
    groups = _groups(frame, attribute)
    values = {group: at for at, group in reversed(list(enumerate(groups))) if group is not None}
    if len(values) > LEVELS:
        raise UsageError(
            f"attribute {attribute!r} has {len(values)} values, so they are no groups", where="--attribute"
        )
    if model.features is not None and attribute not in model.features:
        why = f"the model does not read {attribute}"
        return [_flip(attribute, None, None, Strength.undefined(why, len(frame)))]
    if len(values) < 2:
        return [_flip(attribute, None, None, Strength.undefined("there is no other value", len(frame)))]
    before = model.decide(frame)
    made = []
    for to, at in sorted(values.items()):
        changed = frame.copy()
        changed[attribute] = [frame[attribute].iloc[at]] * len(frame)
        changed[attribute] = changed[attribute].astype(frame[attribute].dtype)
        after = model.decide(changed)
        for group in sorted(values):
            if group == to:
                continue
            mine = np.array([one == group for one in groups])
            n, k = float(mine.sum()), float((before != after)[mine].sum())
            low, high = clopper_pearson(k, n, 1 - confidence)
            made.append(_flip(attribute, group, to, Strength(k / n, float(low), float(high), n)))
    return made


def _flip(attribute: str, group: str | None, to: str | None, found: Strength) -> Measure:
    words = [None if one is None else group_name((one,)) for one in (group, to)]
    return Measure(
        "counterfactual_flip_rate",
        attribute,
        words[0],
        words[1],
        None,
        found.value,
        found.low,
        found.high,
        found.n,
        found.why,
    )


def require(frame: pd.DataFrame, *names: str | None) -> None:
    """A UsageError for the first of `names` that is no column of the frame."""
    for name in names:
        if name is not None and name not in frame.columns:
            near = nearest(name, [str(one) for one in frame.columns])
            raise UsageError(
                f"no column is called {name!r}; there are: {', '.join(map(str, frame.columns[:30]))}",
                hint=f"Did you mean {near}?" if near else "Name one of them.",
            )


def _groups(frame: pd.DataFrame, attribute: str) -> list[str | None]:
    column = frame[attribute]
    return [None if gone else text(value) for value, gone in zip(column.tolist(), column.isna(), strict=True)]


def _positive(decisions: npt.NDArray[Any]) -> Any:
    """One of the two decisions; which one makes no difference to agreement."""
    values = sorted(set(decisions.tolist()), key=str)
    if len(values) > 2:
        raise DataError(
            f"{len(values)} different decisions, where two are needed",
            where="prediction",
            hint="Name a column of decisions.",
        )
    return values[-1]


def _encoded(frame: pd.DataFrame, features: tuple[str, ...]) -> Floats:
    made: list[Floats] = []
    for name in features:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            spread = float(np.nanstd(numbers)) if np.isfinite(numbers).any() else 0.0
            if spread > 0:
                made.append(np.nan_to_num((numbers - np.nanmean(numbers)) / spread)[:, None])
        elif column.nunique() <= LEVELS:
            made.append(pd.get_dummies(column.astype(object), dtype=np.float64).to_numpy())
    if not made:
        raise DataError("no feature is left to find neighbours by", where="features", hint="Name columns.")
    return np.column_stack(made)
