"""A smooth function of a mean, with what its skewness does to its statistic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.engine.groups import Floats
from audit.engine.metrics.sample import Arguments, Flags, Mean

LEAST_FREEDOM = 12
"""Degrees of freedom of a variance under which a few values carry it, and nothing is judged by it."""
LEAST_FREEDOM_OF_SQUARES = 30
"""The same for a mean of squares, whose tail is as heavy again. Under 12 its root was called below a bound
that it lay on 2.6 to 3.2 times as often as the level says (Student's t with 3 degrees, 100 to 1,000 rows)
and 1.6 times with 5 degrees; with 30 at most 1.26 times. Normal errors have it from some 250 rows on."""
_NEGATIVE = "some values are under 0, so that a ratio says nothing"


@dataclass(frozen=True)
class SkewedMean(Mean):
    """g(m) of a mean m; `base`, `variance`, `third` are m, its variance and third cumulant, `freedom` the
    degrees of freedom of the variance.

    `slope`, `bend` are g′ and g″ at m; `power` is such that g(m) = mᵖ; `signed` where a value is under 0.
    """

    base: Floats
    variance: Floats
    third: Floats
    freedom: Floats
    slope: Floats
    bend: Floats
    power: float
    signed: Flags
    least_freedom: float = field(default=LEAST_FREEDOM, kw_only=True)

    def _gone(self, flags: Flags) -> dict[str, Any]:
        return {"se": np.where(flags, np.nan, self.se), "base": np.where(flags, np.nan, self.base)}

    def alone(self) -> Arguments:
        if self.leave_out.shape[1]:
            return super().alone()
        se = np.where(self._enough(), self.se, np.nan)
        return "skewed", (self.value, se, self.freedom, *self._lean(self.se, [(1.0, self)]))

    def versus(self, reference: Mean, share: Floats, comparison: str) -> Arguments:
        if self.leave_out.shape[1] or not isinstance(reference, SkewedMean):
            return super().versus(reference, share, comparison)
        enough = np.where(self._enough(reference), 1.0, np.nan)
        if comparison == "ratio":
            sound = np.where(self.signed | reference.signed, np.nan, enough)
            mine = (self.base * sound, self.variance, self.third, self.freedom)
            theirs = (reference.base, reference.variance, reference.third, reference.freedom)
            return "skewed:ratio", (*mine, *theirs, np.full(len(self), self.power), share)
        se = np.hypot(self.se, reference.se)
        lean = self._lean(se, [(1.0, self), (-1.0, reference)])
        with np.errstate(invalid="ignore", divide="ignore"):
            df = se**4 / (self.se**4 / self.freedom + reference.se**4 / reference.freedom)
        df = np.where(np.isfinite(df) & (df > 1), df, 1.0)
        return "skewed", ((1 - share) * (self.value - reference.value), enough * (1 - share) * se, df, *lean)

    @staticmethod
    def _lean(se: Floats, sides: list[tuple[float, SkewedMean]]) -> tuple[Floats, Floats]:
        """Tilt and shift of the statistic of ±g(m) summed; see `engine/skewed.py`."""
        third, curve, bias = (np.zeros(len(se)) for _ in range(3))
        with np.errstate(invalid="ignore", divide="ignore"):
            for sign, side in sides:
                third = third + sign * side.slope**3 * side.third
                curve = curve + sign * side.slope**2 * side.bend * side.variance**2
                bias = bias + sign * side.bend * side.variance
            third, curve, bias = third / se**3, curve / se**3, bias / se
        tilt, shift = third / 3 + curve / 2, third / 6 + (curve - bias) / 2
        return np.nan_to_num(tilt, posinf=0.0, neginf=0.0), np.nan_to_num(shift, posinf=0.0, neginf=0.0)

    @property
    def too_heavy(self) -> Flags:
        clustered = bool(self.leave_out.shape[1])
        found: Flags = np.isfinite(self.value) & (self.freedom < self.least_freedom) & (not clustered)
        return found

    def _enough(self, reference: Mean | None = None) -> Flags:
        """Rows enough, and no tail so heavy that their variance says little."""
        light = self.freedom >= self.least_freedom
        if isinstance(reference, SkewedMean):
            light = light & (reference.freedom >= reference.least_freedom)
        found: Flags = super()._enough(reference) & light
        return found

    def why_not(self, reference: Any, comparison: str) -> tuple[str | None, ...]:
        if comparison != "ratio":
            return (None,) * len(self)
        return tuple(_NEGATIVE if flag else None for flag in self.signed | reference.signed)
