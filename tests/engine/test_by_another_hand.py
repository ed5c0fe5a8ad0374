"""From rows to verdicts once more, from the definitions alone: sums, likelihood by bisection, Holm.

Nothing of the engine's formulas is used here. The restricted maximum is found by halving where the
likelihood's slope changes sign, exact tails are scipy's, and verdicts follow from the p values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.result import AuditResult, Comparison
from tests.engine.make import BOTH, run

Counts = tuple[float, float, float, float]
DEFINED = {
    "selection_rate": ("p == 1", "p >= 0"),
    "true_positive_rate": ("y == 1 and p == 1", "y == 1"),
    "false_positive_rate": ("y == 0 and p == 1", "y == 0"),
    "positive_predictive_value": ("y == 1 and p == 1", "p == 1"),
    "negative_predictive_value": ("y == 0 and p == 0", "p == 0"),
    "accuracy": ("y == p", "p >= 0"),
}
ALIASES = {
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "conditional_use_accuracy": ("positive_predictive_value", "negative_predictive_value"),
}
MIN_GROUP = 20


def restricted(counts: Counts, t: float, *, ratio: bool) -> tuple[float, float]:
    """The maximum likelihood of both rates where p1 = p2 + t, or t·p2: the log likelihood is concave."""
    x1, n1, x2, n2 = counts
    low, high = (0.0, min(1.0, 1 / t)) if ratio else (max(0.0, -t), min(1.0, 1 - t))

    def part(count: float, at: float) -> float:
        return 0.0 if count == 0 else count / at if at > 0 else math.inf

    for _ in range(80):
        p2 = (low + high) / 2
        p1, k = (t * p2, t) if ratio else (p2 + t, 1.0)
        up = k * part(x1, p1) + part(x2, p2)
        low, high = (p2, high) if up > k * part(n1 - x1, 1 - p1) + part(n2 - x2, 1 - p2) else (low, p2)
    return (t * low if ratio else low + t), low


def statistic(counts: Counts, t: float, side: float, *, ratio: bool) -> float:
    x1, n1, x2, n2 = counts
    p1, p2 = restricted(counts, t, ratio=ratio)
    k = t if ratio else 1.0
    v1, v2 = p1 * (1 - p1) / n1, k * k * p2 * (1 - p2) / n2
    steps = ((1 / n1, v2), (k / n2, v1))
    step = sum(span / 2 * math.exp(-2 * math.pi**2 * other / span**2) for span, other in steps)
    gap = (x1 / n1 - t * x2 / n2 if ratio else x1 / n1 - x2 / n2 - t) - side * step
    variance = (v1 + v2) * (n1 + n2) / (n1 + n2 - 1)
    if variance < 1e-14:
        return math.copysign(math.inf, gap)
    third = v1 * (1 - 2 * p1) / n1 - k * v2 * (1 - 2 * p2) / n2
    g = third / (6 * variance**1.5)
    z0 = gap / math.sqrt(variance)
    if abs(g) < 1e-9:
        return z0
    return (-1 + math.sqrt(max(0.0, 1 + 4 * g * (z0 + g)))) / (2 * g)


def exact(counts: Counts, t: float, *, above: bool, ratio: bool) -> float:
    """Twice the level at which the two Clopper–Pearson limits part at t."""
    x1, n1, x2, n2 = counts

    def least(x: float, n: float, tail: float) -> float:
        return 0.0 if x == 0 else float(stats.beta.ppf(tail, x, n - x + 1))

    def most(x: float, n: float, tail: float) -> float:
        return 1.0 if x == n else float(stats.beta.isf(tail, x + 1, n - x))

    def parted(tail: float) -> bool:
        one, other = (least, most) if above else (most, least)
        p1, p2 = one(x1, n1, tail), other(x2, n2, tail)
        gap = p1 - t * p2 if ratio else p1 - p2 - t
        return gap > 0 if above else gap < 0

    low, high = -12.0, math.log10(0.5)
    if not parted(10.0**high):
        return 1.0
    for _ in range(36):
        middle = (low + high) / 2
        low, high = (low, middle) if parted(10.0**middle) else (middle, high)
    return min(1.0, 2 * 10.0**high)


def tail(counts: Counts, t: float, *, above: bool, ratio: bool) -> float:
    """The p value of `not above t`, or of `not below t`."""
    least, most = (0.0, math.inf) if ratio else (-1.0, 1.0)
    if t <= least or t >= most:
        return float((t <= least) != above)
    z = statistic(counts, t, 1.0 if above else -1.0, ratio=ratio)
    p = float(stats.norm.sf(z if above else -z))
    x1, n1, x2, n2 = counts
    few = min(x1, n1 - x1, x2, n2 - x2) < 5
    return max(p, exact(counts, t, above=above, ratio=ratio)) if few else p


def both(counts: Counts, low: float, high: float, *, ratio: bool) -> tuple[float, float]:
    """p_pass and p_violation."""
    over, not_under = (tail(counts, t, above=True, ratio=ratio) for t in (high, low))
    under, not_over = (tail(counts, t, above=False, ratio=ratio) for t in (low, high))
    x1, n1, x2, n2 = counts

    def gap(t: float) -> float:
        return x1 / n1 - t * x2 / n2 if ratio else x1 / n1 - x2 / n2 - t

    violation = 1.0
    if high < math.inf and gap(high) > 1e-12:
        violation = min(1.0, over + not_under)
    elif low > -math.inf and gap(low) < -1e-12:
        violation = min(1.0, under + not_over)
    return max(not_under, not_over), violation


def rate(rows: pd.DataFrame, metric: str) -> tuple[int, int]:
    numerator, denominator = DEFINED[metric]
    within = rows.query(denominator)
    return len(within.query(numerator)), len(within)


def check(c: Comparison, rows: pd.DataFrame, reference: str, band: tuple[float, float]) -> None:
    ratio = c.comparison == "ratio"
    mine = rows.g == c.group[0]
    theirs = ~mine if reference in ("rest", "overall") else rows.g == c.reference
    (x1, n1), (x2, n2) = rate(rows[mine], c.metric), rate(rows[theirs], c.metric)
    assert (c.n, c.reference_n) == (n1, n2)
    assert (c.blocked is not None) == (min(n1, n2) < MIN_GROUP)
    if not n1 or not n2:
        assert c.value is c.p_pass is c.p_violation is None
        return
    share = n1 / (n1 + n2) if reference == "overall" else 0.0
    low, high = band
    against = share * x1 / n1 + (1 - share) * x2 / n2
    if ratio:
        value = x1 / n1 / against if against else None
        low, high = (t * (1 - share) / (1 - share * t) if share * t < 1 else math.inf for t in band)
    else:
        value, low, high = x1 / n1 - against, low / (1 - share), high / (1 - share)
    assert c.value == (None if value is None else pytest.approx(value, abs=1e-12))
    expected = both((x1, n1, x2, n2), low, high, ratio=ratio)
    assert (c.p_pass, c.p_violation) == pytest.approx(expected, rel=1e-5, abs=1e-8), (x1, n1, x2, n2, band)


def verdicts(result: AuditResult, alpha: float, *, one: bool) -> list[str]:
    """Holm by its definition: the largest set of the least p values, the j-th at most α/(m − j + 1)."""
    tested = [(c.p_violation, i) for i, c in enumerate(result.comparisons) if c.p_violation is not None]
    if one:
        kept = {c.metric: (p, i) for p, i in tested for c in [result.comparisons[i]]}
        tested = list(kept.values())
    rejected: set[str | int] = set()
    for place, (p, i) in enumerate(sorted(tested)):
        if p > alpha / (len(tested) - place):
            break
        rejected.add(result.comparisons[i].metric if one else i)
    found = []
    for i, c in enumerate(result.comparisons):
        if (c.metric if one else i) in rejected and c.p_violation is not None:
            found.append("violation")
        else:
            inside = c.blocked is None and c.p_pass is not None and c.p_pass <= alpha
            found.append("pass" if inside else "inconclusive")
    return found


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Two to four groups of 1 to 800 rows, at rates that are often at an end."""
    parts = []
    for name in "abcd"[: rng.integers(2, 5)]:
        n = int(rng.choice([1, 4, 15, 60, 250, 800]))
        base, right = rng.choice([0.02, 0.3, 0.5, 0.97]), rng.choice([0.6, 0.9, 0.99, 1.0])
        y = (rng.random(n) < base).astype(int)
        p = np.where(rng.random(n) < right, y, 1 - y)
        parts.append(pd.DataFrame({"g": name, "y": y, "p": p}))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[:1, "y"] = [0, 1][: len(frame.loc[:1])]
    frame.loc[:1, "p"] = [0, 1][: len(frame.loc[:1])]
    return frame


