"""The products of label, prediction, residual, exposure and weight that are summed, as integers.

Values are divided by powers of two, so that they lie in [−1, 1], and summed in units of 2⁻⁵⁰: every
engine gives the same sums, and counts of two sites add up by shifting bits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from audit.engine.cells import Array, integers
from audit.engine.prepare import Plan
from audit.engine.sums import bucket, exact, fetch, row_sums

UNIT = 2.0**50
"""Sums are in units of 1/UNIT of the value's scale, to the power that it is summed in."""
VALUES = {
    **{"y1": 1, "y2": 2, "y3": 3, "y4": 4, "p1": 1, "p2": 2, "p3": 3, "p4": 4},
    **{"y1r2": 1, "y2r2": 2, "e1y1": 1, "e1p1": 1, "e2y2": 2, "e2y1p1": 2, "e2p2": 2},
}
"""The power of the values' scale in each sum: y the label, p the prediction, e the exposure."""
RESIDUALS = {"r1": 1, "r2": 2, "r3": 3, "r4": 4, "r6": 6, "r8": 8, "abs1": 1, "abs3": 3, "y1r2": 2, "y2r2": 2}
"""The power of the residuals' scale in each sum: r is y − p, abs its size."""
EXPOSURES = {"e1": 1, "e1y1": 1, "e1p1": 1, "e2y2": 2, "e2y1p1": 2, "e2p2": 2}
"""The power of the exposures' scale in each sum."""
ONE = "one"
PRODUCTS = frozenset((*VALUES, *RESIDUALS, *EXPOSURES, ONE))
WEIGHED = {"": 0, "w_": 1, "v_": 2}
"""Prefixes of sums, and the power of the weight in them."""
_SPLIT = 2.0**28
"""Where a row stands for k people, upper and lower bits are multiplied by k apart, to stay in 64 bits."""


@dataclass(frozen=True)
class Scales:
    """Exponents of two, of values, residuals, weights, exposures and a bin's width; and the most bins."""

    value: int
    residual: int
    weight: int
    exposure: int
    width: int
    bins: int

    def pairs(self) -> tuple[tuple[str, int], ...]:
        return tuple(asdict(self).items())


def normalised(plan_: Plan, scales: Scales) -> ir.Table:
    """The rows with y, p, r in [−1, 1], [−2, 2], weights and exposures in [0, 1], their bin and bucket."""
    table = plan_.table
    by = _power(-scales.value)
    p = table.vp.fill_null(0.0) * by
    labelled = table.vy.notnull() if "vy" in table.columns else ibis.literal(value=False)
    y = table.vy.fill_null(0.0) * by if "vy" in table.columns else p * 0.0
    added = {
        "known": (labelled & table.vp.notnull()).ifelse(0, -1).cast("int64"),
        "ny": labelled.ifelse(y, 0.0),
        "np": p,
        "nr": p * 0.0
        if "vy" not in table.columns
        else (labelled & table.vp.notnull()).ifelse((table.vy - table.vp) * _power(-scales.residual), 0.0),
        "bin": (table.vp * _power(-scales.width)).floor().cast("int64"),
    }
    if "ve" in table.columns:
        added["ne"] = table.ve.fill_null(0.0) * _power(-scales.exposure)
    if "weight" in plan_.has:
        added["nw"] = table.w * _power(-scales.weight)
    if "cluster" in plan_.has:
        added["bucket"] = bucket(table.cluster)
    return table.mutate(**added)


def _power(exponent: int) -> Any:
    return ibis.literal(2.0**exponent, type="float64")


def products(table: ir.Table) -> dict[str, Any]:
    y, p, r = table.ny, table["np"], table.nr
    a, known = r.abs(), (table.known == 0).ifelse(1.0, 0.0)
    rr = r * r
    made = {
        "y1": y,
        "y2": y * y,
        "y3": y * y * y,
        "y4": y * y * y * y,
        "p1": p,
        "p2": p * p,
        "p3": p * p * p,
        "p4": p * p * p * p,
    }
    made |= {"r1": r, "r2": rr, "r3": rr * r, "r4": rr * rr, "r6": rr * rr * rr, "r8": rr * rr * rr * rr}
    made |= {"abs1": a, "abs3": rr * a, "y1r2": y * rr, "y2r2": y * y * rr, ONE: table["np"] * 0.0 + 1.0}
    if "ne" in table.columns:
        e = table.ne * known
        made |= {
            "e1": e,
            "e1y1": e * y,
            "e1p1": e * p,
            "e2y2": e * e * y * y,
            "e2y1p1": e * e * y * p,
            "e2p2": e * e * p * p,
        }
    return made


def sums(plan_: Plan, table: ir.Table, factors: dict[str, Any]) -> dict[str, Any]:
    """Integer sums of the products, without weights, or times the weight and times its square."""
    made = row_sums(plan_, table)
    weights = {"": None}
    if "weight" in plan_.has:
        weights = {"w_": table.nw, "v_": table.nw * table.nw}
    for prefix, weight in weights.items():
        for name, value in factors.items():
            if name == ONE and weight is None:
                continue
            units = ((value if weight is None else value * weight) * UNIT + 0.5).floor()
            if "count" in plan_.has:
                upper = (units / _SPLIT).floor()
                k = table.k.cast("int64")
                made[prefix + name] = exact(table, upper.cast("int64") * k)
                made[f"{prefix}{name}_lower"] = exact(table, (units - upper * _SPLIT).cast("int64") * k)
            else:
                made[prefix + name] = exact(table, units.cast("int64"))
    return made


def fetch_products(table: ir.Table) -> pa.Table:
    """The rows of an aggregate, sums of split bits put together."""
    wanted = [name for name in table.columns if _is_sum(name)]
    got = fetch(table, wanted)
    for name in [name for name in got.column_names if name.endswith("_lower")]:
        whole = name.removesuffix("_lower")
        upper, lower = (integers(got[part].fill_null(0)).astype(object) for part in (whole, name))
        joined = pa.array([int(a) * int(_SPLIT) + int(b) for a, b in zip(upper, lower, strict=True)],
                          type=pa.decimal128(38, 0))  # fmt: skip
        got = got.drop_columns([name]).set_column(got.column_names.index(whole), whole, joined)
    return got


def _is_sum(name: str) -> bool:
    plain = name.removesuffix("_lower")
    return plain in ("n", "w", "w2") or any(
        plain == prefix + product for prefix in WEIGHED for product in PRODUCTS
    )


def names(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if _is_sum(name)]


def shift(name: str, steps: dict[str, int]) -> int:
    """How many bits a sum loses when its scales grow."""
    prefix, product = (name[:2], name[2:]) if name[:2] in WEIGHED else ("", name)
    if product not in PRODUCTS:
        return 0
    parts = (
        (VALUES, "value"),
        (RESIDUALS, "residual"),
        (EXPOSURES, "exposure"),
    )
    return WEIGHED[prefix] * steps["weight"] + sum(
        powers.get(product, 0) * steps[scale] for powers, scale in parts
    )


def shifted(values: Array, bits: int) -> Array:
    if not bits:
        return values
    return np.array([(int(value) + (1 << (bits - 1))) >> bits for value in values], dtype=object)
