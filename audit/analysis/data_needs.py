"""How many more rows of which group would bring its gap under the bound, or that none would."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.analysis.curves import Curves, Point
from audit.analysis.diagnostics import EVERYONE
from audit.errors import DataError, UsageError

Floats = npt.NDArray[np.float64]

_EXPONENTS = np.linspace(0.1, 2.0, 39)
"""Learning curves of real models fall with exponents between these."""
_DRAWS = 1000
_FARTHEST = 100
"""More than this many times the present rows counts as out of reach."""


@dataclass(frozen=True, slots=True)
class Need:
    """What more rows of one group would do for its gap to the reference."""

    group: str
    reference: str
    bound: float
    confidence: float
    present_rows: int
    gap: float
    """The measured gap at the present rows: the group's error less the reference's."""
    verdict: str
    """`enough already`, `more rows would do`, `more rows will not do it`, `cannot say`."""
    why: str
    rows_more: int | None
    """Rows to add at which the fitted gap meets the bound."""
    rows_more_sure: int | None
    """Rows to add at which it does so at the confidence."""
    gap_then_low: float | None
    gap_then_high: float | None
    """Between these the gap will be measured, on as many test rows as now, with `rows_more` added."""
    floor: float
    """The fitted gap at a hundred times the present rows: no number within reach brings it lower."""
    floor_low: float
    floor_high: float
    """The floor's lower and upper limit, each at the confidence."""
    fitted: tuple[float, ...]
    """a, b, c of the group's curve: error = a + b·rows^−c."""


