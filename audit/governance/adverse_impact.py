"""Adverse impact of a selection, as US courts and agencies have measured it: ratio, tests, shortfall, flip.

A focal group had `a` selected of `n1`, the reference `c` of `n2`. Counts are whole numbers, and what can be
compared in whole numbers is. Sources: 29 CFR 1607.4(D); Questions and Answers 20 to 22 on the Uniform
Guidelines; Castaneda v. Partida, 430 US 482 n.17 (1977); Lancaster 1961 for the mid-p value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

TIE = 1e-7
"""Two probabilities this close, relatively, are one: floating point tells equal ones apart."""
ALPHA = 0.05
MIN_N = 30
POWER = 0.8

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Impact:
    """Every measure of one comparison; None where it is not defined."""

    a: int
    n1: int
    c: int
    n2: int
    ratio: float | None
    below_four_fifths: bool | None
    difference: float | None
    z_pooled: float | None
    z_hypergeometric: float | None
    fisher: float | None
    mid_p: float | None
    shortfall: float | None
    """People of the focal group who would have been selected at the pooled rate, and were not."""
    ratio_low: float | None
    ratio_high: float | None
    flip: bool | None
    """True where one selection moved from the leading group reverses who leads."""
    cohen_h: float | None
    power: float | None
    """Of seeing a true ratio of four fifths at this size, by the normal approximation."""


def impact(a: int, n1: int, c: int, n2: int) -> Impact:
    """Every measure of `a` of `n1` against `c` of `n2`.

    >>> found = impact(12, 40, 48, 80)
    >>> found.ratio, round(found.z_pooled, 4), round(found.fisher, 4), found.below_four_fifths
    (0.5, -3.0984, 0.0034, True)
    """
    for k, n in ((a, n1), (c, n2)):
        if not 0 <= k <= n:
            raise ValueError("selected lies between 0 and the group's size")
    both = n1 > 0 and n2 > 0
    fisher, mid = exact_tests(a, n1, c, n2) if both else (None, None)
    low, high = ratio_interval(a, n1, c, n2)
    return Impact(
        a=a,
        n1=n1,
        c=c,
        n2=n2,
        ratio=(a / n1) / (c / n2) if both and c else None,
        below_four_fifths=below_four_fifths(a, n1, c, n2),
        difference=a / n1 - c / n2 if both else None,
        z_pooled=_z_pooled(a, n1, c, n2),
        z_hypergeometric=_z_hypergeometric(a, n1, c, n2),
        fisher=fisher,
        mid_p=mid,
        shortfall=n1 * (a + c) / (n1 + n2) - a if both else None,
        ratio_low=low,
        ratio_high=high,
        flip=flips(a, n1, c, n2),
        cohen_h=2 * math.asin(math.sqrt(a / n1)) - 2 * math.asin(math.sqrt(c / n2)) if both else None,
        power=_power(n1, c, n2),
    )


def below_four_fifths(a: int, n1: int, c: int, n2: int) -> bool | None:
    """Whether a/n1 is less than four fifths of c/n2, without a division; 0.80 exactly is not below.

    None where a group is empty or the reference selects nobody.

    >>> below_four_fifths(48, 100, 60, 100), below_four_fifths(45, 100, 60, 100)
    (False, True)
    """
    if n1 == 0 or n2 == 0 or c == 0:
        return None
    return 5 * a * n2 < 4 * c * n1


def flips(a: int, n1: int, c: int, n2: int) -> bool | None:
    """Whether one selection moved from the leading group to the other makes the other lead.

    >>> flips(1, 10, 3, 20)
    True
    """
    if n1 == 0 or n2 == 0:
        return None
    if a * n2 > c * n1:
        a, n1, c, n2 = c, n2, a, n1
    if a * n2 == c * n1 or a + 1 > n1:
        return False
    return (a + 1) * n2 > (c - 1) * n1


def exact_tests(a: int, n1: int, c: int, n2: int) -> tuple[float, float]:
    """Fisher's two-sided p (point probabilities) and Lancaster's mid-p, which counts the observed half.

    >>> [round(p, 4) for p in exact_tests(8, 20, 12, 20)]
    [0.3431, 0.228]
    """
    m = a + c
    low, high = max(0, m - n2), min(n1, m)
    mode = min(high, max(low, (n1 + 1) * (m + 1) // (n1 + n2 + 2)))
    weights = {mode: 1.0}
    weights.update(_tail(mode, high, +1, n1, n2, m))
    weights.update(_tail(mode, low, -1, n1, n2, m))
    total = math.fsum(weights.values())
    seen = weights.get(a, 0.0)
    less = math.fsum(w for w in weights.values() if w < seen * (1 - TIE))
    equal = math.fsum(w for w in weights.values() if seen * (1 - TIE) <= w <= seen * (1 + TIE))
    return min(1.0, (less + equal) / total), min(1.0, (less + equal / 2) / total)


def _tail(mode: int, end: int, step: int, n1: int, n2: int, m: int) -> Iterator[tuple[int, float]]:
    """Hypergeometric weights relative to the mode's, outwards, until they leave floating point."""
    weight, k = 1.0, mode
    while k != end and weight > 0.0:
        if step > 0:
            weight *= (n1 - k) * (m - k) / ((k + 1) * (n2 - m + k + 1))
        else:
            weight *= k * (n2 - m + k) / ((n1 - k + 1) * (m - k + 1))
        k += step
        yield k, weight