@pytest.mark.parametrize("seed", range(12))
def test_values_p_values_and_verdicts_follow_from_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = table(rng)
    reference = str(rng.choice(["largest", "rest", "overall", "a"]))
    name = str(rng.choice([*DEFINED, *ALIASES]))
    bands: list[tuple[dict[str, Any], tuple[float, float]]] = [
        ({"comparison": "difference", "at_most": 0.05}, (-0.05, 0.05)),
        ({"comparison": "difference", "at_least": -0.1, "at_most": 0.02}, (-0.1, 0.02)),
        ({"comparison": "ratio", "at_least": 0.8}, (0.8, 1.25)),
        ({"comparison": "ratio", "at_least": 0.8, "one_sided": True}, (0.8, math.inf)),
    ]
    bound, band = bands[seed % 4]
    options = {"attributes": {"g": {"reference": reference}}, "policy": {"min_group": MIN_GROUP}}
    result = run(rows, BOTH, {"metric": name, **bound}, **options)
    groups = rows.g.nunique()
    per_metric = groups if reference in ("rest", "overall") else groups - 1
    assert len(result.comparisons) == per_metric * len(ALIASES.get(name, (name,)))
    for c in result.comparisons:
        check(c, rows, reference, band)
    one = groups == 2 and reference == "rest" and seed % 4 in (0, 2)
    assert [f.verdict.value for f in result.findings] == verdicts(result, 0.05, one=one)
