"""A change of a group's rate, split into who came and how they were treated (Kitagawa 1955, Oaxaca 1973).

With shares w of strata and rates r before and after, the change Σ w₁r₁ − Σ w₀r₀ is exactly
mix + within: mix = Σ (w₁ − w₀)·(r₀ + r₁)/2, within = Σ (r₁ − r₀)·(w₀ + w₁)/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.result import Group

Counts = Mapping[Group, tuple[int, int]]
"""Favourable and all rows per stratum."""


@dataclass(frozen=True, slots=True)
class Change:
    """A rate before and after, and the two parts of its change; total = mix + within."""

    before: float | None
    after: float | None
    total: float | None
    mix: float | None
    """The part that comes of another population: the same treatment of other people."""
    within: float | None
    """The part that comes of other outcomes within strata."""
    strata: tuple[tuple[Group, float, float], ...]
    """Each stratum's mix and within, the largest first."""
    unmatched: float
    """The share of rows, before or after, in strata that the other side does not have; they count as mix."""
    why: str | None
    """Set exactly where total is None."""


def decompose(before: Counts, after: Counts) -> Change:
    """The change from `before` to `after`. A stratum on one side alone is a change of the mix.

    >>> old = {("young",): (10, 100), ("old",): (80, 100)}
    >>> one = decompose(old, {("young",): (1, 10), ("old",): (152, 190)})
    >>> round(one.total, 3), round(one.mix, 3), round(one.within, 3)
    (0.315, 0.315, 0.0)
    """
    n0, n1 = (sum(n for _, n in counts.values()) for counts in (before, after))
    if not n0 or not n1:
        side = "before" if not n0 else "after"
        return Change(None, None, None, None, None, (), 0.0, f"no rows {side}")
    parts = []
    unmatched = [0, 0]
    for group in sorted({*before, *after}, key=str):
        (k0, m0), (k1, m1) = before.get(group, (0, 0)), after.get(group, (0, 0))
        if not m0 and not m1:
            continue
        if not m0 or not m1:
            unmatched[0] += m0
            unmatched[1] += m1
        r0 = k0 / m0 if m0 else k1 / m1
        r1 = k1 / m1 if m1 else r0
        w0, w1 = m0 / n0, m1 / n1
        parts.append((group, (w1 - w0) * (r0 + r1) / 2, (r1 - r0) * (w0 + w1) / 2))
    rates = [sum(k for k, _ in counts.values()) / n for counts, n in ((before, n0), (after, n1))]
    parts.sort(key=lambda part: (-abs(part[1]) - abs(part[2]), str(part[0])))
    return Change(
        before=rates[0],
        after=rates[1],
        total=rates[1] - rates[0],
        mix=sum(part[1] for part in parts),
        within=sum(part[2] for part in parts),
        strata=tuple(parts),
        unmatched=max(unmatched[0] / n0, unmatched[1] / n1),
        why=None,
    )


def gap_change(group: tuple[Counts, Counts], reference: tuple[Counts, Counts]) -> Change:
    """The change of a gap (group minus reference), each a pair (before, after).

    Its parts are the group's less the reference's; the strata listed are the group's.
    """
    mine, other = decompose(*group), decompose(*reference)
    if mine.why or other.why:
        return Change(None, None, None, None, None, (), 0.0, mine.why or f"{other.why} in the reference")
    return Change(
        before=_minus(mine.before, other.before),
        after=_minus(mine.after, other.after),
        total=_minus(mine.total, other.total),
        mix=_minus(mine.mix, other.mix),
        within=_minus(mine.within, other.within),
        strata=mine.strata,
        unmatched=max(mine.unmatched, other.unmatched),
        why=None,
    )


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
