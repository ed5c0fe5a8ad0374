"""The inequality family: how unequally the benefit of decisions is spread over people, within each group."""

from __future__ import annotations

from audit.registry import Metric

TASKS = ("binary", "score")
ON_REQUEST = True
"""Measured where a rule names one of the family: most audits compare groups, not people."""
_NEEDS = ("label", "prediction")
_BENEFIT = (
    "The benefit is ŷ − y + 1 (of an adverse outcome y − ŷ + 1), or `system.utility` where the spec has it."
)
_BLIND = (
    "Says how unequal people are, not who: a group may have all of the loss. Who was rejected rightly and "
    "who was accepted rightly have the same benefit. Takes labels for the truth."
)
_EXAMPLE = "Of 100 people 10 have benefit 0, 78 have 1, 12 have 2 (mean 1.02)"


def _index(
    name: str,
    title: str,
    definition: str,
    formula: str,
    *,
    use_when: str,
    source: str,
    example: str,
    comparable: bool = True,
    parity: float | None = 0.0,
    most: float | None = None,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        family="inequality",
        needs=_NEEDS,
        definition=f"{definition} {_BENEFIT}",
        formula=formula,
        unit="score",
        parity=parity,
        high_is="bad",
        interval="linearised" if comparable else "none",
        denominator_words="rows with label and prediction",
        blind_spot=_BLIND,
        use_when=use_when,
        source=source,
        example=example,
        comparable=comparable,
        comparisons=("difference", "worst_group") if comparable else (),
        between=(0.0, most),
    )


METRICS: tuple[Metric, ...] = (
    _index(
        "generalized_entropy",
        "Generalized entropy index (α = 2)",
        "Half the squared coefficient of variation of the benefit; 0 where all have the same.",
        "(mean((b/μ)²) − 1) / 2",
        use_when="As one number for how unequally errors fall on people; it splits into between and within.",
        source="Speicher et al. 2018, section 3",
        example=f"{_EXAMPLE}: ((0.78 + 0.48)/1.0404 − 1)/2 = 0.1055.",
    ),
    _index(
        "theil_t",
        "Theil's T (generalized entropy, α = 1)",
        "The mean of (b/μ)·ln(b/μ); 0 where all have the same.",
        "mean((b/μ) · ln(b/μ))",
        use_when="As generalized_entropy, where the gains at the top matter less.",
        source="Theil 1967; Speicher et al. 2018, section 3",
        example=f"{_EXAMPLE}: 0.1433.",
    ),
    _index(
        "theil_l",
        "Theil's L (mean log deviation, α = 0)",
        "The mean of −ln(b/μ); undefined where somebody's benefit is 0.",
        "mean(−ln(b/μ))",
        use_when="With a utility whose least value is above 0.",
        source="Theil 1967; Shorrocks 1980 (dividing by the mean once; AIF360 0.6 divides twice)",
        example="Benefits 1 and 2 in equal parts: −(ln(2/3) + ln(4/3))/2 = 0.0589.",
    ),
    _index(
        "atkinson",
        "Atkinson index (ε = ½)",
        "The share of all benefit that could be given up if the rest were spread equally; 0 to 1.",
        "1 − mean(√b)² / μ",
        use_when="Where inequality is to be said as a loss of welfare.",
        source="Atkinson 1970",
        example=f"{_EXAMPLE}: 1 − 0.94971²/1.02 = 0.1157.",
        most=1.0,
    ),
    _index(
        "coefficient_of_variation",
        "Coefficient of variation",
        "The benefit's standard deviation over its mean.",
        "σ / μ",
        use_when="As generalized_entropy, in a unit that more readers know.",
        source="Speicher et al. 2018, section 3 (twice the generalized entropy is its square)",
        example=f"{_EXAMPLE}: 0.4594.",
    ),
    _index(
        "gini",
        "Gini coefficient",
        "Half the mean difference between two people's benefits, over the mean; 0 where all have the same.",
        "ΣΣ |b_i − b_j| / (2n²μ)",
        use_when="Where readers know it from incomes; it does not split into between and within groups.",
        source="Gini 1912",
        example=f"{_EXAMPLE}: (0.078 + 0.024 + 0.0936)/1.02 = 0.1918.",
        most=1.0,
    ),
    _index(
        "between_group_share",
        "Share of inequality between the group and the rest",
        "The part of everyone's generalized entropy that would be left if all within the group, and all "
        "within the rest, had the same benefit; 0 where their means are equal.",
        "p(1 − p)·((μ_g − μ_rest)/μ)²/2 ÷ GE(2)",
        use_when="To see whether unequal benefit is a matter of groups at all; it mostly is of people.",
        source="Speicher et al. 2018, section 4 (subgroup decomposition)",
        example="Half the people have mean 0.9, half 1.1, GE(2) is 0.1: ¼·0.04/2 ÷ 0.1 = 0.05.",
        comparable=False,
        parity=None,
        most=1.0,
    ),
)
