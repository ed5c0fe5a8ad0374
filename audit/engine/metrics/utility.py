"""Formulas of the utility family on label × prediction counts and the four values of the spec."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.engine.groups import Floats, Groups
from audit.engine.metrics.decisions import labelled_on_both, smooth
from audit.engine.metrics.sample import Mean, Sample
from audit.registry import Metric

if TYPE_CHECKING:
    from audit.engine.tables import Tables


def sample(metric: Metric, tables: Tables, grouping: tuple[str, ...], side: str) -> Sample:
    """The metric by group; with side `rest`, of everyone else for each group."""
    assert tables.spec is not None
    assert tables.spec.system.utility is not None
    given = tables.spec.system.utility
    worth = np.array([given.tn, given.fp, given.fn, given.tp])
    groups = tables.groups(grouping)
    adverse = tables.spec.system.outcome == "adverse"
    chosen = groups.rest() if side == "rest" else groups
    if metric.name == "expected_utility":
        return _expected(chosen, worth)
    return _harm(chosen, worth, adverse=adverse)


def _expected(groups: Groups, worth: Floats) -> Mean:
    def formula(shares: Any) -> Any:
        return (shares * worth).sum(axis=-1)

    made = smooth(groups, formula, Mean, "no row with label and prediction")
    held = groups.n if groups.w is None else groups.w
    made = replace(made, n=groups.n[:, :2, :2].sum(axis=(1, 2)), mass=held[:, :2, :2].sum(axis=(1, 2)))
    return labelled_on_both(made, groups)


def _harm(groups: Groups, worth: Floats, *, adverse: bool) -> Mean:
    tn, fp, fn, tp = worth
    rejected, regret = (
        ((1, 3), np.array([tn - fp, fn - tp])) if adverse else ((0, 2), np.array([fp - tn, tp - fn]))
    )

    def formula(shares: Any) -> Any:
        part = shares[..., list(rejected)]
        return (part * regret).sum(axis=-1) / part.sum(axis=-1)

    made = smooth(groups, formula, Mean, "no labelled row with the unfavourable decision")
    held, place = groups.n if groups.w is None else groups.w, 1 if adverse else 0
    made = replace(made, n=groups.n[:, :2, place].sum(axis=1), mass=held[:, :2, place].sum(axis=1))
    return labelled_on_both(made, groups, (place,))
