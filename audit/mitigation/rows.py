"""The rows of a policy file as arrays: groups, labels and decisions as the audit reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from audit.analysis import tables
from audit.engine.decode import Decoder
from audit.engine.frames import frame_table
from audit.engine.prepare import plan
from audit.engine.reading import missing_column
from audit.engine.source import Source
from audit.errors import DataError, UsageError
from audit.registry import require_decisions
from audit.result import group_name
from audit.spec import AuditSpec


@dataclass(frozen=True)
class Audited:
    """The audited rows: the frame, and of each row its groups, label and decision."""

    frame: pd.DataFrame
    groups: dict[str, npt.NDArray[Any]]
    """Per attribute the value's name, shape (n,); `(missing)` where there is none."""
    label: npt.NDArray[np.int64]
    """0, 1, or -1 where there is none."""
    decision: npt.NDArray[np.int64] | None
    """0 or 1; None where the policy file names no decision."""

    def __len__(self) -> int:
        return len(self.frame)

    def members(self, grouping: tuple[str, ...], name: str) -> npt.NDArray[np.bool_]:
        """Which rows are of the group with this name."""
        marked: npt.NDArray[np.bool_] = np.asarray(self.names(grouping) == name)
        return marked

    def names(self, grouping: tuple[str, ...]) -> npt.NDArray[Any]:
        """Each row's group by name."""
        joined = self.groups[grouping[0]].astype(object)
        for attribute in grouping[1:]:
            joined = joined + " × " + self.groups[attribute].astype(object)
        return joined


def frame_of(spec: AuditSpec) -> pd.DataFrame:
    """The rows that the policy file names, its filter applied, numbers as numbers."""
    with tables.spec_table(spec) as table:
        found: pd.DataFrame = table.to_pyarrow().to_pandas()
    return found


def audited_rows(spec: AuditSpec, frame: pd.DataFrame, *, decided: bool = True) -> Audited:
    """The rows of `frame` that the audit counts, decoded by its own rules.

    `decided=False` reads no decisions, for rows to train on.
    Errors: those of an audit: SpecError and DataError for what is missing or cannot be told.
    """
    for use in ("weight", "count"):
        if getattr(spec.data.columns, use):
            raise UsageError(
                f"trials count rows, and the policy file has a {use} column",
                where=f"data.columns.{use}",
                hint="Write one row a decision, without weights.",
            )
    require_decisions(spec.data.task_named, "a trial")
    frame = frame.reset_index(drop=True)
    seen = _reading_spec(spec, decided=decided)
    for name in (seen.data.columns.label, seen.data.columns.prediction):
        if name and name not in frame:
            raise missing_column(name, [str(one) for one in frame.columns], where="the rows")
    asked = plan(seen, Source(frame_table(frame), "frame", "frame", None))
    raw = asked.table.to_pyarrow()
    raw = raw.drop_columns([name for name in ("s",) if name in raw.column_names])
    numbers = pa.array(np.arange(len(raw), dtype=np.int64))
    raw = raw.append_column("n", pa.array(np.ones(len(raw), dtype=np.int64))).append_column("bin", numbers)
    decoder = Decoder(seen, asked.attributes, asked.control)
    decoder.learn(raw)
    cells, _ = decoder.cells(raw, asked.attributes)
    kept = cells.keys["bin"]
    groups = {}
    for place, name in enumerate(cells.names):
        if name in asked.attributes:
            values = [group_name((value,)) for value in cells.levels[place]]
            groups[name] = np.array(values, dtype=object)[cells.codes[:, place]]
    decisions = cells.keys["prediction"] if decided else None
    return Audited(frame.iloc[kept].reset_index(drop=True), groups, cells.keys["label"], decisions)


def _reading_spec(spec: AuditSpec, *, decided: bool) -> AuditSpec:
    """The policy file for rows at hand: filter and join are done, and scores are not needed."""
    columns = spec.data.columns
    asked: dict[str, Any] = {"cluster": None, "id": None, "time": None}
    if not decided:
        asked |= {"prediction": None, "score": None}
    elif columns.prediction:
        asked["score"] = None
    data = spec.data.model_copy(
        update={
            "columns": columns.model_copy(update=asked),
            "filter": None,
            "join": None,
            "control": (),
            "threshold": spec.data.threshold if decided else None,
        }
    )
    return replace(spec, data=data)


def persons(spec: AuditSpec, frame: pd.DataFrame, *, named: str | None = None) -> npt.NDArray[Any] | None:
    """Each row's person as text: the named column, else the file's cluster or id; None without."""
    column = named or spec.data.columns.cluster or spec.data.columns.id
    if column is None:
        return None
    if column not in frame:
        raise missing_column(column, [str(one) for one in frame.columns], where="id")
    if frame[column].isna().any():
        raise DataError(f"{int(frame[column].isna().sum())} rows have no {column!r}", where="id")
    return frame[column].astype(str).to_numpy()
