"""An audit's cells as a frame, a row a cell with its weight: what other libraries can compute on again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from audit.errors import DataError, UsageError
from audit.registry import require_decisions
from audit.result import AuditResult, Cell, group_name

if TYPE_CHECKING:
    from audit import Audit

WEIGHT = "weight"
FIXED = 2**30


def cells_of(done: Audit | AuditResult, grouping: Sequence[str] | None = None) -> pd.DataFrame:
    """Columns: each attribute of `grouping` (all by default), each control, label, prediction, weight.

    A row stands for `weight` audited rows (or the sum of their weights), and the weights add up to all rows
    audited. Values are text, a missing one `(missing)`; label and prediction are 0, 1 or missing.
    """
    result = done if isinstance(done, AuditResult) else done.result
    require_decisions(result.data.task, "this form")
    wanted = tuple(grouping) if grouping is not None else _widest(result)
    control = result.data.control
    doubled = [name for name in (*control, *wanted) if name in ("label", "prediction", WEIGHT)]
    if doubled:
        raise UsageError(f"an attribute is called {doubled[0]!r}, as a column of the cells is")
    held = next((c.grouping for c in result.cells if set(wanted) <= set(c.grouping)), None)
    if held is None:
        known = ", ".join(" × ".join(names) for names in dict.fromkeys(c.grouping for c in result.cells))
        raise UsageError(f"no cells of {' × '.join(wanted)}", hint=f"There are those of: {known}.")
    places = [held.index(name) for name in wanted]
    rows = [
        (
            *(_word(cell.group[place]) for place in places),
            *map(_word, cell.stratum),
            cell.label,
            cell.prediction,
            _weight(cell),
        )
        for cell in result.cells
        if cell.grouping == held
    ]
    frame = pd.DataFrame(rows, columns=[*wanted, *control, "label", "prediction", WEIGHT])
    return frame.astype({"label": "Int8", "prediction": "Int8"})


def complete(frame: pd.DataFrame, *roles: str, leave_out: bool) -> pd.DataFrame:
    """The cells that carry these roles; a DataError where others do not, unless they may be left out."""
    lacking = frame[list(roles)].isna().any(axis=1)
    rows = frame.loc[lacking, WEIGHT].sum()
    if rows and not leave_out:
        raise DataError(
            f"{rows:,.6g} rows have no {' or no '.join(roles)}, and the other library has no place for them",
            hint="Pass leave_out=True to leave them out knowingly.",
        )
    return frame.loc[~lacking]


def _widest(result: AuditResult) -> tuple[str, ...]:
    return max((cell.grouping for cell in result.cells), key=len, default=())


def _word(value: str | None) -> str:
    return group_name((value,))


def _weight(cell: Cell) -> float:
    return float(cell.n) if cell.w is None else cell.w / FIXED
