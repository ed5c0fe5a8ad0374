"""The multiclass family: what is not one class against the rest; that is every decision metric, by class."""

from __future__ import annotations

from audit.registry import Metric

TASKS = ("multiclass",)

METRICS: tuple[Metric, ...] = (
    Metric(
        name="macro_f1",
        title="Macro F1",
        family="multiclass",
        needs=("label", "prediction"),
        definition="The mean, over the classes that occur in the group, of each class's F1 against the rest.",
        formula="mean_c 2·TP_c / (2·TP_c + FP_c + FN_c)",
        unit="proportion",
        parity=0.0,
        high_is="good",
        interval="linearised",
        denominator_words="rows with label and prediction",
        blind_spot="A class of three rows weighs as much as one of three thousand, and groups in which other "
        "classes occur are not measured on the same ones.",
        use_when="Where rare classes matter as much as common ones; beside the classes one by one.",
        source="Sokolova and Lapalme 2009, table 3 (macro-averaged, as the mean of the classes' F-scores)",
        example="F1 of 0.9, 0.8 and 0.4: 0.70.",
    ),
    Metric(
        name="prediction_total_variation",
        title="Total variation of predictions",
        family="multiclass",
        needs=("prediction",),
        definition="Half the sum, over the classes, of the gaps between two groups' shares of predictions: "
        "the share of one group that would have to be predicted otherwise to be like the other.",
        formula="½ Σ_c |P(ŷ = c | a) − P(ŷ = c | b)|",
        unit="proportion",
        parity=0.0,
        high_is="bad",
        interval="distance",
        denominator_words="rows with a prediction",
        blind_spot="Says that predictions differ, not who gains. Biased upwards in small groups.",
        use_when="Where the classes are places or offers, and groups should get them alike.",
        source="Levin, Peres, Wilmer 2009, proposition 4.2",
        example="Shares .5, .3, .2 against .4, .3, .3: 0.10.",
        comparisons=("distance",),
    ),
)
