"""Regression: sums of labels, predictions and residuals per cell, and a histogram of the predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import numpy as np

from audit.engine import aggregate, decode
from audit.engine.cells import Cells
from audit.engine.counts import Counts
from audit.engine.exclusions import UNREADABLE
from audit.engine.prepare import Plan, number, plan
from audit.engine.reading import missing_column, reading
from audit.engine.source import Source
from audit.engine.sums import check_sums, one_row
from audit.engine.tasks.products import (
    Scales,
    fetch_products,
    names,
    normalised,
    products,
    shift,
    shifted,
    sums,
)
from audit.errors import DataError

if TYPE_CHECKING:
    from audit.spec import AuditSpec

MOST = 1e36
"""The eighth power of a larger number leaves the range of doubles."""
_EXTREMES = ("y_low", "y_high", "p_low", "p_high")


def count(spec: AuditSpec, source: Source) -> Counts:
    """Read the source: the range, the sums by cell, the histogram.

    Errors: DataError where label, prediction or exposure is no number, NaN or infinite.
    """
    plan_, scales = _prepared(spec, source)
    where = spec.data.source or "the frame"
    bare = _bare(spec)
    decoder = decode.Decoder(bare, plan_.attributes, plan_.control)
    cells, histogram, excluded = [], [], {}
    with reading(where):
        clusters = aggregate.clusters(plan_)
        made = _expressions(plan_, scales)
        fetched = {kind: [fetch_products(table) for table in tables] for kind, tables in made.items()}
    for table, grouping in zip(fetched["cells"], plan_.groupings, strict=True):
        check_sums(table)
        found, left_out = decoder.cells(table, grouping, sums=names(table), extremes=_EXTREMES)
        cells.append(_keyed(found).merged())
        excluded = dict(left_out)
    for table, grouping in zip(fetched["histogram"], plan_.groupings, strict=True):
        found = _labelled(decoder.cells(table, grouping, sums=names(table))[0])
        histogram.append(found.merged(keys=("label", "bin")))
    if source.rejected:
        excluded = {UNREADABLE: source.rejected} | excluded
    source.check_unchanged()
    return Counts(
        attributes=plan_.attributes,
        control=plan_.control,
        cells=tuple(cells),
        histogram=tuple(histogram),
        excluded=tuple(excluded.items()),
        rejected_lines=source.rejected_lines,
        clusters=clusters,
        weights=spec.data.weights if "weight" in plan_.has else None,
        notes=aggregate.doubled_ids(spec, source),
        task="regression",
        scales=scales.pairs(),
    )


def expressions(spec: AuditSpec, source: Source) -> dict[str, list[ir.Table]]:
    """The aggregates that `count` runs, by the part of the counts that each fills."""
    return _expressions(*_prepared(spec, source))


def aligned(mine: Counts, theirs: Counts) -> tuple[Counts, Counts]:
    """Both counts in the coarser of their units, and in bins of the width that the range of both asks for.

    Where one of them does not say which predictions have a label, the sum does not say so either.
    """
    mine, theirs = _flagged(mine), _flagged(theirs)
    if not all("label" in table.keys for counts in (mine, theirs) for table in counts.histogram):
        mine, theirs = _unflagged(mine), _unflagged(theirs)
    one, other = dict(mine.scales), dict(theirs.scales)
    common = {name: max(one[name], other[name]) for name in one}
    common["bins"] = min(one["bins"], other["bins"])
    tables = [table for counts in (mine, theirs) for table in counts.histogram if len(table)]
    if tables:
        low = min(float(table.sums["low"].min()) for table in tables)
        high = max(float(table.sums["high"].max()) for table in tables)
        common["width"] = max(common["width"], _width(low, high, common["bins"]))
    return _rescaled(mine, common), _rescaled(theirs, common)


def _rescaled(counts: Counts, scales: dict[str, int]) -> Counts:
    """The counts in units and bins that are coarser by powers of two."""
    old = dict(counts.scales)
    if old == scales:
        return counts
    steps = {name: scales[name] - old[name] for name in old}
    cells = tuple(
        replace(
            table, sums={name: shifted(values, shift(name, steps)) for name, values in table.sums.items()}
        )
        for table in counts.cells
    )
    histogram = tuple(
        replace(table, keys={**table.keys, "bin": table.keys["bin"] >> steps["width"]}).merged()
        for table in counts.histogram
    )
    return replace(
        counts, cells=cells, histogram=histogram, scales=tuple((name, scales[name]) for name in old)
    )


def _flagged(counts: Counts) -> Counts:
    """Counts of an earlier version with the flag of a label, where all of their rows have one or none has."""
    flags = np.unique(counts.cells[0].keys["label"])
    if len(flags) != 1:
        return counts
    histogram = tuple(
        replace(
            table, keys={"label": np.full(len(table), flags[0], dtype=np.int64), "bin": table.keys["bin"]}
        )
        for table in counts.histogram
    )
    return replace(counts, histogram=histogram)


def _unflagged(counts: Counts) -> Counts:
    return replace(counts, histogram=tuple(table.merged(keys=("bin",)) for table in counts.histogram))


def _bare(spec: AuditSpec) -> AuditSpec:
    """The spec without its label and prediction, which are numbers here and no decisions."""
    columns = spec.data.columns.model_copy(update={"label": None, "prediction": None})
    return replace(spec, data=spec.data.model_copy(update={"columns": columns}))


def _prepared(spec: AuditSpec, source: Source) -> tuple[Plan, Scales]:
    columns = spec.data.columns
    for role in ("label", "prediction"):
        name = getattr(columns, role)
        if name and name not in source.table.columns:
            raise missing_column(name, source.table.columns, where=f"data.columns.{role}")
    named = {"vy": columns.label, "vp": columns.prediction, "ve": columns.exposure}

    def values(table: ir.Table, kept: Any) -> dict[str, Any]:
        found = {}
        for key, name in named.items():
            if name is not None:
                held = number(table, name)
                found[key] = held if kept is None else kept.ifelse(held, ibis.null("float64"))
        found["absent"] = found["vp"].isnull()
        return found

    plan_ = plan(_bare(spec), source, values)
    return plan_, _scales(plan_, spec)


def _scales(plan_: Plan, spec: AuditSpec) -> Scales:
    """What the values' ranges ask for; a DataError where they have none."""
    table = plan_.table
    asked: dict[str, Any] = {}
    if "ve" in table.columns:
        gaps = table.ve.isnull() & table.keep if "keep" in table.columns else table.ve.isnull()
        asked["ve_gaps"] = gaps.cast("int32").sum()
    present = [key for key in ("vy", "vp", "ve") if key in table.columns]
    for key in present:
        column = table[key]
        asked |= {f"{key}_low": column.min(), f"{key}_high": column.max()}
        asked[f"{key}_bad"] = (column.isnan() | column.isinf()).cast("int32").sum()
    if "vy" in table.columns:
        asked["r_high"] = (table.vy - table.vp).abs().max()
    if "w" in table.columns:
        asked["w_high"] = table.w.max()
    with reading("data.columns"):
        row = one_row(table.aggregate(**asked))
    names = {"vy": "label", "vp": "prediction", "ve": "exposure"}
    for key in present:
        _check_range(row, key, names[key], str(getattr(spec.data.columns, names[key])))
    largest = max(abs(row[f"{key}_{end}"]) for key in present if key != "ve" for end in ("low", "high"))
    low, high = row["vp_low"], row["vp_high"]
    return Scales(
        _exponent(largest),
        _exponent(row.get("r_high") or 1.0),
        _exponent(row.get("w_high") or 1.0),
        _exponent(row.get("ve_high") or 1.0),
        _width(low, high, plan_.bins),
        plan_.bins,
    )


