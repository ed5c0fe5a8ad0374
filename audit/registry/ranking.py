"""The ranking family: what places in lists do to groups; queries, not rows, are the independent units."""

from __future__ import annotations

from audit.registry import Metric

TASKS = ("ranking",)
_QUERY = ("query",)
_BLIND = "Takes the candidates of each list as given: who never came into a list is not seen."
_EXAMPLE = "A list a, b, a, b"


def _ranked(
    name: str,
    title: str,
    definition: str,
    formula: str,
    *,
    unit: str,
    comparisons: tuple[str, ...],
    words: str,
    use_when: str,
    source: str,
    example: str,
    blind_spot: str = _BLIND,
    needs: tuple[str, ...] = _QUERY,
    parity: float | None = 0.0,
    high_is: str = "good",
) -> Metric:
    return Metric(
        name=name,
        title=title,
        family="ranking",
        needs=needs,
        definition=definition,
        formula=formula,
        unit=unit,
        parity=parity,
        high_is=high_is,
        interval="clustered" if comparisons else "none",
        denominator_words=words,
        blind_spot=blind_spot,
        use_when=use_when,
        source=source,
        example=example,
        comparable=bool(comparisons),
        comparisons=comparisons,
    )


_BETWEEN = ("difference", "ratio", "worst_group")

METRICS: tuple[Metric, ...] = (
    _ranked(
        "top_k_rate",
        "Rate of top places",
        "The share of the group's candidates in the top k of their list (`data.top`, 10 where left out).",
        "#(rank ≤ k, g) / n_g",
        unit="proportion",
        comparisons=_BETWEEN,
        words="the group's candidates",
        use_when="Where only the top is looked at, as a first page or a shortlist: it is its selection rate.",
        source="Yang, Stoyanovich 2017, section 3 (set-wise parity at a cut)",
        example=f"{_EXAMPLE}, k = 1: 0.5 of a, 0 of b.",
    ),
    _ranked(
        "top_k_share",
        "Share of top places",
        "The group's part of all places in the top k.",
        "#(rank ≤ k, g) / #(rank ≤ k)",
        unit="proportion",
        comparisons=(),
        words="the group's candidates",
        use_when="To describe who fills the top; skew_at_k holds it against the share of candidates.",
        source="Yang, Stoyanovich 2017, section 3",
        example=f"{_EXAMPLE}, k = 1: a has all of it.",
        parity=None,
    ),
    _ranked(
        "skew_at_k",
        "Skew at k",
        "The logarithm of the group's share of top places over its share of candidates; 0 at parity.",
        "ln((T_g/T) / (n_g/n))",
        unit="score",
        comparisons=("worst_group",),
        words="the group's candidates",
        use_when="To judge a group by itself, as worst_group with at_least: −0.2 and at_most: 0.2.",
        source="Geyik, Ambler, Kenthapadi 2019, section 3.1 (there against a desired share)",
        example="Half of the candidates, a quarter of the top: ln 0.5 = −0.693.",
        high_is="good",
    ),
    _ranked(
        "exposure",
        "Exposure",
        "The mean of 1/log2(1 + rank) over the group's candidates: 1 for a first place, 0.63 for a second.",
        "mean(1 / log2(1 + rank))",
        unit="score",
        comparisons=_BETWEEN,
        words="the group's candidates",
        use_when="Where attention falls off with the place; as a ratio, 1 is the population's share for all.",
        source="Singh, Joachims 2018, section 4.1 (demographic parity of exposure)",
        example=f"{_EXAMPLE}: a (1 + 0.5)/2 = 0.75, b (0.631 + 0.431)/2 = 0.531.",
        blind_spot=f"{_BLIND} The fall of attention is assumed, not measured.",
    ),
    _ranked(
        "exposure_share",
        "Share of exposure",
        "The group's part of all exposure.",
        "E_g / E",
        unit="proportion",
        comparisons=(),
        words="the group's candidates",
        use_when="To describe; exposure is what is compared.",
        source="Singh, Joachims 2018",
        example=f"{_EXAMPLE}: a 1.5/2.562 = 0.586.",
        parity=None,
    ),
    _ranked(
        "exposure_per_relevance",
        "Exposure for relevance",
        "The group's exposure divided by its relevance, over rows whose relevance is known.",
        "E_g / R_g",
        unit="score",
        comparisons=("ratio",),
        words="the group's candidates with relevance",
        use_when="Where exposure should follow relevance; as a ratio, 1: each gets what it deserves.",
        source="Singh, Joachims 2018, section 4.2 (disparate treatment)",
        example=f"{_EXAMPLE}, all of relevance 1: a 0.75, b 0.531, ratio 0.708.",
        blind_spot=f"{_BLIND} Relevance that comes from clicks records earlier places.",
        needs=("query", "relevance"),
    ),
    _ranked(
        "pairwise_accuracy",
        "Pairwise accuracy against other groups",
        "Of pairs in a query, a row of the group and a less relevant one of another: how often it is higher; "
        "ties by half.",
        "P(rank_i < rank_j | rel_i > rel_j, i in g, j not in g)",
        unit="proportion",
        comparisons=_BETWEEN,
        words="pairs whose more relevant row is of the group",
        use_when="To see whether deserving members of a group are passed over by less deserving others.",
        source="Beutel et al. 2019, section 4 (inter-group pairwise accuracy)",
        example="a (relevant) above b in 8 of 10 lists: a 0.8.",
        blind_spot=f"{_BLIND} A pair at the end of a list counts as one at the top.",
        needs=("query", "relevance"),
    ),
    _ranked(
        "ndkl",
        "Divergence of list openings (NDKL)",
        "The mean over lists of KL divergence between the group's share in each opening of the list and "
        "in the whole list, discounted by 1/log2(1 + place); 0 where every opening has the list's shares.",
        "Σ_i KL(D_i ‖ D)/log2(1+i) ÷ Σ_i 1/log2(1+i)",
        unit="score",
        comparisons=("worst_group",),
        words="lists without ties that hold the group and others",
        use_when="To describe how the mix changes down the lists, with no cut at k.",
        source="Geyik, Ambler, Kenthapadi 2019, section 3.2; here each group against the rest",
        example="A list a, b: (ln 2 · 1 + 0)/1.631 = 0.425.",
        blind_spot=f"{_BLIND} Above 0 for any single list by chance; says not which group is ahead.",
        high_is="bad",
    ),
)
