"""From rows to verdicts by each road: references, weights, clusters, strata, small groups, exact integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from audit.engine.run import audit
from audit.errors import SpecError
from audit.result import Verdict
from audit.spec import from_dict
from tests.engine.make import (
    BOTH,
    audited,
    comparison,
    estimate,
    finding,
    random_rows,
    run,
    selected,
    spec,
    table,
    verdict,
)

ONLY = {"prediction": "p"}
RATIO = {"id": "ratio", "metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}
DIFFERENCE = {"id": "difference", "metric": "selection_rate", "comparison": "difference", "at_most": 0.1}
LAW = {"metric": "four_fifths"}
BERKELEY = {
    "A": ((512, 825), (89, 108)),
    "B": ((353, 560), (17, 25)),
    "C": ((120, 325), (202, 593)),
    "D": ((138, 417), (131, 375)),
    "E": ((53, 191), (94, 393)),
    "F": ((22, 373), (24, 341)),
}
"""Admitted of applied, men and women, in the six largest departments of 1973 (Bickel et al. 1975)."""


def berkeley() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"department": name, "g": sex, "p": p, "n": n}
            for name, both in BERKELEY.items()
            for sex, (admitted, applied) in zip(("men", "women"), both, strict=True)
            for p, n in ((1, admitted), (0, applied - admitted))
        ]
    )


EXACT = [
    ((3, 5), (15, 20), "pass"),
    ((6, 10), (15, 20), "pass"),
    ((48, 100), (60, 100), "pass"),
    ((48, 60), (60, 60), "pass"),
    ((47, 60), (60, 60), "violation"),
    ((479, 1000), (600, 1000), "violation"),
    ((4, 49), (5, 49), "pass"),
    ((28, 100), (35, 100), "pass"),
    ((1, 3), (5, 12), "pass"),
    ((333_333, 1_000_000), (5, 12), "violation"),
    ((0, 10), (1, 10), "violation"),
]


@pytest.mark.parametrize(("own", "best", "expected"), EXACT, ids=str)
def test_four_fifths_compares_integers(own: tuple[int, int], best: tuple[int, int], expected: str) -> None:
    assert (5 * own[0] * best[1] < 4 * best[0] * own[1]) == (expected == "violation")
    rows = pd.DataFrame(
        [
            {"g": g, "p": p, "n": n}
            for g, (chosen, size) in (("own", own), ("best", best))
            for p, n in ((1, chosen), (0, size - chosen))
        ]
    )
    result = run(rows, {**ONLY, "count": "n"}, LAW, policy={"min_group": 1})
    found = comparison(result, "selection_rate", "own")
    assert found.by_point == expected
    assert found.reference == "best"
    assert found.value == pytest.approx(float(Fraction(*own) / Fraction(*best)), abs=1e-15)


def test_four_fifths_has_float_traps_that_it_steps_over() -> None:
    assert 0.6 / 0.75 < 0.8
    result = run(selected(own=(60, 100), best=(75, 100)), ONLY, LAW)
    assert comparison(result, "selection_rate", "own").by_point == "pass"
    assert verdict(result, "four_fifths").verdict is Verdict.PASS


def test_four_fifths_with_weights_compares_rationals() -> None:
    rows = selected(own=(60, 100), best=(75, 100)).assign(w=0.5)
    result = run(rows, {**ONLY, "weight": "w"}, LAW)
    assert comparison(result, "selection_rate", "own").by_point == "pass"
    lighter = rows.assign(w=np.where((rows.g == "own") & (rows.p == 1), 0.5 - 2**-20, 0.5))
    result = run(lighter, {**ONLY, "weight": "w"}, LAW)
    assert comparison(result, "selection_rate", "own").by_point == "violation"


def test_an_adverse_outcome_turns_four_fifths_round() -> None:
    rows = selected(a=(20, 100), b=(40, 100))
    good, bad = (run(rows, ONLY, LAW, outcome=outcome) for outcome in ("favourable", "adverse"))
    assert good.comparisons[0].group == ("a",)
    assert good.comparisons[0].value == pytest.approx(0.5)
    assert good.comparisons[0].by_point == "violation"
    assert bad.comparisons[0].group == ("b",)
    assert bad.comparisons[0].value == pytest.approx(0.75)
    assert bad.comparisons[0].by_point == "violation"
    assert any("not predicted positive" in words for words in bad.data.warnings)


RATES = {"a": (300, 1000), "b": (300, 600), "c": (100, 400)}
REFERENCES: dict[str, dict[str, float]] = {
    "a": {"b": 0.5 - 0.3, "c": 0.25 - 0.3},
    "b": {"a": 0.3 - 0.5, "c": 0.25 - 0.5},
    "largest": {"b": 0.5 - 0.3, "c": 0.25 - 0.3},
    "rest": {"a": 0.3 - 0.4, "b": 0.5 - 400 / 1400, "c": 0.25 - 600 / 1600},
    "overall": {"a": 0.3 - 0.35, "b": 0.5 - 0.35, "c": 0.25 - 0.35},
    "best": {"a": 0.3 - 0.5, "c": 0.25 - 0.5},
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_reference(reference: str) -> None:
    result = run(selected(**RATES), ONLY, DIFFERENCE, attributes={"g": {"reference": reference}})
    found = {c.group[0]: c.value for c in result.comparisons}
    assert found == pytest.approx(REFERENCES[reference], abs=1e-12)
    names = {"largest": "a", "best": "b"}
    assert {c.reference for c in result.comparisons} == {names.get(reference, reference)}
    for c in result.comparisons:
        assert c.value is not None
        assert c.low is not None
        assert c.high is not None
        assert c.low <= c.value <= c.high or reference == "best"


FOUR = {"a": (300, 100, 50, 550), "b": (500, 10, 10, 480), "c": (200, 150, 150, 500)}


@pytest.mark.parametrize(
    ("metric", "favourable", "adverse"),
    [
        ("accuracy", "b", "b"),
        ("error_rate", "b", "b"),
        ("selection_rate", "b", "a"),
        ("false_positive_rate", "c", "b"),
        ("false_negative_rate", "b", "c"),
        ("positive_predictive_value", "b", "b"),
    ],
)
def test_the_best_is_best_for_people_and_the_value_is_the_metrics_own(
    metric: str, favourable: str, adverse: str
) -> None:
    for outcome, best in (("favourable", favourable), ("adverse", adverse)):
        for kind in ({"comparison": "ratio", "at_least": 0.8}, {"comparison": "difference", "at_most": 0.1}):
            options = {"attributes": {"g": {"reference": "best"}}, "outcome": outcome}
            result = run(table(**FOUR), BOTH, {"metric": metric, **kind}, **options)
            top = estimate(result, metric, g=best).value
            assert {c.reference for c in result.comparisons} == {best}
            for c in result.comparisons:
                own = estimate(result, metric, g=c.group[0]).value
                expected = own / top if kind["comparison"] == "ratio" else own - top
                assert c.value == pytest.approx(expected, abs=1e-12)


def test_the_highest_and_the_lowest_as_best_are_one_test_mirrored() -> None:
    """A difference of 1 − p is that of p with its sign turned, p values and limits with it."""
    rates = {"a": (280, 1000), "b": (300, 600), "c": (100, 400), "d": (3, 9)}
    rows = selected(**rates)
    turned = rows.assign(p=1 - rows.p)
    options = {"attributes": {"g": {"reference": "best"}}, "policy": {"min_group": 1}}
    one = run(rows, ONLY, DIFFERENCE, **options)
    other = run(turned, ONLY, DIFFERENCE, outcome="adverse", **options)
    assert [c.group for c in one.comparisons] == [c.group for c in other.comparisons]
    for c, d in zip(one.comparisons, other.comparisons, strict=True):
        assert (c.value, c.p_pass, c.p_violation) == pytest.approx((-d.value, d.p_pass, d.p_violation))
        assert (c.pass_low, c.pass_high) == pytest.approx((-d.pass_high, -d.pass_low))
        assert (c.violation_low, c.violation_high) == pytest.approx((-d.violation_high, -d.violation_low))


@pytest.mark.parametrize(
    ("metric", "outcome", "bound", "refused"),
    [
        ("selection_rate", "favourable", {"at_most": 0.05}, True),
        ("selection_rate", "adverse", {"at_most": 0.05}, False),
        ("selection_rate", "adverse", {"at_least": -0.05}, True),
        ("error_rate", "favourable", {"at_most": 0.05}, False),
        ("equalized_odds", "favourable", {"at_most": 0.05}, True),
    ],
)
def test_a_bound_beyond_the_best_is_refused(
    metric: str, outcome: str, bound: dict[str, float], refused: bool
) -> None:
    rule = {"metric": metric, "comparison": "difference", "one_sided": True, **bound}
    options = {"attributes": {"g": {"reference": "best"}}, "outcome": outcome}
    if refused:
        with pytest.raises(SpecError, match="cannot be missed"):
            run(table(**FOUR), BOTH, rule, **options)
    else:
        assert run(table(**FOUR), BOTH, rule, **options).comparisons


def test_largest_of_equal_groups_is_the_first_by_name_and_never_the_missing() -> None:
    rows = selected(b=(10, 50), a=(20, 50))
    assert {c.reference for c in run(rows, ONLY, RATIO).comparisons} == {"a"}
    unknown = pd.concat([rows, selected(x=(10, 500)).assign(g=None)])
    assert {c.reference for c in run(unknown, ONLY, RATIO).comparisons} == {"a"}


def test_overall_ratio_from_the_rest() -> None:
    result = run(selected(**RATES), ONLY, RATIO, attributes={"g": {"reference": "overall"}})
    for group, (chosen, size) in RATES.items():
        value = comparison(result, "selection_rate", group).value
        assert value == pytest.approx(chosen / size / 0.35, abs=1e-12)


def test_two_groups_against_rest_are_one_hypothesis() -> None:
    rows = selected(a=(500, 1000), b=(450, 1000))
    one = run(rows, ONLY, {**DIFFERENCE, "at_most": 0.01}, attributes={"g": {"reference": "rest"}})
    named = run(rows, ONLY, {**DIFFERENCE, "at_most": 0.01}, attributes={"g": {"reference": "a"}})
    first, second = one.comparisons
    assert first.value == pytest.approx(-(second.value or 0))
    assert (first.violation_low, first.violation_high) != (None, None)
    [against] = named.comparisons
    assert second.violation_low == pytest.approx(against.violation_low, abs=1e-9)


def test_equalized_odds_brings_both_rates() -> None:
    rows = table(a=(4000, 1000, 1000, 4000), b=(4000, 1000, 1500, 3500))
    result = run(rows, BOTH, {"metric": "equalized_odds", "at_most": 0.05})
    assert {c.metric for c in result.comparisons} == {"true_positive_rate", "false_positive_rate"}
    assert finding(result, "true_positive_rate", "b").verdict is Verdict.PASS
    assert finding(result, "false_positive_rate", "b").verdict is Verdict.VIOLATION
    assert result.verdict is Verdict.VIOLATION


def test_differential_fairness_names_the_pair() -> None:
    rows = selected(a=(2000, 10_000), b=(3000, 10_000), c=(2500, 10_000))
    result = run(rows, ONLY, {"metric": "differential_fairness", "at_most": 0.2})
    worst = max(result.comparisons, key=lambda c: c.value or 0)
    assert worst.value == pytest.approx(math.log(1.5))
    assert {worst.group[0], worst.reference} == {"a", "b"}
    assert comparison(result, "selection_rate", "c").value == pytest.approx(math.log(1.25))
    assert result.verdict is Verdict.VIOLATION
    wide = run(rows, ONLY, {"metric": "differential_fairness", "at_most": 1.0})
    assert wide.verdict is Verdict.PASS


def test_berkeley_pooled_and_within_departments() -> None:
    rule = {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.15}
    columns = {**ONLY, "count": "n"}
    result = run(berkeley(), columns, rule, DIFFERENCE, control=["department"])
    men, women = (estimate(result, "selection_rate", g=sex) for sex in ("men", "women"))
    assert (men.n, women.n) == (2691, 1835)
    assert men.value == pytest.approx(0.445, abs=5e-4)
    assert women.value == pytest.approx(0.304, abs=1e-3)
    [found] = result.conditional
    assert found.pooled == pytest.approx((women.value or 0) - (men.value or 0))
    by_hand = mantel_haenszel()
    assert found.difference == pytest.approx(by_hand, abs=1e-12)
    assert found.difference_low is not None
    assert found.difference_high is not None
    assert found.difference_low < by_hand < found.difference_high
    assert found.simpson is not None
    assert len(found.strata) == 6
    assert sum((s.difference or 0) > 0 for s in found.strata) == 4
    assert verdict(result, "difference").verdict is Verdict.VIOLATION


def mantel_haenszel() -> float:
    over = under = 0.0
    for (k2, n2), (k1, n1) in BERKELEY.values():
        weight = n1 * n2 / (n1 + n2)
        over += weight * (k1 / n1 - k2 / n2)
        under += weight
    return over / under


def test_a_conditional_rule_needs_every_stratum_inside() -> None:
    rows = pd.concat(
        [
            selected(a=(5000, 10_000), b=(6000, 10_000)).assign(office="north"),
            selected(a=(5000, 10_000), b=(4000, 10_000)).assign(office="south"),
        ]
    )
    rule = {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.05}
    result = run(rows, ONLY, rule, DIFFERENCE, control=["office"])
    assert comparison(result, "selection_rate", "b", rule="selection_rate").value == pytest.approx(
        0, abs=1e-12
    )
    strata = [c for c in result.comparisons if c.stratum is not None]
    assert sorted(c.value or 0 for c in strata) == pytest.approx([-0.1, 0.1])
    assert verdict(result, "selection_rate").verdict is Verdict.VIOLATION
    assert verdict(result, "difference").verdict is Verdict.PASS


def test_no_simpson_where_there_is_nothing_to_find() -> None:
    rows = random_rows(51, 2000)
    result = run(rows, BOTH, RATIO, attributes={"h": {}}, control=["g"])
    assert [c.simpson for c in result.conditional] == [None]


def test_weights_cost_rows() -> None:
    rows, against_a = random_rows(52, 4000), {"g": {"reference": "a"}}
    even, uneven = (
        run(rows.assign(w=w), {**BOTH, "weight": "w"}, RATIO, attributes=against_a)
        for w in (np.ones(4000), np.where(np.arange(4000) % 10 == 0, 20.0, 1.0))
    )
    plain = run(rows, BOTH, RATIO, attributes=against_a)
    for group in "bc":
        widths = [
            (c.high or 0) - (c.low or 0)
            for c in (comparison(r, "selection_rate", group) for r in (plain, even, uneven))
            if c.low is not None
        ]
        assert widths[1] == pytest.approx(widths[0], rel=0.01)
        assert widths[2] > 1.5 * widths[0]
    assert estimate(plain, "selection_rate").value == estimate(even, "selection_rate").value


def test_weights_that_depend_on_the_outcome_are_not_taken_by_kish_alone() -> None:
    rng = np.random.default_rng(53)
    y = rng.random(6000) < 0.5
    kept = ~y | (rng.random(6000) < 0.2)
    rows = pd.DataFrame({"g": "a", "p": y.astype(int), "w": np.where(y, 5.0, 1.0)})[kept]
    result, counts = audited(spec({**ONLY, "weight": "w"}), rows)
    del counts
    n = len(rows)
    p = float(np.average(rows.p, weights=rows.w))
    w = rows.w.to_numpy()
    v = float((w**2 * (rows.p - p) ** 2).sum() / w.sum() ** 2 * n / (n - 1))
    found = estimate(result, "selection_rate", g="a")
    assert found.value == pytest.approx(p, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * math.sqrt(v), rel=0.02)


def test_ten_weighted_rows_are_needed_on_either_side() -> None:
    rows = selected(a=(5000, 10_000), b=(9996, 10_000)).assign(w=1.0)
    rule = {"metric": "selection_rate", "comparison": "worst_group", "at_least": 0.3}
    result = run(rows, {**ONLY, "weight": "w"}, rule)
    assert finding(result, "selection_rate", "a").verdict is Verdict.PASS
    thin = finding(result, "selection_rate", "b")
    assert thin.verdict is Verdict.INCONCLUSIVE
    assert "under ten" in thin.why
    assert run(rows, ONLY, rule).verdict is Verdict.PASS


def people(clusters: int, each: int) -> pd.DataFrame:
    """Everyone of a cluster decided alike, so that a cluster says as much as one row."""
    rng = np.random.default_rng(54)
    one = pd.DataFrame(
        {"g": ["a", "b"] * (clusters // 2), "p": rng.integers(0, 2, clusters), "c": range(clusters)}
    )
    return one.loc[one.index.repeat(each)]


def test_clusters_cost_rows() -> None:
    rows = people(400, 10)
    plain, clustered = run(rows, ONLY, DIFFERENCE), run(rows, {**ONLY, "cluster": "c"}, DIFFERENCE)
    single = run(people(400, 1), ONLY, DIFFERENCE)
    widths = [
        (c.high or 0) - (c.low or 0)
        for c in (comparison(r, "selection_rate", "b") for r in (plain, clustered, single))
    ]
    assert widths[1] > 2.5 * widths[0]
    assert widths[1] == pytest.approx(widths[2], rel=0.25)
    assert clustered.data.clusters == 400
    assert (
        estimate(plain, "selection_rate", g="a").value == estimate(clustered, "selection_rate", g="a").value
    )


def test_few_clusters_pass_nothing() -> None:
    rows = pd.concat([selected(a=(5000, 10_000), b=(5000, 10_000))], ignore_index=True)
    for clusters, expected in ((29, Verdict.INCONCLUSIVE), (2000, Verdict.PASS)):
        result = run(rows.assign(c=rows.index % clusters), {**ONLY, "cluster": "c"}, DIFFERENCE)
        assert result.data.clusters == clusters
        assert result.verdict is expected


def test_clusters_of_excluded_rows_are_not_counted() -> None:
    rows = people(100, 5).assign(keep=lambda f: f.c < 25)
    result = run(rows, {**ONLY, "cluster": "c"}, DIFFERENCE, filter="keep")
    assert result.data.clusters == 25


@pytest.mark.parametrize(
    ("small_groups", "expected", "reported"),
    [(None, Verdict.INCONCLUSIVE, 0), ("inconclusive", Verdict.INCONCLUSIVE, 0), ("report", Verdict.PASS, 1)],
)
def test_small_groups_of_one_attribute(small_groups: str | None, expected: Verdict, reported: int) -> None:
    rows = selected(a=(20_000, 40_000), b=(20_000, 40_000), c=(5, 10))
    policy = {} if small_groups is None else {"small_groups": small_groups}
    result = run(rows, ONLY, RATIO, policy=policy)
    assert result.verdict is expected
    assert verdict(result, "ratio").reported_only == reported


@pytest.mark.parametrize(
    ("small_groups", "expected"),
    [(None, Verdict.PASS), ("inconclusive", Verdict.INCONCLUSIVE), ("report", Verdict.PASS)],
)
def test_small_intersections_are_reported_unless_asked(small_groups: str | None, expected: Verdict) -> None:
    rows = pd.concat(
        [
            selected(a=(20_000, 40_000), b=(20_000, 40_000)).assign(h="u"),
            selected(a=(20_000, 40_000), b=(5, 10)).assign(h="v"),
        ]
    )
    policy = {} if small_groups is None else {"small_groups": small_groups}
    result = run(rows, ONLY, RATIO, policy=policy, attributes={"g": {}, "h": {}}, intersections=2)
    assert result.verdict is expected


def test_a_small_group_can_violate() -> None:
    rows = selected(a=(600, 1000), b=(0, 25))
    result = run(rows, ONLY, RATIO)
    assert finding(result, "selection_rate", "b").verdict is Verdict.VIOLATION


@pytest.mark.parametrize("floor", [30, 31, 100])
def test_the_floor_counts_the_metrics_own_denominator(floor: int) -> None:
    rows = table(a=(500, 500, 500, 500), b=(15, 15, 5000, 5000))
    rule = {"metric": "true_positive_rate", "comparison": "difference", "at_most": 0.9}
    result = run(rows, BOTH, rule, policy={"min_group": floor}, attributes={"g": {"reference": "a"}})
    blocked = comparison(result, "true_positive_rate", "b").blocked
    assert (blocked is not None) == (floor > 30)


def test_labels_that_are_missing_unevenly_block_a_pass() -> None:
    rows = table(a=(4000, 1000, 1000, 4000), b=(4000, 1000, 1000, 4000))
    rule = {"metric": "true_positive_rate", "comparison": "difference", "at_most": 0.1}
    assert run(rows, BOTH, rule).verdict is Verdict.PASS
    gaps = rows.assign(y=rows.y.astype(float).where((rows.g == "a") | (rows.index % 3 > 0)))
    result = run(gaps, BOTH, rule, DIFFERENCE)
    assert verdict(result, "true_positive_rate").verdict is Verdict.INCONCLUSIVE
    assert "label coverage" in verdict(result, "true_positive_rate").why
    assert verdict(result, "difference").verdict is Verdict.PASS
    assert any("label coverage" in words for words in result.data.warnings)


def test_rows_needed_stand_on_what_is_undecided_and_suffice() -> None:
    rows = selected(a=(500, 1000), b=(460, 1000))
    rule = {**DIFFERENCE, "at_most": 0.06}
    result = run(rows, ONLY, rule)
    found = finding(result, "selection_rate", "b")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.rows_needed is not None
    times = math.ceil(1 + found.rows_needed / len(rows))
    more = run(selected(a=(500 * times, 1000 * times), b=(460 * times, 1000 * times)), ONLY, rule)
    decided = finding(more, "selection_rate", "b")
    assert decided.verdict is Verdict.PASS
    assert decided.rows_needed is None


def test_detectable_differences_shrink_with_the_group() -> None:
    result = run(selected(a=(5000, 10_000), b=(500, 1000), c=(50, 100)), ONLY)
    small, middle = (estimate(result, "selection_rate", g=g).detectable for g in "cb")
    assert small is not None
    assert middle is not None
    assert 0.02 < middle < small < 0.2
    assert estimate(result, "selection_rate", g="a").detectable is None
    assert estimate(result, "selection_rate").detectable is None


def test_a_point_can_be_judged_only_where_a_rule_says_so() -> None:
    rows = selected(a=(60, 100), b=(45, 100))
    by_point = run(rows, ONLY, {**RATIO, "judge": "estimate"})
    assert by_point.verdict is Verdict.VIOLATION
    assert "by point, no error rate" in finding(by_point, "selection_rate", "b").why
    assert run(rows, ONLY, RATIO).verdict is Verdict.INCONCLUSIVE
    law = run(rows, ONLY, {**LAW, "judge": "interval"})
    assert law.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("bound", [{"at_least": 0.75}, {"at_least": 0.3}, {"at_most": 1.25}, {"at_most": 3}])
def test_a_point_on_either_end_of_a_ratios_band_lies_inside(bound: dict[str, float]) -> None:
    """1 / 0.75 is 1.3333333333333333 as a float, and 4 / 3 lies above that."""
    end = Fraction(str(*bound.values()))
    own, other = end.numerator * 20, end.denominator * 20
    rule = {"metric": "selection_rate", "comparison": "ratio", "judge": "estimate", **bound}
    rows = selected(a=(own, 100 * max(own, other)), b=(other, 100 * max(own, other)))
    for reference in ("a", "b"):
        [c] = run(rows, ONLY, rule, attributes={"g": {"reference": reference}}).comparisons
        assert c.by_point == "pass"
        beyond = selected(a=(own - 1, 100 * max(own, other)), b=(other, 100 * max(own, other)))
        if "at_least" in bound:
            [c] = run(beyond, ONLY, rule, attributes={"g": {"reference": reference}}).comparisons
            assert c.by_point == "violation"


def test_labels_missing_unevenly_among_the_selected_keep_their_precision_from_passing() -> None:
    rows = table(a=(600, 100, 100, 600), b=(600, 100, 100, 600)).astype({"y": float})
    unknown = (rows.g == "b") & (rows.p == 1) & (rows.index % 2 == 0)
    rule = {"metric": "predictive_parity", "at_most": 0.1}
    assert run(rows, BOTH, rule).verdict is Verdict.PASS
    result = run(rows.assign(y=rows.y.mask(unknown)), BOTH, rule)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "positive prediction" in result.comparisons[0].blocked
    rejected = (rows.g == "b") & (rows.p == 0) & (rows.index % 2 == 0)
    other = run(rows.assign(y=rows.y.mask(rejected)), BOTH, rule)
    assert other.verdict is Verdict.PASS


def test_a_point_does_not_certify_a_small_group() -> None:
    result = run(selected(a=(60, 100), b=(6, 10)), ONLY, LAW)
    assert comparison(result, "selection_rate", "b").value == pytest.approx(1)
    assert result.verdict is Verdict.INCONCLUSIVE


def test_minor_rules_decide_nothing() -> None:
    rows = selected(a=(5000, 10_000), b=(1000, 10_000))
    minor = run(rows, ONLY, {**RATIO, "severity": "minor"}, {**DIFFERENCE, "at_most": 0.9})
    assert verdict(minor, "ratio").verdict is Verdict.VIOLATION
    assert minor.verdict is Verdict.PASS


def test_a_rule_is_limited_to_its_attributes() -> None:
    rows = random_rows(55, 1000)
    result = run(rows, BOTH, {**RATIO, "attributes": ["h"]}, attributes={"g": {}, "h": {}}, intersections=2)
    assert {c.grouping for c in result.comparisons} == {("h",)}


def test_the_family_is_the_policy_or_the_rule() -> None:
    rows = selected(a=(500, 1000), b=(430, 1000))
    rules = [{**DIFFERENCE, "id": f"r{i}", "at_most": 0.03} for i in range(3)]
    policy, rule = (run(rows, ONLY, *rules, policy={"family": family}) for family in ("policy", "rule"))
    one, other = policy.comparisons[0], rule.comparisons[0]
    assert one.p_violation == other.p_violation
    assert one.violation_low is not None
    assert other.violation_low is not None
    assert one.violation_low < other.violation_low


def test_a_later_look_asks_for_more_evidence() -> None:
    from audit.engine.run import audit

    rows = selected(a=(500, 1000), b=(430, 1000))
    made = spec(ONLY, {**DIFFERENCE, "at_most": 0.03})
    first, third = (audit(made, frame=rows, created_at="", look=look)[0] for look in (None, 3))
    assert first.policy.alpha == pytest.approx(0.05)
    assert third.policy.alpha == pytest.approx(0.05 / 12)
    assert third.policy.look == 3
    assert first.comparisons[0].pass_low is not None
    assert third.comparisons[0].pass_low is not None
    assert third.comparisons[0].pass_low < first.comparisons[0].pass_low


def test_frequency_weights_are_rows():
    """A row of frequency k is k rows, in every interval and every floor."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        {"g": rng.choice(["a", "b"], 200), "p": rng.integers(0, 2, 200), "k": rng.integers(1, 9, 200)}
    )
    spread = rows.loc[rows.index.repeat(rows["k"])]
    spec = {
        "system": {"name": "s"},
        "data": {"columns": {"prediction": "p"}, "attributes": {"g": {}}},
        "policy": {"rules": [{"metric": "selection_rate", "comparison": "difference", "at_most": 0.1}]},
    }
    weighted = {
        **spec,
        "data": {**spec["data"], "columns": {"prediction": "p", "weight": "k"}, "weights": "frequency"},
    }
    plain, _ = audit(from_dict(spec), frame=spread, created_at="2026-01-01T00:00:00Z")
    counted, _ = audit(from_dict(weighted), frame=rows, created_at="2026-01-01T00:00:00Z")
    assert counted.comparisons == plain.comparisons
    assert counted.data.rows_audited == rows["k"].sum()
