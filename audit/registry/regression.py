"""The regression family: metrics of a number that is predicted, from sums and a histogram."""

from __future__ import annotations

from audit.registry import Metric

TASKS = ("regression",)
_BOTH = ("label", "prediction")
_TRUSTS = "Takes the label for the truth, and speaks of labelled rows only."
_UNDRAWN = (
    "Extremes so rare that none was drawn are not allowed for: where 2 rows in 100 lie far off, 13 draws of "
    "100 rows in 100 hold none."
)
_BINNED = "Taken over up to 1,000 bins of equal width: predictions in one bin count as equal."
_DIFFERENCES = ("difference", "worst_group")


def _metric(
    name: str,
    title: str,
    definition: str,
    formula: str,
    *,
    needs: tuple[str, ...] = _BOTH,
    unit: str = "score",
    parity: float | None = 0.0,
    high_is: str = "bad",
    interval: str = "skewed",
    words: str = "rows with label and prediction",
    blind_spot: str,
    use_when: str,
    source: str,
    example: str,
    comparisons: tuple[str, ...] = (),
    between: tuple[float | None, float | None] = (None, None),
) -> Metric:
    return Metric(
        name=name,
        title=title,
        family="regression",
        needs=needs,
        definition=definition,
        formula=formula,
        unit=unit,
        parity=parity,
        high_is=high_is,
        interval=interval,
        denominator_words=words,
        blind_spot=blind_spot,
        use_when=use_when,
        source=source,
        example=example,
        comparisons=comparisons,
        between=between,
    )


_ROWS = "Labels 100 and 200, predictions 110 and 160:"

