"""Formulas of the inequality family: how unequally a benefit is spread over people, within groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.engine.groups import Floats, Groups
from audit.engine.metrics.decisions import labelled_on_both, smooth
from audit.engine.metrics.sample import Described, Mean, Sample, reasons
from audit.registry import Metric

if TYPE_CHECKING:
    from audit.engine.tables import Tables

BENEFIT = np.array([1.0, 2.0, 0.0, 1.0])
"""ŷ − y + 1 of TN, FP, FN, TP: two for who got more than the label says, nothing for who got less."""
_NOTHING = "nobody has a benefit"


def benefits(tables: Tables) -> Floats:
    """What TN, FP, FN, TP are worth: the spec's utility, or ŷ − y + 1 (of an adverse outcome y − ŷ + 1)."""
    assert tables.spec is not None
    system = tables.spec.system
    if system.utility is not None:
        given = system.utility
        return np.array([given.tn, given.fp, given.fn, given.tp], dtype=np.float64)
    return BENEFIT[[0, 2, 1, 3]] if system.outcome == "adverse" else BENEFIT


def sample(metric: Metric, tables: Tables, grouping: tuple[str, ...], side: str) -> Sample:
    """The metric within each group; with side `rest`, within everyone else for each group."""
    groups, worth = tables.groups(grouping), benefits(tables)
    if metric.name == "between_group_share":
        return _between(groups, worth)
    chosen = groups.rest() if side == "rest" else groups
    formula = FORMULAS[metric.name]
    made = smooth(chosen, lambda shares: formula(shares, worth), Mean, _NOTHING)
    made = replace(made, n=chosen.n[:, :2, :2].sum(axis=(1, 2)))
    held = _shares(chosen)
    some = held > 0
    none = np.asarray(~some.any(axis=1))
    made = made.undefined_where(none, "no row with label and prediction")
    if metric.name == "theil_l":
        made = made.undefined_where(np.asarray((some & (worth == 0)).any(axis=1)), "somebody's benefit is 0")
    made = made.undefined_where(np.asarray((some & (worth < 0)).any(axis=1)), "a benefit is below 0")
    return labelled_on_both(made, chosen)


def _shares(groups: Groups) -> Floats:
    table = groups.n if groups.w is None else groups.w
    found: Floats = table[:, :2, :2].reshape(len(groups), 4)
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.where(total > 0, total, 1.0), 0.0)


def _mean(shares: Any, worth: Floats) -> Any:
    return (shares * worth).sum(axis=-1, keepdims=True)


def generalized_entropy(shares: Any, worth: Floats) -> Any:
    """½ (mean((b/μ)²) − 1), of shares (…, 4)."""
    return ((shares * (worth / _mean(shares, worth)) ** 2).sum(axis=-1) - 1) / 2


def theil_t(shares: Any, worth: Floats) -> Any:
    """mean((b/μ)·ln(b/μ)); a benefit of 0 adds nothing."""
    relative = worth / _mean(shares, worth)
    logged = np.log(np.where(worth > 0, relative, 1.0))
    return (shares * relative * logged).sum(axis=-1)


def theil_l(shares: Any, worth: Floats) -> Any:
    """mean(−ln(b/μ))."""
    relative = worth / _mean(shares, worth)
    return -(shares * np.log(np.where(worth > 0, relative, 1.0))).sum(axis=-1)


def atkinson(shares: Any, worth: Floats) -> Any:
    """1 − mean(√b)² / μ: inequality aversion one half."""
    rooted = (shares * np.sqrt(np.maximum(worth, 0.0))).sum(axis=-1)
    return 1 - rooted**2 / _mean(shares, worth)[..., 0]


def coefficient_of_variation(shares: Any, worth: Floats) -> Any:
    """σ/μ, the root of twice the generalized entropy."""
    squared = 2 * generalized_entropy(shares, worth)
    return np.sqrt(squared if np.iscomplexobj(squared) else np.maximum(squared, 0.0))


def gini(shares: Any, worth: Floats) -> Any:
    """Half the mean difference of two people's benefits, over the mean."""
    apart = np.abs(worth[:, None] - worth[None, :])
    return (shares[..., :, None] * shares[..., None, :] * apart).sum(axis=(-2, -1)) / (
        2 * _mean(shares, worth)[..., 0]
    )


FORMULAS: dict[str, Callable[[Any, Floats], Any]] = {
    "generalized_entropy": generalized_entropy,
    "theil_t": theil_t,
    "theil_l": theil_l,
    "atkinson": atkinson,
    "coefficient_of_variation": coefficient_of_variation,
    "gini": gini,
}


def _between(groups: Groups, worth: Floats) -> Described:
    """The part of everyone's generalized entropy that lies between the group and the rest."""
    mine, others = _shares(groups), _shares(groups.rest())
    table = (groups.n if groups.w is None else groups.w)[:, :2, :2].sum(axis=(1, 2))
    n = groups.n[:, :2, :2].sum(axis=(1, 2))
    total = table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        share = table / total
        everyone = share[:, None] * mine + (1 - share[:, None]) * others
        mean = _mean(everyone, worth)[:, 0]
        gap = _mean(mine, worth)[:, 0] - _mean(others, worth)[:, 0]
        between = share * (1 - share) * (gap / mean) ** 2 / 2
        whole = generalized_entropy(everyone, worth)
        value = np.where(whole > 1e-15, between / whole, np.nan)
    why = reasons(np.isnan(value), "everyone has the same benefit, or nobody has one")
    alone = (table == 0) | (table == total)
    why = tuple("there is no other group" if one else said for one, said in zip(alone, why, strict=True))
    negative = ((everyone > 0) & (worth < 0)).any(axis=1)
    why = tuple("a benefit is below 0" if bad else said for bad, said in zip(negative, why, strict=True))
    value = np.where([said is not None for said in why], np.nan, value)
    return Described(value, n, why)