@dataclass(frozen=True)
class Fits:
    """Fitted curves error = a + b·n^−c, one an entry."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, n: float | Floats) -> Floats:
        """(fits,) the error at n rows."""
        result: Floats = self.a + self.b * np.asarray(n, dtype=float) ** -self.c
        return result

    def rows_for(self, error: Floats) -> Floats:
        """(fits,) the rows at which the error falls to `error`; infinite where it never does."""
        room = error - self.a
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            needed = (self.b / room) ** (1 / self.c)
        return np.where(self.b <= 0, np.where(room >= 0, 0.0, np.inf), np.where(room > 0, needed, np.inf))


def fit(n: Floats, errors: Floats, weights: Floats) -> Fits:
    """Weighted least squares of a + b·n^−c with a, b ≥ 0, for every row of `errors` (draws, sizes).

    c runs over a grid, for each of which a and b have a closed form. Sizes are in rows.
    """
    best = np.full(len(errors), np.inf)
    found = np.zeros((3, len(errors)))
    w = weights / weights.sum()
    mean_y = errors @ w
    for c in _EXPONENTS:
        x = n**-c
        mean_x = float(x @ w)
        spread = float(((x - mean_x) ** 2) @ w)
        slope = np.maximum(((errors - mean_y[:, None]) * (x - mean_x)) @ w / spread, 0.0)
        level = mean_y - slope * mean_x
        through_zero = np.maximum(errors @ (w * x) / float((x * x) @ w), 0.0)
        slope = np.where(level < 0, through_zero, slope)
        level = np.maximum(level, 0.0)
        loss = (errors - level[:, None] - slope[:, None] * x) ** 2 @ w
        better = loss < best - 1e-15
        best = np.where(better, loss, best)
        found[:, better] = np.stack([level, slope, np.full(len(errors), c)])[:, better]
    return Fits(*found)


def data_needs(
    curves: Curves,
    *,
    bound: float,
    reference: str = EVERYONE,
    confidence: float = 0.95,
    groups: tuple[str, ...] | None = None,
    seed: int = 0,
) -> tuple[Need, ...]:
    """For each group: the rows that bring its error to at most `bound` above the reference's.

    The group's curve is the one that thinned it alone, where there is one, else the one that thinned
    all alike; the reference stays at its present error. The curve is drawn anew a thousand times
    from the spread of the repeats and of the test rows, and fitted each time: the intervals are
    quantiles over these. `more rows will not do it` where the fitted floor of the gap is above the
    bound at the confidence: then it is bias or noise, and `split_disparity` tells which.
    Errors: UsageError for a bound below 0 or unknown groups; DataError for fewer than three sizes.
    Source: inverse power laws as in Chen, Johansson and Sontag, NeurIPS 2018, section 4.
    """
    if not 0 <= bound < 1:
        raise UsageError(f"the bound {bound:g} is outside [0, 1)", where="bound")
    if not 0.5 < confidence < 1:
        raise UsageError(f"the confidence {confidence:g} is outside (0.5, 1)", where="confidence")
    known = (EVERYONE, *curves.groups)
    for name in (reference, *(groups or ())):
        if name not in known:
            raise UsageError(f"no group is called {name!r}", hint=f"Groups: {', '.join(known)}.")
    asked = groups or tuple(name for name in curves.groups if name != reference)
    rng = np.random.default_rng(seed)
    return tuple(_need(curves, name, reference, bound, confidence, rng) for name in asked)


@dataclass(frozen=True)
class _Series:
    n: Floats
    mean: Floats
    drawn: Floats
    weights: Floats
    test_rows: int
    fit_variance: float


def _series(points: tuple[Point, ...], group: str, rng: np.random.Generator) -> _Series:
    """Mean error by size, and draws of it: each repeat's chance, and the test rows' chance for all."""
    points = tuple(one for one in points if one.test_rows > 0)
    sizes = sorted({one.group_rows for one in points})
    if len(sizes) < 3:
        raise DataError(
            f"{len(sizes)} sizes of the curve have test rows of {group!r}; three are the least",
            where="data needs",
            hint="Fit at more fractions, or bring test rows of that group.",
        )
    test_rows = points[0].test_rows
    fraction = np.array([min(1.0, size / sizes[-1]) for size in sizes])
    rates = [np.array([p.test_errors / p.test_rows for p in points if p.group_rows == n]) for n in sizes]
    mean = np.array([rate.mean() for rate in rates])
    repeats = np.array([len(rate) for rate in rates])
    chance = mean.clip(1 / test_rows, 1 - 1 / test_rows)
    chance = chance * (1 - chance) / test_rows
    n = np.array(sizes, dtype=float)
    fits = _fit_variance(n, rates, fraction, chance)
    own = rng.standard_normal((_DRAWS, len(sizes))) * np.sqrt(
        fits / n * (fraction + (1 - fraction) / repeats)
    )
    shared = rng.standard_normal((_DRAWS, 1)) * np.sqrt(chance)
    drawn = np.clip(mean + own + shared, 0.0, 1.0)
    return _Series(n, mean, drawn, n / (fits + n * chance), test_rows, fits)


def _fit_variance(n: Floats, rates: list[Floats], fraction: Floats, chance: Floats) -> float:
    """The variance of one fit's error over training samples, times its rows.

    It falls about as 1/rows. Subsets of the same rows share the part `fraction` of them, so that the
    repeats show 1 − fraction of it, and none at all where every row is taken.
    """
    terms = [
        (len(rate) - 1, float(rate.var(ddof=1)) * size / (1 - part))
        for size, rate, part in zip(n, rates, fraction, strict=True)
        if len(rate) > 1 and part < 1
    ]
    if not terms:
        return float((chance * n).mean())
    return float(sum(weight * value for weight, value in terms) / sum(weight for weight, _ in terms))


@dataclass(frozen=True)
class _Level:
    mean: float
    drawn: Floats
    test_rows: int


def _level(points: tuple[Point, ...], reference: str, rng: np.random.Generator) -> _Level:
    """The reference's error where no row was taken away, and draws of it for the test rows' chance."""
    points = tuple(one for one in points if one.test_rows > 0)
    if not points:
        raise DataError(f"no fit has test rows of {reference!r}", where="data needs")
    largest = max(one.fraction for one in points)
    rates = [one.test_errors / one.test_rows for one in points if one.fraction == largest]
    mean, rows = float(np.mean(rates)), points[0].test_rows
    chance = min(max(mean, 1 / rows), 1 - 1 / rows)
    drawn = mean + rng.standard_normal(_DRAWS) * math.sqrt(chance * (1 - chance) / rows)
    return _Level(mean, np.clip(drawn, 0.0, 1.0), rows)


def _need(
    curves: Curves, group: str, reference: str, bound: float, confidence: float, rng: np.random.Generator
) -> Need:
    own = curves.of(group, varied=group)
    series = _series(own or curves.of(group), group, rng)
    other = _level(curves.of(reference, varied=group if own else EVERYONE), reference, rng)
    fitted, draws = (fit(series.n, errors, series.weights) for errors in (series.mean[None, :], series.drawn))
    level, levels = other.mean, other.drawn
    present = int(series.n[-1])
    tail = 1 - confidence
    point = float(fitted.rows_for(np.array([level + bound]))[0])
    needed = draws.rows_for(levels + bound)
    reachable = needed <= _FARTHEST * present
    floor = draws.at(_FARTHEST * present) - levels
    sure = float(np.quantile(needed, confidence, method="higher"))
    rows_more = _more(point, present)
    verdict, why = _verdict(point, sure, reachable, present, tail)
    then = None
    if rows_more is not None and verdict != "more rows will not do it":
        then = _measured(draws, levels, present + rows_more, series, other, tail, rng)
    return Need(
        group,
        reference,
        bound,
        confidence,
        present,
        float(series.mean[-1]) - level,
        verdict,
        why,
        rows_more if then is not None else None,
        _more(sure, present) if then is not None else None,
        None if then is None else then[0],
        None if then is None else then[1],
        float(fitted.at(_FARTHEST * present)[0]) - level,
        float(np.quantile(floor, tail)),
        float(np.quantile(floor, 1 - tail)),
        (float(fitted.a[0]), float(fitted.b[0]), float(fitted.c[0])),
    )


def _more(needed: float, present: int) -> int | None:
    return max(0, math.ceil(needed) - present) if needed <= _FARTHEST * present else None


def _verdict(
    point: float, sure: float, reachable: npt.NDArray[np.bool_], present: int, tail: float
) -> tuple[str, str]:
    share = float(reachable.mean())
    if sure <= present:
        return "enough already", "the fitted gap lies within the bound at the present rows"
    if share <= tail:
        return "more rows will not do it", (
            "the gap levels off above the bound: look for bias (model, features) or noise (labels)"
        )
    if share >= 1 - tail and point <= _FARTHEST * present:
        return "more rows would do", "the fitted gap falls under the bound"
    return "cannot say", (
        f"in {share:.0%} of the draws the gap falls under the bound; more repeats or test rows would tell"
    )


def _measured(
    draws: Fits,
    levels: Floats,
    rows: int,
    series: _Series,
    other: _Level,
    tail: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Where a gap measured anew will lie: the curve's doubt, one fit's chance, that of as many test rows."""
    means = (np.clip(draws.at(max(rows, 1)), 0, 1), levels)
    fitted = rng.standard_normal(_DRAWS) * math.sqrt(series.fit_variance / max(rows, 1))
    means = (np.clip(means[0] + fitted, 0, 1), levels)
    sizes = (series.test_rows, other.test_rows)
    seen = [rng.binomial(size, mean) / size for size, mean in zip(sizes, means, strict=True)]
    low, high = np.quantile(seen[0] - seen[1], [tail / 2, 1 - tail / 2])
    return float(low), float(high)