METRICS: tuple[Metric, ...] = (
    _metric(
        "mean_residual",
        "Mean residual",
        "Mean of label minus prediction; above 0 the model predicts too little for the group.",
        "mean(y − ŷ)",
        high_is="neither",
        blind_spot=f"{_TRUSTS} Too high for some and too low for others cancels. {_UNDRAWN}",
        use_when="First: whether the model errs to one side for a group.",
        source="Steyerberg et al. 2010, 'calibration-in-the-large'; intervals: Hall 1992",
        example=f"{_ROWS} (−10 + 40) / 2 = 15.",
        comparisons=_DIFFERENCES,
    ),
    _metric(
        "mae",
        "Mean absolute error",
        "Mean size of the error.",
        "mean(|y − ŷ|)",
        blind_spot=f"{_TRUSTS} A group with larger labels has larger errors at equal skill. {_UNDRAWN}",
        use_when="Where every unit of error weighs the same.",
        source="Willmott and Matsuura 2005; intervals: Hall 1992",
        example=f"{_ROWS} (10 + 40) / 2 = 25.",
        between=(0.0, None),
    ),
    _metric(
        "rmse",
        "Root mean squared error",
        "Square root of the mean squared error.",
        "√mean((y − ŷ)²)",
        blind_spot=f"{_TRUSTS} A few large errors make it; it follows the spread of labels. {_UNDRAWN}",
        use_when="Where large errors weigh more than in proportion.",
        source="Willmott and Matsuura 2005; intervals: Hall 1992, carried through the root",
        example=f"{_ROWS} √((100 + 1600) / 2) = 29.2.",
        between=(0.0, None),
    ),
    _metric(
        "r2",
        "R²",
        "One minus mean squared error over the variance of the labels within the group; 1 is perfect, 0 no "
        "better than the group's mean.",
        "1 − Σ(y − ŷ)² / Σ(y − ȳ)²",
        high_is="good",
        interval="linearised",
        blind_spot=f"{_TRUSTS} Low where a group's labels vary little, however small the errors are.",
        use_when="To see how much of the variation within each group the model explains.",
        source="Draper and Smith 1998, section 1.3",
        example=f"{_ROWS} 1 − 1700 / 5000 = 0.66.",
        comparisons=_DIFFERENCES,
        between=(None, 1.0),
    ),
    _metric(
        "actual_expected",
        "Actual to expected",
        "Sum of labels over sum of predictions, each times the row's exposure; above 1 more came than was "
        "predicted.",
        "Σ e·y / Σ e·ŷ",
        unit="ratio",
        high_is="neither",
        interval="transformed",
        blind_spot=f"{_TRUSTS} Too high for some and too low for others cancels.",
        use_when="In insurance and wherever a prediction is a rate per unit of exposure.",
        source="Dickson, Hardy, Waters 2013, section 3.4 (ratio of actual to expected)",
        example="200 claims where 250 were expected: 0.80.",
        between=(0.0, None),
    ),
    _metric(
        "mean_outcome",
        "Mean outcome",
        "Mean of the labels.",
        "mean(y)",
        high_is="neither",
        words="rows with a label",
        blind_spot=f"Says nothing of the model: it is what the model is held against. {_UNDRAWN}",
        use_when="Beside mean_prediction, to tell a difference in the world from one in the model.",
        source="Hall 1992, for its intervals",
        example=f"{_ROWS} 150.",
    ),
    _metric(
        "mean_prediction",
        "Mean prediction",
        "Mean of the predictions.",
        "mean(ŷ)",
        needs=("prediction",),
        high_is="neither",
        words="rows with a prediction",
        blind_spot=f"Does not ask what the predictions should have been. {_UNDRAWN}",
        use_when="Where no labels are known yet, or labels carry past discrimination.",
        source="Calders et al. 2013, section 3 (difference of means); intervals: Hall 1992",
        example=f"{_ROWS} 135.",
    ),
    _metric(
        "prediction_ks",
        "Kolmogorov–Smirnov distance of predictions",
        "The largest gap between the shares of two groups at or under a value, over all values.",
        "sup_t |F_a(t) − F_b(t)|",
        needs=("prediction",),
        unit="proportion",
        interval="distance",
        words="rows with a prediction",
        blind_spot=f"Says that predictions differ, not who gains. Biased upwards in small groups. {_BINNED}",
        use_when="Where any threshold may later be laid on the prediction.",
        source="Smirnov 1948; as strong demographic parity: Jiang et al. 2020, section 2",
        example="60 % of one group lie at or under 100, 40 % of the other: at least 0.20.",
        comparisons=("distance",),
    ),
    _metric(
        "prediction_wasserstein",
        "Wasserstein distance of predictions",
        "The area between the cumulative shares: by how much predictions would have to be moved on average "
        "for the groups to be alike, in the prediction's own unit.",
        "∫ |F_a(t) − F_b(t)| dt",
        needs=("prediction",),
        interval="distance",
        words="rows with a prediction",
        blind_spot=f"Says that predictions differ, not who gains. Biased upwards in small groups. {_BINNED}",
        use_when="Where the size of the gap matters in the prediction's own unit.",
        source="Vallender 1974; as strong demographic parity: Jiang et al. 2020, section 3",
        example="Every prediction of one group lies 5 above the other's: 5.",
        comparisons=("distance",),
        between=(0.0, None),
    ),
    _metric(
        "parity_at_quantiles",
        "Parity at quantiles",
        "The largest gap between the shares of two groups above a tenth of all predictions, over the nine "
        "tenths.",
        "max_q |P(ŷ > Q_q | a) − P(ŷ > Q_q | b)|, q = .1 … .9",
        needs=("prediction",),
        unit="proportion",
        interval="distance",
        words="rows with a prediction",
        blind_spot=f"Looks at nine cuts only; predictions tied at a cut fall under it. {_BINNED}",
        use_when="Where those above some quantile will be chosen, and it is not yet known which.",
        source="Calders et al. 2013, section 3, at thresholds; Agarwal, Dudík, Wu 2019, definition 1",
        example="The top half of predictions holds 60 % of one group and 45 % of the other: at least 0.15.",
        comparisons=("distance",),
    ),
)