def ratio_interval(
    a: int, n1: int, c: int, n2: int, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Interval of the ratio on the log scale (Katz 1978); half a person is added only where a cell is zero.

    >>> [round(end, 3) for end in ratio_interval(12, 40, 48, 80)]
    [0.301, 0.829]
    """
    if n1 == 0 or n2 == 0 or (a == 0 and c == 0):
        return None, None
    added = 0.5 if a == 0 or c == 0 else 0.0
    x, y, r, s = a + added, c + added, n1 + added, n2 + added
    error = math.sqrt(max(0.0, 1 / x - 1 / r + 1 / y - 1 / s))
    middle, reach = math.log((x / r) / (y / s)), _NORMAL.inv_cdf((1 + confidence) / 2) * error
    return math.exp(middle - reach), math.exp(middle + reach)


def difference_interval(a: int, n1: int, c: int, n2: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a/n1 - c/n2 from the two Wilson intervals (Newcombe 1998, method 10); neither is empty.

    >>> [round(end, 4) for end in difference_interval(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    p1, p2 = a / n1, c / n2
    (low1, high1), (low2, high2) = _wilson(p1, n1, z), _wilson(p2, n2, z)
    down = math.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    up = math.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return max(-1.0, p1 - p2 - down), min(1.0, p1 - p2 + up)


def _wilson(p: float, n: int, z: float) -> tuple[float, float]:
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _z_pooled(a: int, n1: int, c: int, n2: int) -> float | None:
    if n1 == 0 or n2 == 0 or not 0 < a + c < n1 + n2:
        return None
    pooled = (a + c) / (n1 + n2)
    return (a / n1 - c / n2) / math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))


def _z_hypergeometric(a: int, n1: int, c: int, n2: int) -> float | None:
    m, total = a + c, n1 + n2
    if n1 == 0 or n2 == 0 or not 0 < m < total:
        return None
    variance = n1 * n2 * m * (total - m) / (total**2 * (total - 1))
    return (a - n1 * m / total) / math.sqrt(variance)


def _power(n1: int, c: int, n2: int) -> float | None:
    if n1 == 0 or n2 == 0 or not 0 < c < n2:
        return None
    p2 = c / n2
    p1 = 0.8 * p2
    pooled = (p1 * n1 + p2 * n2) / (n1 + n2)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    true = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return _NORMAL.cdf((p2 - p1 - _NORMAL.inv_cdf(1 - ALPHA / 2) * null) / true)


def verdict(found: Impact, *, p: float | None = None, min_n: int = MIN_N, power: float = POWER) -> str:
    """flag, watch-ratio, watch-stat, clear, or inconclusive.

    `p` is the p value that counts, adjusted where many groups were compared; Fisher's by default. Below
    four fifths and significant is a flag; either alone is a watch; neither is clear only where a ratio
    of four fifths would have been seen.

    >>> verdict(impact(12, 40, 48, 80)), verdict(impact(9300, 10000, 9500, 10000))
    ('flag', 'watch-stat')
    """
    value = found.fisher if p is None else p
    if value is None or found.below_four_fifths is None or min(found.n1, found.n2) < min_n:
        return "inconclusive"
    significant = value < ALPHA
    if found.below_four_fifths:
        return "flag" if significant else "watch-ratio"
    if significant:
        return "watch-stat"
    return "clear" if found.power is not None and found.power >= power else "inconclusive"


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p values, in the order given.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
