"""The individuals family: whether like people are treated alike, which `harm-audit individuals` measures."""

from __future__ import annotations

from audit.registry import Metric

TASKS: tuple[str, ...] = ()
"""They need rows or a model, which counts do not hold."""

METRICS: tuple[Metric, ...] = (
    Metric(
        name="consistency",
        title="Consistency",
        family="individuals",
        needs=("prediction",),
        definition="One less the mean distance of a row's decision from the mean decision of its five "
        "nearest other rows; 1 where neighbours are decided alike.",
        formula="1 − mean |ŷ_i − mean of ŷ over the k nearest others|",
        unit="score",
        parity=None,
        high_is="good",
        interval="none",
        denominator_words="rows",
        blind_spot="Stands on what counts as near: every feature counts as much, proxies of the attribute "
        "too. Deciding all alike gives 1.",
        use_when="To describe, and to find rows to read; not to judge.",
        source="Zemel et al. 2013, section 5, without the row itself among its neighbours",
        example="Four rows in two pairs, one pair decided alike, one not, k = 1: 0.5.",
        comparable=False,
    ),
    Metric(
        name="counterfactual_flip_rate",
        title="Counterfactual flip rate",
        family="individuals",
        needs=("prediction",),
        definition="The share of a group's rows whose decision changes when the attribute alone is set to "
        "another value.",
        formula="P(f(x, a) ≠ f(x, a′) | a)",
        unit="proportion",
        parity=None,
        high_is="bad",
        interval="clopper_pearson",
        denominator_words="the group's rows",
        blind_spot="Changes one column and nothing that goes with it: 0 for every model that is not given "
        "the attribute, however well proxies tell it.",
        use_when="Where the model reads the attribute, to see how often it decides by it.",
        source="Kusner et al. 2017 (counterfactual fairness); Garg et al. 2019 (flips of one token)",
        example="Of 500 women 30 are decided otherwise as men: 0.06.",
        comparable=False,
    ),
)