def _width(low: float, high: float, bins: int) -> int:
    """The exponent of the least power of two that cuts the range into at most so many bins."""
    span = high - low
    if not span > 0:
        return _exponent(max(abs(low), 1.0)) - 40
    width = math.ceil(math.log2(span / bins))
    while math.floor(high / 2.0**width) - math.floor(low / 2.0**width) >= bins:
        width += 1
    return width


def _exponent(largest: float) -> int:
    """The least e with largest ≤ 2ᵉ.

    >>> _exponent(1.0), _exponent(5.0), _exponent(0.2)
    (0, 3, -2)
    """
    if largest == 0:
        return 0
    fraction, exponent = math.frexp(largest)
    return exponent - 1 if fraction == 0.5 else exponent


def _check_range(row: dict[str, Any], key: str, role: str, name: str) -> None:
    where = f"data.columns.{role}"
    if row[f"{key}_bad"]:
        raise DataError(
            f"column {name!r} holds {row[f'{key}_bad']} values that are NaN or infinite",
            where=where,
            hint=f"Leave a missing {role} empty (NULL), or filter those rows.",
        )
    if row.get(f"{key}_gaps"):
        raise DataError(
            f"{row[f'{key}_gaps']} rows have no {role}",
            where=where,
            hint="Give each row one, or filter those rows.",
        )
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    if low is None:
        raise DataError(f"column {name!r} holds no number", where=where, hint="Name another column.")
    if max(abs(low), abs(high)) > MOST:
        raise DataError(
            f"column {name!r} holds numbers over {MOST:g}, whose powers are out of reach",
            where=where,
            hint="Divide the column by a constant.",
        )
    if key == "ve" and low < 0:
        raise DataError(
            f"column {name!r} holds exposures under 0 (the least is {low:g})",
            where=where,
            hint="An exposure says how much a row counts: 0 or more.",
        )


def _expressions(plan_: Plan, scales: Scales) -> dict[str, list[ir.Table]]:
    made: dict[str, list[ir.Table]] = {"cells": [], "histogram": []}
    table = normalised(plan_, scales)
    for grouping in plan_.groupings:
        keys = [*plan_.keys(grouping), "absent"]
        cell_keys = [*keys, "known", *(["bucket"] if "cluster" in plan_.has else [])]
        summed = sums(plan_, table, products(table))
        extremes = {
            f"{key}_{end}": getattr(table[f"v{key}"], {"low": "min", "high": "max"}[end])()
            for key in ("y", "p")
            if f"v{key}" in plan_.table.columns
            for end in ("low", "high")
        }
        made["cells"].append(table.group_by(cell_keys).aggregate(**summed, **extremes))
        rows = sums(plan_, table, {})
        made["histogram"].append(
            table.group_by([*keys, "known", "bin"]).aggregate(**rows, low=table.vp.min(), high=table.vp.max())
        )
    return made


def _labelled(cells: Cells) -> Cells:
    """The cells with `label` 0 where there is one, else −1."""
    keys = {name: values for name, values in cells.keys.items() if name != "known"}
    return replace(cells, keys={**keys, "label": cells.keys["known"]})


def _keyed(cells: Cells) -> Cells:
    """The cells with `label` 0 where there is one (else −1), and `prediction` 0."""
    cells = _labelled(cells)
    keys = {**cells.keys, "prediction": np.zeros(len(cells), dtype=np.int64)}
    ends = {"low": np.inf, "high": -np.inf}
    extremes = {
        name: np.where(np.isnan(cells.sums[name]), ends[name[2:]], cells.sums[name])
        for name in _EXTREMES
        if name in cells.sums
    }
    return replace(cells, keys=keys, sums={**cells.sums, **extremes})
