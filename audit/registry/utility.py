"""The utility family: what decisions are worth to the people decided about, as the spec values outcomes."""

from __future__ import annotations

from audit.registry import Metric

TASKS = ("binary", "score")
_NEEDS = ("label", "prediction", "utility")
_VALUES = (
    "Stands on the four values of system.utility: other values, other findings. Takes labels for the truth."
)
_EXAMPLE = "With {tp: 1, fp: −2, fn: −1, tn: 0}"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="expected_utility",
        title="Expected utility",
        family="utility",
        needs=_NEEDS,
        definition="The mean, over a group's labelled rows, of what the outcome is worth to the person.",
        formula="(u_tp·TP + u_fp·FP + u_fn·FN + u_tn·TN) / n",
        unit="score",
        parity=0.0,
        high_is="good",
        interval="linearised",
        denominator_words="rows with label and prediction",
        blind_spot=f"{_VALUES} Groups of unlike base rates differ in it even where the model never errs.",
        use_when="Where the kinds of error weigh unequally and their weights can be stated and defended.",
        source="Heidari, Ferrari, Gummadi, Krause 2018, section 2 (benefit and social welfare of a group)",
        example=f"{_EXAMPLE}: 30 TP, 12 FP, 10 FN, 48 TN give (30 − 24 − 10) / 100 = −0.04.",
    ),
    Metric(
        name="harm_from_rejection",
        title="Harm from rejection",
        family="utility",
        needs=_NEEDS,
        definition="The mean, over those who got the unfavourable decision, of what the other decision would "
        "have been worth more to them, their label being what it is; under 0 they were better off so.",
        formula="favourable: ((u_tp − u_fn)·FN + (u_fp − u_tn)·TN) / (FN + TN); "
        "adverse: ((u_fn − u_tp)·TP + (u_tn − u_fp)·FP) / (TP + FP)",
        unit="score",
        parity=0.0,
        high_is="bad",
        interval="linearised",
        denominator_words="labelled rows with the unfavourable decision",
        blind_spot=f"{_VALUES} Undefined where the rejected have no labels, which is the usual case after "
        "deployment; says nothing of how many are rejected.",
        use_when="Where rejection closes a door, and labels of the rejected are known or were gathered.",
        source="The regret of a decision under known outcomes: Savage 1951, section 4, averaged "
        "over the rejected; individual utilities as in Heidari et al. 2018, section 2",
        example=f"{_EXAMPLE}: 10 FN at 1 − (−1) = 2 and 48 TN at −2 − 0 = −2 give (20 − 96) / 58 = −1.31.",
    ),
)
