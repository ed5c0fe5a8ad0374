"""Multiclass: rows by cell, where label and prediction are one of up to a hundred classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.engine import aggregate, decode
from audit.engine.cells import Cells, Ints
from audit.engine.counts import Counts
from audit.engine.exclusions import UNREADABLE
from audit.engine.prepare import MAX_DECISIONS, plan
from audit.engine.reading import reading
from audit.engine.source import Source
from audit.engine.spelling import check_classes
from audit.engine.sums import check_sums, fetch
from audit.errors import DataError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

_MISSING = -1


def count(spec: AuditSpec, source: Source) -> Counts:
    """Read the source once: rows by group, label and prediction.

    Errors: DataError for one class alone, more than a hundred, or labels that are never predicted.
    """
    plan_ = plan(spec, source)
    where = spec.data.source or "the frame"
    with reading(where):
        fetched = [fetch(table) for table in aggregate.expressions(plan_)["cells"]]
        clusters = aggregate.clusters(plan_)
    decoder = _Classes(spec, plan_.attributes, plan_.control)
    for table in fetched:
        check_sums(table)
        decoder.learn(table)
    decoder.settle()
    cells, excluded = [], {}
    for table, grouping in zip(fetched, plan_.groupings, strict=True):
        found, left_out = decoder.cells(table, grouping)
        cells.append(found.merged())
        excluded = dict(left_out)
    if source.rejected:
        excluded = {UNREADABLE: source.rejected} | excluded
    source.check_unchanged()
    return Counts(
        attributes=plan_.attributes,
        control=plan_.control,
        cells=tuple(cells),
        excluded=tuple(excluded.items()),
        rejected_lines=source.rejected_lines,
        clusters=clusters,
        weights=spec.data.weights if "weight" in plan_.has else None,
        notes=aggregate.doubled_ids(spec, source),
        task="multiclass",
        classes=tuple(decoder.classes),
    )


def expressions(spec: AuditSpec, source: Source) -> dict[str, list[ir.Table]]:
    """The aggregates that `count` runs, by the part of the counts that each fills."""
    return {"cells": aggregate.expressions(plan(spec, source))["cells"]}


def aligned(mine: Counts, theirs: Counts) -> tuple[Counts, Counts]:
    """Both counts under the classes of either."""
    classes = tuple(sorted({*mine.classes, *theirs.classes}))
    return _recoded(mine, classes), _recoded(theirs, classes)


def _recoded(counts: Counts, classes: tuple[str, ...]) -> Counts:
    places = np.array([*(classes.index(name) for name in counts.classes), _MISSING], dtype=np.int64)
    cells = tuple(
        replace(
            table, keys={**table.keys, **{key: places[table.keys[key]] for key in ("label", "prediction")}}
        )
        for table in counts.cells
    )
    return replace(counts, cells=cells, classes=classes)


def one_against_rest(cells: Cells, place: int | None) -> Cells:
    """The cells with label and prediction 1 for the class at `place` and 0 for others.

    None: label 0 where there is one, and no prediction, for what asks after rows alone.
    """
    label, prediction = cells.keys["label"], cells.keys["prediction"]
    if place is None:
        keys = {"label": np.minimum(label, 0), "prediction": np.full(len(cells), _MISSING, dtype=np.int64)}
    else:
        keys = {"label": _is(label, place), "prediction": _is(prediction, place)}
    return replace(cells, keys={**cells.keys, **keys})


def right_or_wrong(cells: Cells) -> Cells:
    """The cells with label 1 where there is one, and prediction 1 or 0 where it is the label or is not."""
    label, prediction = cells.keys["label"], cells.keys["prediction"]
    right = (label == prediction).astype(np.int64)
    keys = {
        "label": np.where(label < 0, _MISSING, 1),
        "prediction": np.where((prediction < 0) | (label < 0), _MISSING, right),
    }
    return replace(cells, keys={**cells.keys, **keys})


def _is(codes: Ints, place: int) -> Ints:
    return np.where(codes < 0, _MISSING, (codes == place).astype(np.int64))


class _Classes(decode.Decoder):
    """A decoder to which every value of label and prediction is a class."""

    def __init__(self, spec: AuditSpec, attributes: tuple[str, ...], control: tuple[str, ...]) -> None:
        super().__init__(spec, attributes, control)
        self.classes: list[str] = []

    def _decide(self, role: str, seen: set[str]) -> None:
        """Every value is kept; `settle` looks at all of them together."""

    def settle(self) -> None:
        """The classes in the order of their names; a DataError where they make no task."""
        labels, predictions = self._seen["y"], self._seen["p"]
        self.classes = sorted(labels | predictions)
        columns = self.spec.data.columns
        if len(self.classes) > MAX_DECISIONS:
            raise DataError(
                f"label and prediction have {len(self.classes)} classes; at most {MAX_DECISIONS} do",
                where="data.columns",
                hint="Put rare classes together in the data, or write task: regression for numbers.",
            )
        if len(self.classes) < 2:
            raise DataError(
                f"label and prediction hold {_shown(self.classes) or 'nothing'} alone: nothing to tell apart",
                where="data.columns",
                hint="Name the columns that hold the classes.",
            )
        if columns.label and not labels & predictions:
            raise DataError(
                f"no label is ever predicted: labels {_shown(labels)}; predictions {_shown(predictions)}",
                where="data.columns",
                hint="Write both columns in the same words.",
            )
        check_classes(self.classes, "data.columns")

    def _binary(self, table: pa.Table, key: str, role: str) -> npt.NDArray[np.int64]:
        if key not in table.column_names:
            return np.full(len(table), _MISSING, dtype=np.int64)
        places = {name: place for place, name in enumerate(self.classes)}
        return self._coded_decisions(table, key, places)


def _shown(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)[:12])
