"""A remedy put to use: fitted on all rows that there are, and asked about other ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.errors import DataError, UsageError
from audit.mitigation.base import CannotTryError, quiet
from audit.mitigation.catalogue import Method
from audit.mitigation.problem import Problem
from audit.mitigation.rows import audited_rows


def apply(problem: Problem, method: Method, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the remedy's decisions in the column that the policy file names for them.

    The remedy is fitted on all training rows. The values are those that the column had: positive
    where the file says so, else 1 and 0. Rows that the audit leaves out keep what they had.
    Errors: UsageError where the file names no column, DataError where the remedy fails.
    """
    column = problem.spec.data.columns.prediction
    if column is None:
        raise UsageError("the policy file names no prediction", where="data.columns.prediction")
    frame = frame.reset_index(drop=True)
    numbered = frame.assign(harm_audit_row=np.arange(len(frame)))
    rows = audited_rows(problem.spec, numbered)
    lacking = [str(name) for name in problem.X if name not in rows.frame]
    if lacking:
        raise UsageError(f"the rows have no column {lacking[0]!r}", where="--rows")
    learned = problem.training
    try:
        with quiet():
            remedy: Any = method.make(problem.setting)
            remedy.fit(learned.X, learned.y, learned.A.astype(str).astype(object))
            found = remedy.predict(rows.frame[list(problem.X)], rows.names(problem.target.grouping))
    except CannotTryError as error:
        raise DataError(f"{method.name} cannot be applied: {error}", where="--apply") from error
    except Exception as error:
        words = (str(error).splitlines() or [""])[0]
        raise DataError(f"{method.name} failed: {type(error).__name__}: {words}", where="--apply") from error
    yes, no = _values(problem, frame[column])
    made = frame.copy()
    place = rows.frame["harm_audit_row"].to_numpy()
    decided = made[column].astype(object)
    decided.iloc[place] = np.where(np.asarray(found) == 1, yes, no)
    made[column] = decided.infer_objects()
    return made


def _values(problem: Problem, column: Any) -> tuple[Any, Any]:
    """What means yes and no in a column of decisions."""
    positive = problem.spec.data.positive_prediction
    seen = list(pd.unique(column.dropna()))
    if positive is None:
        return _plain(seen)
    yes = next((one for one in seen if str(one) == str(positive)), positive)
    others = [one for one in seen if str(one) != str(positive)]
    return yes, others[0] if others else 0


def _plain(seen: list[Any]) -> tuple[Any, Any]:
    """Of values that an audit tells apart by itself the second in order is the positive one."""
    ordered = sorted(seen, key=str)
    return (ordered[-1], ordered[0]) if len(ordered) == 2 else (1, 0)
