"""Where values lie on an axis, and which round ones are written on it."""

from __future__ import annotations

import math
from collections.abc import Sequence


def tick_values(low: float, high: float, *, log: bool, span: float, apart: float = 44) -> list[float]:
    """Round values that fit: parity first, then by roundness, none closer than its label is wide."""
    if log:
        wanted = [1.0, 0.5, 2.0, 0.2, 5.0, 0.1, 10.0, 0.8, 1.25, 0.6, 1.5, 0.9, 1.1, 0.7, 0.4, 3.0, 0.3, 4.0]
        wanted += [base * 10.0**e for e in (-4, -3, -2, 2, 3, 4) for base in (1, 3)]
        wanted += [0.95, 1.05, 0.98, 1.02, 0.25, 0.05, 20.0, 50.0]
    else:
        step = 10 ** math.floor(math.log10((high - low) / 2))
        step = next(
            s for s in (step, 2 * step, 5 * step, 10 * step, 20 * step) if (high - low) / s <= span / 52
        )
        wanted = [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    taken: dict[float, float] = {}
    for value in wanted:
        at = position(value, low, high, log=log, span=span)
        if 0 <= at <= span and all(abs(at - other) >= apart for other in taken.values()):
            taken[value] = at
    return sorted(taken)


def position(value: float, low: float, high: float, *, log: bool, span: float) -> float:
    """Pixels from the axis' start at which a value lies, `span` being its length."""
    if log:
        return span * math.log(value / low) / math.log(high / low)
    return span * (value - low) / (high - low)


def tick_labels(ticks: Sequence[float]) -> str:
    """An expression that writes each tick with a true minus sign and no digits that say nothing."""
    words = {tick: f"{tick:.10g}".replace("-", "−") for tick in ticks}
    return "".join(f"datum.value=={tick!r}?'{word}':" for tick, word in words.items()) + "''"
