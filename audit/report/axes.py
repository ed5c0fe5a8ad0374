"""Where values lie on an axis, and which round ones are written on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.report import numbers

LETTER = 8.0
"""Pixels of a digit on an axis, rather too many."""


def tick_values(low: float, high: float, *, log: bool, span: float, apart: float = 44) -> list[float]:
    """Round values that fit: parity first, then by roundness, none closer than its label is wide."""
    if log:
        wanted = [1.0, 0.5, 2.0, 0.2, 5.0, 0.1, 10.0, 0.8, 1.25, 0.6, 1.5, 0.9, 1.1, 0.7, 0.4, 3.0, 0.3, 4.0]
        wanted += [base * 10.0**e for e in (-4, -3, -2, 2, 3, 4) for base in (1, 3)]
        wanted += [0.95, 1.05, 0.98, 1.02, 0.25, 0.05, 20.0, 50.0]
    else:
        wanted = _steps(low, high, span)
    taken: dict[float, float] = {}
    for value in wanted:
        at = position(value, low, high, log=log, span=span)
        if 0 <= at <= span and all(abs(at - other) >= apart for other in taken.values()):
            taken[value] = at
    return sorted(taken)


def _steps(low: float, high: float, span: float) -> list[float]:
    """The multiples of the least round step at which no label reaches its neighbour."""
    least = 10 ** math.floor(math.log10((high - low) / 2))
    for step in (least * times for times in (1, 2, 5, 10, 20)):
        wanted = [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
        wide = max((LETTER * len(tick_word(value)) for value in wanted), default=0.0)
        if (high - low) / step <= span / max(52, wide + LETTER):
            break
    return wanted


def position(value: float, low: float, high: float, *, log: bool, span: float) -> float:
    """Pixels from the axis' start at which a value lies, `span` being its length."""
    if log:
        return span * math.log(value / low) / math.log(high / low)
    return span * (value - low) / (high - low)


def tick_labels(ticks: Sequence[float]) -> str:
    """An expression that writes each tick as `tick_word` does."""
    return "".join(f"datum.value=={tick!r}?'{tick_word(tick)}':" for tick in ticks) + "''"


def tick_word(tick: float) -> str:
    """A tick with commas between thousands, a true minus sign and no digits that say nothing.

    >>> tick_word(-25000.0), tick_word(0.05), tick_word(1e6)
    ('−25,000', '0.05', '1,000,000')
    """
    plain = f"{tick:,.0f}" if tick == round(tick) and abs(tick) < 1e15 else f"{tick:,.10g}"
    return plain.replace("-", numbers.MINUS)
