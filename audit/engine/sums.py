"""Sums that are the same on every engine: fixed point, added as integers of any size; and how they travel."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from audit.engine import decode
from audit.engine.cells import FIXED, integers
from audit.engine.prepare import MAX_COUNT, MAX_WEIGHT, Plan
from audit.errors import DataError

BUCKETS = 100
"""Clusters fall into this many groups by a hash, and are left out one group at a time."""
LEAST_SQUARE = 100
"""Units of 1/FIXED that a squared weight needs on average, or rounding eats the variance."""
_NO_FRACTION = 2.0**52
"""From here on a double is whole, and adding a half could change it."""
FEW_ROWS = 2**23
"""So many units of up to FIXED add up within the 53 bits of a double."""
WIDE_SUMS = {"duckdb", "postgres"}
"""Engines whose sum of 64-bit integers has more than 64 bits by itself."""
_EXACT = ("n", "w", "w2", "s", "ss", "ws", "wss", "w2s", "w2ss")


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def md5(text: str) -> str:  # type: ignore[empty-body]
    """The engine's own md5, the same on every engine for the same text."""


@ibis.udf.scalar.builtin(name="floor")  # type: ignore[untyped-decorator]
def _floor(value: float) -> float:  # type: ignore[empty-body]
    """The engine's own floor; Ibis makes an integer of it."""


def bucket(text: Any) -> Any:
    """0 … 99 from the first three hex digits of the id's md5."""
    digits = ibis.literal("0123456789abcdef")
    digest = md5(text)
    places = [digits.find(digest.substr(index, 1)) for index in range(3)]
    number = places[0] * 256 + places[1] * 16 + places[2]
    return (number % BUCKETS).fill_null(-1)


def exact(table: ir.Table, whole: Any) -> Any:
    """The sum of 64-bit integers, whatever its size, as text."""
    wide = table.get_backend().name in WIDE_SUMS
    return (whole if wide else whole.cast("decimal(38, 0)")).sum().cast("string")


def row_sums(plan_: Plan, table: ir.Table) -> dict[str, Any]:
    """Rows, weights, squared weights, and how many weights and counts are none."""
    times = _times(plan_, table)
    made = {"n": table.count() if times is None else exact(table, times)}
    if "weight" in plan_.has:
        made["w"] = _total(plan_, table, table.w)
        made["w2"] = _total(plan_, table, table.w * table.w, large=True)
    for name in ("bad_w", "bad_k"):
        if name in table.columns:
            made[name] = table[name].cast("int32").sum()
    return made


def score_sums(plan_: Plan, table: ir.Table, *, few: bool = False) -> dict[str, Any]:
    """The rows' sums, and those of scores and squared scores, each times the weights; the extremes.

    Scores outside [0, 1] are binned and not summed: no metric reads them as probabilities. `few` says
    that there are no weights, and no cell of more than `FEW_ROWS` rows, so that doubles add up their units.
    """
    made = row_sums(plan_, table)
    weights = {"": None}
    if "weight" in plan_.has:
        weights = {"": None, "w": table.w, "w2": table.w * table.w}
    for prefix, weight in weights.items():
        for suffix, value in (("s", table.unit), ("ss", table.unit * table.unit)):
            product = value if weight is None else value * weight
            large = prefix == "w2"
            made[prefix + suffix] = _units(value).sum() if few else _total(plan_, table, product, large=large)
    return made | {"low": table.s.min(), "high": table.s.max()}


def _times(plan_: Plan, table: ir.Table) -> Any:
    return table.k.cast("int64") if "count" in plan_.has else None


def _total(plan_: Plan, table: ir.Table, value: Any, *, large: bool = False) -> Any:
    """The sum of a value's units, rounded row by row."""
    whole, times = fixed_point(value, large=large), _times(plan_, table)
    return exact(table, whole if times is None else whole * times)


def fixed_point(value: Any, *, large: bool = False) -> Any:
    """Units of 1/FIXED as 64-bit integers."""
    return _units(value, large=large).cast("int64")


def _units(value: Any, *, large: bool = False) -> Any:
    """Whole units of 1/FIXED, a half rounded up: the engines' own `round` treats a half each in its way.

    `large` says that the units may leave the range in which a double has a half to be rounded.
    """
    units = value * float(FIXED)
    half = (units < _NO_FRACTION).ifelse(0.5, 0.0) if large else 0.5
    return _floor(units + half)


def fetch(table: ir.Table, exact: Container[str] = _EXACT) -> pa.Table:
    """The rows of an aggregate. Sums travel as text, since some drivers make a wide one a double."""
    got = table.to_pyarrow()
    for place, name in enumerate(got.column_names):
        if name in exact and not pa.types.is_integer(got[name].type):
            whole = pa.int64() if pa.types.is_floating(got[name].type) else pa.decimal128(38, 0)
            got = got.set_column(place, name, got[name].cast(whole))
    return got


def one_row(table: ir.Table) -> dict[str, Any]:
    row: dict[str, Any] = table.to_pyarrow().to_pylist()[0]
    return row


def check_sums(table: pa.Table) -> None:
    """A DataError where a weight or count of an audited row is none."""
    kept = decode.kept(table)
    for name, what, hint in (
        (
            "bad_w",
            f"weights that are missing, negative, not finite or over {MAX_WEIGHT:,.0f}",
            "Divide the weights by a constant, or filter those rows.",
        ),
        (
            "bad_k",
            f"counts that are missing, negative, no whole numbers or over {MAX_COUNT:,.0f}",
            "A count column holds whole numbers of rows.",
        ),
    ):
        if name in table.column_names:
            bad = int(integers(table[name])[kept].sum())
            if bad:
                raise DataError(f"{bad} rows hold {what}", where="data.columns", hint=hint)
    if "w2" not in table.column_names:
        return
    rows, squares = (
        float(integers(table[name].fill_null(0))[kept].astype(np.float64).sum()) for name in ("n", "w2")
    )
    if squares < LEAST_SQUARE * rows:
        raise DataError(
            "the weights are all 0, or so small that their squares are lost to rounding",
            where="data.columns.weight",
            hint="Multiply them by a constant, so that they are near 1 on average.",
        )
